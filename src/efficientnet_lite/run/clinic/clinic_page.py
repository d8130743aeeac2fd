"""What the clinic found as one HTML file with plots and pictures: no network, no script; light, dark, narrow, wide."""

import base64
from collections.abc import Callable, Sequence
from functools import cache

from efficientnet_lite.errors import printable
from efficientnet_lite.figures import percent
from efficientnet_lite.neighbors.own_page import own_text, policy, renderer
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.views import Image
from efficientnet_lite.run.clinic import clinic_plots
from efficientnet_lite.run.clinic.diagnosis import (
    FEW,
    Diagnosis,
    decibels,
    enough,
    gained,
    keeping,
    limits,
    overlap,
)
from efficientnet_lite.version import __version__

TEMPLATE, STYLE = "clinic.html.j2", "clinic.css"
PICTURE_PX = 160
MOST_PICTURES = 60  # of 2 to 8 KB each
MOST_CLASSES = 200  # rows; more are in the JSON
TIE = "\N{NO-BREAK SPACE}"


def render(found: Diagnosis, images: Sequence[Image]) -> bytes:
    """The page as UTF-8; `images` are those of the photos, as the network sees them."""
    style = own_text(STYLE, __package__)
    steps = sorted(found.shares.steps(), key=lambda step: -step.both)
    text = _renderer()(
        policy=policy(style),
        style=style,
        package=__version__,
        found=found,
        few=FEW,
        steps=steps,
        most=max(step.both for step in steps) or 1.0,
        columns=clinic_plots.columns_of(found.shares),
        curve=clinic_plots.curve_of(found.curve) if found.curve else None,
        plots=clinic_plots,
        limits=limits(found.shares),
        overlap=overlap(found.shares),
        enough=enough(found.curve) if found.curve else None,
        keeping=keeping(found.gains) if found.gains else None,
        damaged=found.classes[:MOST_CLASSES],
        labelled=any(row.lost is not None for row in found.classes),
        pictures=[_uri(images[row.place]) for row in found.changed[:MOST_PICTURES]],
    )
    return text.encode()


def _uri(image: Image) -> str:
    picture = photo_door.small_picture(image, PICTURE_PX)
    return f"data:image/webp;base64,{base64.b64encode(picture).decode()}"


@cache
def _renderer() -> Callable[..., str]:
    filters: dict[str, Callable[..., object]] = {
        "percent": lambda *figures: percent(*figures).replace(" ", TIE),
        "share": lambda value: "" if value is None else f"{100 * value:.1f}{TIE}%",
        "decibels": lambda *figures: decibels(*figures).replace(" dB", f"{TIE}dB"),
        "gained": lambda value: gained(value).replace(" ", TIE),
    }
    return renderer(TEMPLATE, __package__, finalize=_visible, filters=filters)


def _visible(value: object) -> object:
    """A text without characters that turn the writing direction or hide."""
    return TIE.join(map(printable, value.split(TIE))) if type(value) is str else value
