"""Where the marks of the clinic's plots lie, in the units of their drawings. Pure; the template draws them as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from efficientnet_lite.quantize.clinic.enough import CalibrationCurve
from efficientnet_lite.run.clinic.diagnosis import NoiseShares, StepShare

HEIGHT = 100.0  # of the columns
GAP = 0.18  # of a column's width, left free
WIDTH, TALL = 360.0, 200.0  # of the curve
LEFT, RIGHT, TOP, BOTTOM = 40.0, 14.0, 12.0, 34.0  # its margins
STEPS_DB = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)  # between two lines of the curve


@dataclass(frozen=True, slots=True)
class Column:
    """One step of the network: a bar of its activation on a bar of its weights, `x` to the right, from the top down."""

    step: StepShare
    x: float
    width: float
    weights_y: float
    weights_height: float
    activation_y: float
    activation_height: float


@dataclass(frozen=True, slots=True)
class Shade:
    """Steps of one block, which share a name and a shade behind them."""

    name: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class NoiseColumns:
    """The noise along the network."""

    columns: tuple[Column, ...]
    blocks: tuple[Shade, ...]
    top: float  # share at the upper edge


def columns_of(shares: NoiseShares) -> NoiseColumns:
    """A column of width 1 for each step."""
    steps = shares.steps()
    top = max((step.both for step in steps), default=0.0) or 1.0
    columns = []
    for place, step in enumerate(steps):
        weights, activation = (HEIGHT * share / top for share in (step.weights or 0.0, step.activation))
        columns.append(
            Column(
                step,
                place + GAP / 2,
                1 - GAP,
                HEIGHT - weights,
                weights,
                HEIGHT - weights - activation,
                activation,
            )
        )
    blocks = list[Shade]()
    for place, step in enumerate(steps):
        name = step.name.partition("/")[0]
        name = "head" if name == "features" else name
        if blocks and blocks[-1].name == name:
            blocks[-1] = Shade(name, blocks[-1].x, blocks[-1].width + 1)
        else:
            blocks.append(Shade(name, place, 1))
    return NoiseColumns(tuple(columns), tuple(blocks), top)


@dataclass(frozen=True, slots=True)
class Dot:
    """The network quantized from so many photos."""

    photos: int
    x: float
    y: float
    low_y: float
    high_y: float


@dataclass(frozen=True, slots=True)
class Curve:
    """The calibration curve: dots with intervals, and lines at round numbers of decibels."""

    dots: tuple[Dot, ...]
    lines: tuple[tuple[str, float], ...]  # text, y

    @property
    def path(self) -> str:
        """Points of a polyline."""
        return " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in self.dots)


def curve_of(curve: CalibrationCurve) -> Curve | None:
    """None where there is nothing to draw: fewer than two counts, or no noise."""
    points = [point for point in curve.points if all(map(math.isfinite, point.distance.snr_interval))]
    if len(points) < 2:
        return None
    least: float = min(point.distance.snr_interval.low for point in points)
    most: float = max(point.distance.snr_interval.high for point in points)
    step = next((each for each in STEPS_DB if (most - least) / each <= 5), STEPS_DB[-1])
    first, last = math.floor(least / step), math.ceil(most / step)
    low, high = first * step, max(last, first + 1) * step

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (TALL - TOP - BOTTOM)

    logs = [math.log(point.photos) for point in points]
    span = WIDTH - LEFT - RIGHT - 24
    dots = [
        Dot(
            point.photos,
            LEFT + 12 + span * (log - logs[0]) / (logs[-1] - logs[0]),
            y(point.distance.snr_db),
            y(point.distance.snr_interval.low),
            y(point.distance.snr_interval.high),
        )
        for point, log in zip(points, logs, strict=True)
    ]
    ends: Sequence[float] = [place * step for place in range(first, max(last, first + 1) + 1)]
    return Curve(tuple(dots), tuple((f"{value:g}", y(value)) for value in ends))
