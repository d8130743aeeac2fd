"""A run as one HTML file that needs nothing else: no network, no script; light, dark, narrow, wide and on paper.

The same run gives the same bytes. Names of classes and files may be hostile: every text is escaped, and
the page forbids itself scripts and connections. What can be switched is switched by its style sheet.
"""

import base64
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from efficientnet_lite.errors import printable
from efficientnet_lite.figures import megabytes, milliseconds, percent
from efficientnet_lite.metrics import Interval
from efficientnet_lite.neighbors.own_page import own_text, renderer
from efficientnet_lite.run.report import plots
from efficientnet_lite.run.report.advice import advice, file_to_ship
from efficientnet_lite.run.report.confused import Class, Confused, Pair
from efficientnet_lite.run.report.facts import SPLITS, Facts, File, FileInView, ViewScore
from efficientnet_lite.run.report.pictures import Gallery, WrongPhoto
from efficientnet_lite.run.report.snippets import snippets
from efficientnet_lite.run.summary import Summary
from efficientnet_lite.training import curves
from efficientnet_lite.training.epochs import Panel

TEMPLATE, STYLE = "page.html.j2", "page.css"
TIE = "\N{NO-BREAK SPACE}"  # between a figure and its unit
MAX_MATRIX, MAX_NARROW_MATRIX = 40, 20  # classes; more cells cannot be told apart on a big screen, on a phone
MAX_BARS = 40  # classes
# Classes to list at once; the others are a click away, and left out for all choices but the first.
WEAKEST = 20
PAIRS, PAIRS_ALONE = 10, 20  # confused pairs to list: beside the matrix, and where there are too many classes
CHECK_LABELS = "efficientnet-lite check PHOTOS --labels"
DRAW = "pip install 'efficientnet-lite[report]'"  # what the curves need
VIEW_WORDS = {
    "mediapipe": "as on phones",
    "squash": "squashed",
    "crop": "cropped",
    "android-bitmap": "as Android scales",
    "reference": "as in the reference",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """How many photos a class has."""

    label: str
    counts: Mapping[str, int]  # split -> photos

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page shows of one file in one view: one position of its switch."""

    file: int  # its place among the files
    view: int  # its place among the views
    precision: str
    view_name: str
    score: ViewScore
    confused: Confused
    pairs: tuple[Pair, ...]
    weakest: tuple[Class, ...]
    others: tuple[Class, ...]
    hidden: int  # classes that are not listed
    mistakes: Sequence[WrongPhoto] | None  # None where the photos were not there
    is_first: bool

    @property
    def name(self) -> str:
        return f"c{self.file}{self.view}"


def render(
    facts: Facts,
    summary: Summary,
    *,
    counts: Mapping[str, Sequence[int]],
    gallery: Gallery | None,
    panels: Sequence[Panel] = (),
) -> bytes:
    """The page as UTF-8.

    Args:
        summary: what its tiles say.
        counts: split -> photos of each class, in the order of `facts.labels`.
        gallery: the mistakes that each file is most sure of; None where the photos were not there.
        panels: the training's epochs, where there were any.
    """
    ship = file_to_ship(facts)
    files, views = _files_in_order(facts), _views_in_order(facts)
    bars = count_bars(facts.labels, counts)
    text = _renderer()(
        facts=facts,
        summary=summary,
        style=own_text(STYLE, __package__),
        files=files,
        views=views,
        words=VIEW_WORDS,
        splits=[split for split in SPLITS if facts.photos[split]],
        ship=ship,
        ship_name=ship.path.rpartition("/")[2],
        score=facts.score(*facts.first_choice),
        gate=facts.gate(facts.phone_view),
        gates=sorted(facts.gates, key=lambda gate: gate.view != facts.phone_view),
        advice=advice(facts, summary, counts["train"]),
        snippets=snippets(ship.path, facts.size),
        low=min(score.interval.low for file in facts.files for score in file.scores),
        trained=counts["train"],
        shown=[_shown(facts, choice, gallery) for choice in _choices(facts)],
        matrix=len(facts.labels) <= MAX_MATRIX,
        short_labels=max(map(len, facts.labels)) <= 2,
        narrow_matrix=len(facts.labels) <= MAX_NARROW_MATRIX,
        jpegs=gallery.jpegs if gallery else (),
        gallery=gallery,
        check_labels=CHECK_LABELS,
        panels=panels,
        drawings=_drawings(panels, facts.best_epoch),
        draw=DRAW,
        bars=bars,
    )
    return text.encode()


@cache
def _renderer() -> Callable[..., str]:
    """The page's template, compiled once in a process."""
    filters: Mapping[str, Callable[..., object]] = {
        "percent": lambda *figures: _whole(percent(*figures)),
        "between": lambda interval: _whole(between(interval)),
        "megabytes": lambda count: _whole(megabytes(count)),
        "milliseconds": lambda duration: _whole(milliseconds(duration)),
        "data_uri": data_uri,
    }
    return renderer(TEMPLATE, __package__, finalize=_visible, filters=filters)


def class_counts(labels: Sequence[str], rows: Iterable[tuple[str, str | None]]) -> dict[str, list[int]]:
    """Split -> how many photos each class has, from the label and split of every photo."""
    found = Counter(rows)
    return {split: [found[label, split] for label in labels] for split in SPLITS}


def count_bars(labels: Sequence[str], counts: Mapping[str, Sequence[int]]) -> tuple[Bar, ...]:
    """The classes with the most photos first; of more than `MAX_BARS` the most and the fewest alone."""
    splits = [split for split in SPLITS if any(counts.get(split, ()))]
    bars = sorted(
        (Bar(label, {split: counts[split][at] for split in splits}) for at, label in enumerate(labels)),
        key=lambda bar: (-bar.total, bar.label),
    )
    half = MAX_BARS // 2
    return tuple(bars if len(bars) <= MAX_BARS else [*bars[:half], *bars[-half:]])


def between(interval: Interval) -> str:
    """An interval of a fraction for people: "83 to 91 %"."""
    return f"{100 * interval.low:.0f} to {100 * interval.high:.0f} %"


def _whole(figure: str) -> str:
    """A figure that no line breaks from its unit."""
    return figure.replace(" ", TIE)


def data_uri(picture: bytes) -> str:
    """A JPEG as an address that holds it."""
    return f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"


def _choices(facts: Facts) -> list[FileInView]:
    """Every position of the switch, the first one first."""
    return [(file.precision, view) for file in _files_in_order(facts) for view in _views_in_order(facts)]


def _files_in_order(facts: Facts) -> list[File]:
    return sorted(facts.files, key=lambda file: file.precision != facts.first_choice[0])


def _views_in_order(facts: Facts) -> list[str]:
    return sorted(facts.views, key=lambda view: view != facts.phone_view)


def _shown(facts: Facts, choice: FileInView, gallery: Gallery | None) -> Shown:
    precision, view = choice
    confused, is_first = facts.confusions[choice], choice == facts.first_choice
    classes = confused.classes
    return Shown(
        file=[file.precision for file in _files_in_order(facts)].index(precision),
        view=_views_in_order(facts).index(view),
        precision=precision,
        view_name=view,
        score=facts.score(precision, view),
        confused=confused,
        pairs=confused.pairs(PAIRS if len(facts.labels) <= MAX_MATRIX else PAIRS_ALONE),
        weakest=classes[:WEAKEST],
        others=classes[WEAKEST:] if is_first else (),
        hidden=0 if is_first else len(classes[WEAKEST:]),
        mistakes=None if gallery is None else gallery.mistakes.get(choice, ()),
        is_first=is_first,
    )


def _drawings(panels: Sequence[Panel], best: int | None) -> Mapping[str, str]:
    """How wide -> the curves; none where there are none, or no library that draws."""
    if not panels or not curves.is_installed():
        return {}
    return {
        name: plots.draw_epochs(panels, best, width, name)
        for name, width in (("wide", plots.WIDE), ("narrow", plots.NARROW))
    }


def _visible(value: object) -> object:
    """A text without characters that turn the writing direction or hide; drawings are no plain `str`."""
    return TIE.join(map(printable, value.split(TIE))) if type(value) is str else value
