"""What a search found, as one HTML file with its pictures: no network, no script; light, dark, narrow and wide."""

import base64
from collections.abc import Callable, Sequence
from functools import cache

from efficientnet_lite.errors import printable
from efficientnet_lite.neighbors.answers import Searched
from efficientnet_lite.neighbors.own_page import own_text, policy, renderer
from efficientnet_lite.neighbors.stored_parts import VectorRow
from efficientnet_lite.neighbors.thumbnails import Thumbnails, thumbnails_of
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.version import __version__

MAX_PICTURES = 15 * 2**20  # bytes of all; 20 MB as text
SIDES = (240, 192, 160, 128, 96)  # pixels
TEMPLATE, STYLE = "found.html.j2", "found.css"


def page_of(
    searched: Sequence[Searched],
    *,
    title: str,
    model: str | None,
    photos: object = None,
    stage: ShowStage = silent,
) -> bytes:
    """The page as UTF-8.

    Args:
        searched: what was found.
        title: what it was found in.
        model: what looked at the photos, where that is known.
        photos: where the photos found lie now; see `thumbnails_of`.
    """
    asked = [each.own or VectorRow(each.query, each.query) for each in searched]
    found = [row for each in searched for row in each.rows]
    own = thumbnails_of(asked, MAX_PICTURES // 3, sides=SIDES, stage=stage)
    near = thumbnails_of(found, 2 * MAX_PICTURES // 3, photos=photos, sides=SIDES, stage=stage)
    images, style = map(_uri, near.images), own_text(STYLE)
    pictures = iter(_each(near, list(images)))
    text = _renderer()(
        policy=policy(style),
        style=style,
        package=__version__,
        title=title,
        model=model,
        count=len(found),
        gone=near.gone,
        side=near.side,
        answers=[
            (each, picture, [(row, next(pictures)) for row in zip(each.found, each.rows, strict=True)])
            for each, picture in zip(searched, _each(own, list(map(_uri, own.images))), strict=True)
        ],
    )
    return text.encode()


def _each(thumbnails: Thumbnails, images: Sequence[str]) -> list[str | None]:
    return [None if place is None else images[place] for place in thumbnails.places]


def _uri(picture: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(picture).decode()}"


@cache
def _renderer() -> Callable[..., str]:
    return renderer(TEMPLATE, finalize=_visible)


def _visible(value: object) -> object:
    """A text without characters that turn the writing direction or hide."""
    return printable(value) if type(value) is str else value
