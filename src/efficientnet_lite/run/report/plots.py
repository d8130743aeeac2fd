"""The curves of a training as SVG to stand inside of a page: the same numbers give the same bytes.

Colors are names of the page's style sheet, so that light and dark follow the reader.
"""

import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from efficientnet_lite.training.curves import CurveStyle, drawn
from efficientnet_lite.training.epochs import Panel

WIDE, NARROW = 6.4, 3.5  # inches, of 96 pixels: half of a big screen, and a phone
# What matplotlib is told to draw with -> the page's own colors.
COLORS = {
    "#010101": "var(--ink)",
    "#020202": "var(--soft)",
    "#030303": "var(--blue)",
    "#040404": "var(--orange)",
    "#050505": "var(--green)",
    "#060606": "var(--violet)",
}
INK, FAINT, *LINES = COLORS
SETTINGS: Mapping[str, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, selected and found
    "svg.hashsalt": "efficientnet-lite",  # ids from the content, not from chance
    "axes.facecolor": "none",
    "figure.facecolor": "none",
}
_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_COLOR = re.compile("|".join(COLORS))


def draw_epochs(panels: Sequence[Panel], best: int | None, width: float, name: str) -> str:
    """The panels of a log; `best` is the epoch to mark, `name` that of the drawing, once in a page."""
    text = StringIO()
    with warnings.catch_warnings():
        # of characters that its font lacks: they are only measured with it, and the reader's browser draws
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        with drawn(panels, best, CurveStyle(width, 9, INK, FAINT, tuple(LINES)), SETTINGS) as figure:
            figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return _inline(text.getvalue(), name)


def _inline(svg: str, name: str) -> str:
    """A drawing to stand in a page beside others: no links, ids of its own, and the page's colors."""
    root = ET.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}metadata", f"{_SVG}style"):  # a style sheet would be the whole page's
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        attributes = {key: _own(value, name) for key, value in element.attrib.items() if key != _LINK}
        if _LINK in element.attrib:
            attributes["href"] = f"#{name}-{element.attrib[_LINK].removeprefix('#')}"
        if "id" in attributes:
            attributes["id"] = f"{name}-{attributes['id']}"
        element.attrib.clear()
        element.attrib.update(attributes)
    root.set("class", "plot")
    root.set("aria-hidden", "true")  # what it shows stands in the page as text, too
    return ET.tostring(root, encoding="unicode")


def _own(value: str, name: str) -> str:
    return _COLOR.sub(lambda found: COLORS[found[0]], value.replace("url(#", f"url(#{name}-"))
