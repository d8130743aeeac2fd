"""Prose in lines of a width: it breaks between words, and never where that would spoil what is meant.

Whole stay numbers with their unit and interval, what stands in quotes, an option with its value, a command to copy,
and whatever a caller names. What is wider than a line has a line of its own, so that it can be copied as it is.
"""

import re
from collections.abc import Iterator, Sequence

from rich.cells import cell_len

UNITS = (
    "%|points?|ms|µs|s|min|h|bytes|B|kB|KB|MB|GB|KiB|MiB|GiB|TiB|dB|M|MAdds|pixels?|px|photos?|images?|files?|classes|"
    "columns?|characters?|epochs?|steps?|iterations?|operators?|tensors?|lines?|times?"
)
NUMBER = r"[-+±≤≥<>~]?\d[\d.,:/x×e+-]*"
QUANTITY = rf"{NUMBER}(?: (?:{UNITS})\b|\s?%)?"
INTERVAL = rf" \({NUMBER}(?: to |-|, | ){NUMBER}[^()]{{0,12}}\)"
# No plain word of a sentence.
ARGUMENT = r"(?: (?:'[^']*'|\"[^\"]*\"|[^\s'\";,()]*[-/.=@:\dA-Z][^\s'\";,()]*))"
WHOLE = re.compile(
    r"(?<![^\s(])(?:"
    rf"(?:efficientnet-lite|pip|python) [a-z-]+{ARGUMENT}*"
    rf"|--?[a-z][\w-]* (?:'[^']*'|\"[^\"]*\"|[A-Z\d./~][^\s;,()]*)"
    r"|'[^'\n]+'(?=[\s.,;:)]|$)"
    r"|\"[^\"\n]+\"(?=[\s.,;:)]|$)"
    r"|`[^`\n]+`"
    r"|\d+ (?:h|min) \d+ (?:min|s)\b"
    rf"|{QUANTITY}(?:{INTERVAL})?"
    r")"
)
GLUE = "\ue000"  # stands for a space that must not break, while lines are made; no text of ours has it


def glued(text: str, keep: Sequence[str] = ()) -> str:
    """`text` with `GLUE` for every space at which it must not break; see `unglued`.

    What `keep` names stays whole wherever it stands, a path with spaces for example.
    """
    spans = (
        *_named(text, keep),
        *(found.span() for found in re.finditer(r"(?<![:\s]) {2,}", text)),  # columns, but not behind "in:"
        *(found.span() for found in WHOLE.finditer(text)),
    )
    inside = {place for begin, end in spans for place in range(begin, end)}
    return "".join(GLUE if each == " " and place in inside else each for place, each in enumerate(text))


def unglued(text: str) -> str:
    return text.replace(GLUE, " ")


def atoms(text: str, keep: Sequence[str] = ()) -> list[str]:
    """The parts of `text` that must not break, in order."""
    return [unglued(part) for part in glued(text, keep).split(" ") if part]


def _named(text: str, keep: Sequence[str]) -> Iterator[tuple[int, int]]:
    for part in filter(None, keep):
        yield from (found.span() for found in re.finditer(re.escape(part), text))


def wrapped(text: str, width: int | None, *, hang: int = 0, keep: Sequence[str] = ()) -> list[str]:
    """`text` in lines of at most `width` cells but for what cannot break; all but the first begin with `hang` spaces.

    The first keeps the spaces that `text` begins with. Without a width it is one line.
    """
    if width is None or cell_len(text) <= width:
        return [text]
    lead = text[: len(text) - len(text.lstrip(" "))]
    lines, line = [], lead
    for atom in atoms(text.strip(" "), keep):  # rich's own Text.wrap would cut what is wider than a line
        joined = f"{line} {atom}" if line.strip(" ") else f"{line}{atom}"
        if cell_len(joined) <= width:
            line = joined
            continue
        if line.strip(" "):
            lines.append(line)
        line = f"{' ' * hang}{atom}" if hang + cell_len(atom) <= width else atom
    return [*lines, line]
