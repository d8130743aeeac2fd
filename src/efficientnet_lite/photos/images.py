"""The images of a photo that a caller gives, whatever form it has, or why there are none."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from efficientnet_lite.errors import UnreadablePhoto
from efficientnet_lite.photos.contract import Contract, FitView, View
from efficientnet_lite.photos.given import GivenPhoto, encoded, pixels
from efficientnet_lite.photos.survey import CHANGED
from efficientnet_lite.photos.views import Image, prepare, prepare_pixels
from efficientnet_lite.storage import files


@dataclass(frozen=True, slots=True)
class Refused:
    """A photo that could not be used."""

    where: str
    reason: str
    lost: bool = False  # its bytes are not there, or not those that were asked for
    fix: str = "leave it out, or replace it"


def images_of(
    photo: GivenPhoto | str | Path,
    views: Sequence[View | FitView],
    contract: Contract,
    *,
    sha256: str | None = None,
) -> tuple[Image, ...] | Refused:
    """The images of one photo, or why there are none.

    `sha256` is of the content that a file had when it was looked at; one that has another by now is lost, as
    is one that has gone.
    """
    given = photo if isinstance(photo, GivenPhoto) else GivenPhoto(photo, "the photo")
    where = given.where
    try:
        data = encoded(given)
    except UnreadablePhoto as error:
        return Refused(where, error.what, lost=True, fix=error.fix)
    if data is not None and sha256 not in (None, files.sha256_bytes(data)):
        return Refused(where, CHANGED, lost=True)
    try:
        if data is None:
            return prepare_pixels(pixels(given), views, contract)
        return prepare(data, views, contract, where=where).images
    except UnreadablePhoto as error:
        return Refused(where, error.what, fix=error.fix)
