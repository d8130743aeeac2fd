"""The preprocessing contract: how a photo becomes the model's input, as one frozen value.

It travels in the card of a run and inside every file that we write, so nobody passes an image
size by hand. Pure: numpy-free arithmetic on sizes; the pixels are moved in `photos/views.py`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, Self, get_args

from efficientnet_lite.errors import ArtifactError

MEAN, STDDEV = 127, 128  # Source: efficientnet_lite_builder.py, `MEAN_RGB`, `STDDEV_RGB`; all three channels
CROP_PADDING = 32  # pixels; Source: preprocessing.py until 2021-11, and timm's crop_pct for these weights

View = Literal["crop", "squash", "mediapipe", "android-bitmap", "reference"]
VIEWS: tuple[View, ...] = get_args(View)
# As MediaPipe Tasks sees a photo on a phone: all of it, stretched to the square. "phone" on every screen is this view.
PHONE_VIEW: View = "mediapipe"
BaseView = Literal["crop", "squash"]  # views that both consumers and the fit of a head have
FitView = Literal["crop", "crop-mirrored", "squash", "squash-mirrored"]
FIT_VIEWS: tuple[FitView, ...] = get_args(FitView)
PROOF_VIEWS: tuple[View, ...] = (
    *get_args(BaseView),
    PHONE_VIEW,
)  # in which a file is held to the one it came from


def base_views(views: Sequence[FitView]) -> list[BaseView]:
    """Those among `views` that consumers have: a head is chosen and proven on these."""
    bases: tuple[BaseView, ...] = get_args(BaseView)
    return [view for view in bases if view in views]


class Box(NamedTuple):
    """A rectangle of a photo, in its own pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Contract:
    """What a file expects of its input.

    `view` is the geometry for which `predict` prepares photos; the head is fitted on several, so
    other views are legitimate, and `evaluate` measures each.
    """

    size: int  # side of the square input, pixels
    view: View = "crop"
    crop_padding: int = CROP_PADDING  # the crop is size / (size + crop_padding) of the short side
    mean: int = MEAN  # normalized = (x - mean) / stddev for x in 0..255; the file does this itself
    stddev: int = STDDEV

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary; `from_json` gives the same value back."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: object, *, where: str) -> Self:
        """Read what `to_json` wrote; raises `ArtifactError` that names the field."""

        def refuse(field: str) -> ArtifactError:
            return ArtifactError(
                f"the preprocessing contract has no usable {field!r}",
                where=where,
                fix="export the model again",
            )

        if not isinstance(fields, dict):
            raise refuse("contract")
        for field, low, high in (
            ("size", 1, 4096),
            ("crop_padding", 0, 4096),
            ("mean", 0, 255),
            ("stddev", 1, 255),
        ):
            value = fields.get(field)
            if type(value) is not int or not low <= value <= high:
                raise refuse(field)
        if fields.get("view") not in VIEWS:
            raise refuse("view")
        return cls(**{name: fields[name] for name in ("size", "view", "crop_padding", "mean", "stddev")})


def center_crop(height: int, width: int, size: int, padding: int = CROP_PADDING) -> Box:
    """The square to cut from the middle of a photo before resizing it to `size`.

    Its side is size / (size + padding) of the short side, rounded down, at least 1; an odd pixel
    goes above and to the left. Raises ValueError where a size is below 1.

    Source: tensorflow/tpu, models/official/efficientnet/preprocessing.py, `_decode_and_center_crop`.
    """
    if min(height, width, size) < 1 or padding < 0:
        raise ValueError(f"sizes must be at least 1 pixel, got {height=} {width=} {size=} {padding=}")
    side = max(1, int(size / (size + padding) * min(height, width)))
    return Box((height - side + 1) // 2, (width - side + 1) // 2, side, side)


def reference_padding(size: int) -> int:
    """Crop padding of the reference's present evaluation: round(size / 7), 32 at 224.

    Source: preprocessing.py since 2021-11-15, `CROP_PADDING` as a fraction 0.875.
    """
    return round(size * (1 / 0.875 - 1))
