"""A run as one HTML file that needs nothing else: no network, no script; light, dark and on paper.

The same run gives the same bytes. Names of classes and files may be hostile: every text is escaped, and
the page forbids itself scripts and connections.
"""

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from importlib.util import find_spec

from efficientnet_lite.errors import UsageError, printable
from efficientnet_lite.metrics import Interval
from efficientnet_lite.run.report import plots
from efficientnet_lite.run.report.facts import SPLITS, Facts
from efficientnet_lite.run.report.pictures import WrongPhoto

TEMPLATE = "page.html.j2"
NEEDS = ("jinja2", "matplotlib")
INSTALL = "pip install 'efficientnet-lite[report]'"
PAIRS, PAIRS_ALONE = 10, 40  # confused pairs to list: beside the matrix, and where there are too many classes


def is_installed() -> bool:
    """Whether the libraries that make a page are there."""
    return all(find_spec(name) is not None for name in NEEDS)


def check_installed() -> None:
    """Raises UsageError where the libraries that make a page are missing."""
    if not is_installed():
        raise UsageError(f"a report needs {' and '.join(NEEDS)}", where="this environment", fix=INSTALL)


def render(
    facts: Facts,
    *,
    name: str,
    counts: Mapping[str, Sequence[int]],
    pictures: Sequence[WrongPhoto] | None,
    curves: bytes | None = None,
) -> bytes:
    """The page as UTF-8.

    Args:
        name: of the run.
        counts: split -> photos of each class, in the order of `facts.labels`.
        pictures: the mistakes that the model is most sure of; None where the photos were not there.
        curves: a PNG of the training's epochs, where there were any.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_visible
    )
    environment.filters |= {"percent": percent, "between": between, "points": points, "data_uri": data_uri}
    source = resources.files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8")
    few = len(facts.labels) <= plots.MAX_MATRIX
    bars = plots.count_bars(facts.labels, counts)
    text: str = environment.from_string(source).render(
        facts=facts,
        name=printable(name),
        splits=[split for split in SPLITS if facts.photos[split]],
        trained=counts["train"],
        pairs=facts.pairs(PAIRS if few else PAIRS_ALONE),
        pictures=pictures,
        curves=curves,
        bars_shown=len(bars),
        accuracy=plots.draw_accuracy(plots.accuracy_dots(facts)),
        path=plots.draw_path(facts.attempts) if facts.attempts else None,
        confusion=plots.draw_confusion(facts.labels, facts.confusion) if few else None,
        bars=plots.draw_counts(bars),
    )
    return text.encode()


def class_counts(labels: Sequence[str], rows: Iterable[tuple[str, str | None]]) -> dict[str, list[int]]:
    """Split -> how many photos each class has, from the label and split of every photo."""
    found = Counter(rows)
    return {split: [found[label, split] for label in labels] for split in SPLITS}


def _visible(value: object) -> object:
    """A text without characters that turn the writing direction or hide; drawings are no plain `str`."""
    return printable(value) if type(value) is str else value


def percent(fraction: float | None, interval: Interval | None = None) -> str:
    """A fraction for people: "91.2 %", "91.2 % (88.0–93.7)", or a dash where there is none."""
    if fraction is None:
        return "–"
    text = f"{100 * fraction:.1f} %"
    return text if interval is None else f"{text} {between(interval)}"


def between(interval: Interval) -> str:
    """An interval of a fraction for people, in percent: "(88.0–93.7)"."""
    return f"({100 * interval.low:.1f}–{100 * interval.high:.1f})"


def points(difference: float, interval: Interval) -> str:
    """A difference of fractions for people: "0.3 points (-0.5 to 1.1)"."""
    return f"{100 * difference:.1f} points ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def data_uri(picture: bytes, kind: str = "jpeg") -> str:
    """A picture as an address that holds it."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
