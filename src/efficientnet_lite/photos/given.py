"""Photos as callers of Python give them, in every form that has one meaning; the rest is refused with what to do.

One photo is a path, an encoded photo (bytes, or a binary file), an image of Pillow, or pixels: an array, or whatever
has `__array__`, such as a tensor of torch or TensorFlow, whose library is never imported here. Pixels are gray (H, W)
or (H, W, 1), RGB (H, W, 3) or RGBA (H, W, 4), channels last, uint8, or floats in [0, 1]. Several are a batch
(N, H, W, C), or anything to go through: a list, a column of a table, a generator.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from efficientnet_lite.errors import UnreadablePhoto, WrongType, type_name, wrong_type
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.decode import PillowImage

CHANNELS = (1, 3, 4)
ROUNDING = 1e-5  # by which floats may lie outside of [0, 1]: arithmetic, and no other range
SHAPES = "give (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), channels last"
WEB = ("http://", "https://")
PHOTO = "give a path, bytes, an image of Pillow, an array or a tensor"


@runtime_checkable
class HasArray(Protocol):
    """What can be read as an array: of numpy, a tensor, a column of a table."""

    def __array__(self) -> npt.NDArray[Any]: ...


@runtime_checkable
class Readable(Protocol):
    """An open file, or what reads like one."""

    def read(self, size: int, /) -> Any: ...


OnePhoto = str | os.PathLike[str] | bytes | bytearray | memoryview | Readable | PillowImage | HasArray
GivenPhotos = OnePhoto | Iterable[OnePhoto]
_ONE = (str, os.PathLike, bytes, bytearray, memoryview, PillowImage)
_TEXT_OR_OBJECTS = "OUST"  # kinds of numpy's types whose items are paths, bytes or objects


@dataclass(frozen=True, slots=True)
class GivenPhoto:
    """One photo, and what messages call it: its path, or its place among those that came with it."""

    photo: OnePhoto
    place: str

    @property
    def where(self) -> str:
        """The path where there is one."""
        return os.fsdecode(self.photo) if isinstance(self.photo, str | os.PathLike) else self.place


@dataclass(frozen=True, slots=True)
class Gathered:
    """What came in one call; to be gone through once."""

    single: bool  # one photo, not several
    photos: Iterable[GivenPhoto]
    count: int | None = 1  # how many; None where only going through them shows it


def gather(photos: GivenPhotos) -> Gathered:
    """The photos in what was given, one after another, as they are asked for.

    Raises WrongType for what holds no photos, UnreadablePhoto for a batch of another shape.
    """
    if isinstance(photos, (*_ONE, Readable)):
        return Gathered(True, [GivenPhoto(photos, "the photo")])
    if isinstance(photos, HasArray):
        array = as_array(photos, "photos")
        if array.dtype.kind not in _TEXT_OR_OBJECTS and array.ndim != 4:
            return Gathered(True, [GivenPhoto(array, "the array")])
        if array.dtype.kind not in _TEXT_OR_OBJECTS:
            _check_batch(array.shape)
        elif array.ndim == 0:
            return gather(array.item())
        elif array.ndim != 1:
            raise _no_photos(photos, "give its column of paths, for example table['path']")
        items: Iterable[Any] = array if array.ndim == 4 else array.tolist()
    elif isinstance(photos, Iterable) and not isinstance(photos, Mapping | set | frozenset):
        items = photos
    else:
        raise _no_photos(photos, f"{PHOTO}, or a list of such")
    return Gathered(False, _numbered(items), len(items) if isinstance(items, Sized) else None)


def _numbered(items: Iterable[Any]) -> Iterator[GivenPhoto]:
    for number, item in enumerate(items):
        yield GivenPhoto(item, f"photos[{number}]")


def encoded(given: GivenPhoto) -> bytes | None:
    """The bytes of the photo's file, None where it is an image or an array already.

    Raises UnreadablePhoto where they cannot be had, WrongType where it is no photo.
    """
    photo = given.photo
    if isinstance(photo, str | os.PathLike):
        if given.where.startswith(WEB):
            _refuse(
                "this is an address, and nothing is fetched from the web", given.where, "download it first"
            )
        return photo_door.read_bytes(Path(given.where))
    if isinstance(photo, Readable):
        photo = photo.read(photo_door.MAX_BYTES + 1)
    if isinstance(photo, bytes | bytearray | memoryview):
        return photo_door.bounded_bytes(bytes(photo), given.where)
    if isinstance(photo, PillowImage | HasArray):
        return None
    fix = f"{PHOTO}; text files are opened with 'rb'" if isinstance(photo, str) else PHOTO
    raise _no_photo(photo, given.where, fix)


def pixels(given: GivenPhoto) -> npt.NDArray[np.uint8]:
    """The pixels (H, W, 3) of an image or an array: RGB, upright, transparency painted on white.

    Raises UnreadablePhoto, WrongType.
    """
    if isinstance(given.photo, PillowImage):
        return photo_door.from_pillow(given.photo, where=given.where).pixels
    assert isinstance(given.photo, HasArray)
    array = as_array(given.photo, given.where)
    if array.dtype.kind in _TEXT_OR_OBJECTS:
        raise _no_photo(given.photo, given.where, f"{PHOTO}: one photo an item")
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    _check_shape(array.shape, given.where)
    codes = _codes(array, given.where)
    if codes.ndim == 2:
        codes = codes[..., None]
    if codes.shape[2] == 4:
        return photo_door.on_white(codes)
    return np.repeat(codes, 3, axis=2) if codes.shape[2] == 1 else codes


def as_array(value: HasArray, where: str) -> npt.NDArray[Any]:
    """`value` by the array protocol; raises WrongType where its library refuses."""
    try:
        return np.asarray(value)
    except Exception as error:  # each library has its own: TypeError, RuntimeError, NotImplementedError
        reason = str(error).strip().partition("\n")[0][:200]
        raise WrongType(
            f"the {type_name(value)} gives no array: {reason}",
            where=where,
            fix="give a tensor on the CPU, without gradients, of a type that numpy has: tensor.detach().cpu().float()",
        ) from error


def _check_batch(shape: tuple[int, ...]) -> None:
    if shape[3] not in CHANNELS and shape[1] in CHANNELS:
        _refuse(
            f"a batch of the shape {shape} has its channels first",
            "photos",
            "give (N, H, W, 3): array.transpose(0, 2, 3, 1), of a tensor permute(0, 2, 3, 1)",
        )
    if shape[3] not in CHANNELS:
        _refuse(
            f"an array of the shape {shape} is no batch of photos",
            "photos",
            "give (N, H, W, 1), (N, H, W, 3) or (N, H, W, 4)",
        )


def _check_shape(shape: tuple[int, ...], where: str) -> None:
    if len(shape) == 4:
        _refuse(
            f"an array of the shape {shape} is a batch among single photos",
            where,
            "give a batch alone, or its photos one by one: *batch",
        )
    if len(shape) not in (2, 3):
        hint = "; an encoded photo is bytes: array.tobytes()" if len(shape) == 1 else ""
        _refuse(f"an array of the shape {shape} is no photo", where, SHAPES + hint)
    if 0 in shape:
        _refuse(f"an array of the shape {shape} has no pixels", where, SHAPES)
    if len(shape) == 3 and shape[2] not in CHANNELS:
        if shape[0] in CHANNELS:
            fix = "give (H, W, 3): array.transpose(1, 2, 0), of a tensor permute(1, 2, 0)"
            _refuse(f"a photo of the shape {shape} has its channels first", where, fix)
        _refuse(f"an array of the shape {shape} is no photo", where, f"{SHAPES}; several as (N, H, W, C)")


def _codes(array: npt.NDArray[Any], where: str) -> npt.NDArray[np.uint8]:
    """Pixels as they are, or of floats in [0, 1] the nearest of 256 levels."""
    if array.dtype == np.uint8:
        return np.asarray(array, np.uint8)
    if array.dtype.kind != "f":
        raise WrongType(f"pixels of the type {array.dtype}", where=where, fix=_as_pixels(array.dtype))
    low, high = float(array.min()), float(array.max())
    if not np.isfinite(low) or not np.isfinite(high):
        _refuse(
            "its pixels are not all finite numbers (NaN or infinite)",
            where,
            "leave it out, or replace them: numpy.nan_to_num(array)",
        )
    if low < -ROUNDING or high > 1 + ROUNDING:
        normalized = low < 0 or high > 255
        _refuse(
            f"its pixels are floats from {low:.4g} to {high:.4g}, not in [0, 1]",
            where,
            "give the photo itself, not what was normalized for a network: the model does that"
            if normalized
            else "divide by 255, or give uint8: array.astype('uint8')",
        )
    levels = np.clip(array, 0, 1).astype(np.float32) * np.float32(255)
    return np.asarray(np.rint(levels), np.uint8)


def _as_pixels(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "b":
        return "a mask is no photo; as one in black and white: array.astype('uint8') * 255"
    if dtype.kind == "u" and dtype.itemsize == 2:
        return "give uint8, or floats in [0, 1]: of 16 bits with white at 65535, array / 65535"
    if dtype.kind in "iu":
        return "give uint8, or floats in [0, 1]: of values from 0 to 255, array.astype('uint8')"
    return "give uint8, or floats in [0, 1]"


def _refuse(what: str, where: str, fix: str) -> NoReturn:
    raise UnreadablePhoto(what, where=where, fix=fix)


def _no_photo(value: object, where: str, fix: str) -> WrongType:
    return WrongType(f"it has the type {type_name(value)}, which is no photo", where=where, fix=fix)


def _no_photos(value: object, fix: str) -> WrongType:
    return wrong_type("photos", value, fix=fix)
