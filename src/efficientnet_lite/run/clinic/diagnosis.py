"""What the clinic found of one int8 file: the value that the terminal, a notebook, JSON and the page show."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from efficientnet_lite.errors import printable
from efficientnet_lite.figures import percent
from efficientnet_lite.metrics import Interval
from efficientnet_lite.proof.gate import finite
from efficientnet_lite.quantize.clinic.damage import ChangedPhoto, ClassDamage, Distance
from efficientnet_lite.quantize.clinic.enough import CalibrationCurve
from efficientnet_lite.quantize.kept import WhatIf
from efficientnet_lite.quantize.network_part import NetworkPart

WORTH_DB = 0.1  # repeats differ by up to 0.06
LEAST_SHOWN = 0.001
FEW = 8  # rows of each table that are shown at first


@dataclass(frozen=True, slots=True)
class PartShare:
    """The noise of one part with all else float, as a fraction of the file's whole noise on the same photos."""

    part: NetworkPart
    share: float


@dataclass(frozen=True, slots=True)
class StepShare:
    """A step of the network: the noise of its weights and of the tensor that it makes."""

    name: str
    weights: float | None  # None: it has none
    activation: float

    @property
    def both(self) -> float:
        return (self.weights or 0.0) + self.activation


@dataclass(frozen=True, slots=True)
class NoiseShares:
    """Where the noise comes from. Fractions of the whole noise of the file on these photos."""

    photos: int
    parts: tuple[PartShare, ...]  # in the network's order, each alone
    weights: float  # of all layers together
    activations: float  # all together
    preparation: float  # of the float network in the file's form, before anything is rounded

    @property
    def alone(self) -> float:
        """All parts alone and the preparation, added up: more than 1 where some repeat or take back what others do."""
        return sum(each.share for each in self.parts) + self.preparation

    def of(self, part: NetworkPart) -> float:
        return next(each.share for each in self.parts if each.part == part)

    def steps(self) -> tuple[StepShare, ...]:
        """The same by step, in the network's order."""
        shares: dict[str, dict[str, float]] = {}
        for each in self.parts:
            shares.setdefault(each.part.name, {})[each.part.kind] = each.share
        return tuple(
            StepShare(name, own.get("weights"), own.get("activation", 0.0)) for name, own in shares.items()
        )

    def worst(self) -> tuple[PartShare, ...]:
        return tuple(sorted(self.parts, key=lambda each: -each.share))


@dataclass(frozen=True, slots=True, repr=False)
class Diagnosis:
    """What int8 costs one file, where the noise comes from, and what would help."""

    path: Path  # of the int8 file
    variant: str
    size: int  # pixels
    parent: str
    whole: Distance
    top1_float: float | None  # None without labels
    top1_int8: float | None
    shares: NoiseShares
    gains: tuple[WhatIf, ...]  # of the parts that make most noise, the most helpful first
    curve: CalibrationCurve | None  # None where there are too few photos
    classes: tuple[ClassDamage, ...]  # the most damaged first; none of a file of features
    changed: tuple[ChangedPhoto, ...]  # that of which float was most certain first
    notes: tuple[str, ...]
    page: Path | None = None  # where one was written

    @property
    def headline(self) -> str:
        """One line."""
        found = self.whole
        same = ""
        if found.agreement is not None:
            same = f", same class on {percent(found.agreement, found.agreement_interval)}"
        return (
            f"{self.path.name}: int8 {decibels(found.snr_db, found.snr_interval)} above its noise{same}, "
            f"of {found.count} photos"
        )

    def to_json(self) -> dict[str, Any]:
        """A document of plain values; a ratio without noise is null."""
        return {
            "path": str(self.path.absolute()),
            "variant": self.variant,
            "size": self.size,
            "parent": self.parent,
            **_distance(self.whole),
            "top1_float": self.top1_float,
            "top1_int8": self.top1_int8,
            "noise": {
                "photos": self.shares.photos,
                "weights": self.shares.weights,
                "activations": self.shares.activations,
                "preparation": self.shares.preparation,
                "parts_alone": self.shares.alone,
                "parts": [
                    {"kind": each.part.kind, "name": each.part.name, "share": each.share}
                    for each in self.shares.parts
                ],
            },
            "gains": [
                {
                    "kind": each.part.kind,
                    "name": each.part.name,
                    "share": self.shares.of(each.part),
                    "gain_float_db": finite(each.gain_db),
                    "gain_16_bits_db": finite(each.gain_16_bits_db),
                    "agreement": each.agreement,
                    "keep": list(each.keep),
                    "keep_gain_db": finite(each.keep_gain_db),
                }
                for each in self.gains
            ],
            "calibration": _curve(self.curve),
            "classes": [
                {
                    "class_index": row.class_index,
                    "label": row.label,
                    "photos": row.count,
                    "changed": row.changed,
                    "snr_db": finite(row.snr_db),
                    "lost": row.lost,
                    "won": row.won,
                }
                for row in self.classes
            ],
            "changed": [
                {
                    "photo": row.name,
                    "true": row.true,
                    "float": {"label": row.float_answer, "probability": row.float_probability},
                    "int8": {"label": row.int8_answer, "probability": row.int8_probability},
                }
                for row in self.changed
            ],
            "page": None if self.page is None else str(self.page.absolute()),
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        lines = [self.headline]
        for title, columns, rows in self.tables():
            cells = [columns, *rows]
            widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
            lines += ["", title]
            lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
        return "\n".join(map(printable, lines))

    def _repr_html_(self) -> str:
        tables = "".join(_table(*each) for each in self.tables())
        return f"<div><b>{_safe(self.headline)}</b>{tables}</div>"

    def tables(self) -> "Iterator[TitledTable]":
        """The tables that say it, the same wherever they are shown."""
        yield sources(self.shares)
        if self.gains:
            yield gains(self.gains, self.shares)
        if self.curve is not None:
            yield calibration(self.curve)
        damaged = [row for row in self.classes if row.changed][:FEW]
        if damaged:
            yield by_class(damaged, len(self.classes))
        if self.changed:
            yield changed(self.changed)

    def advice(self) -> "Iterator[str]":
        """What the figures come to, a sentence each."""
        worse, most, less, least = limits(self.shares)
        yield (
            f"{worse.capitalize()} limit: alone they make {100 * most:.0f} % of the noise, {less} "
            f"{100 * least:.0f} %. {overlap(self.shares)}"
        )
        if self.gains and (said := keeping(self.gains)):
            yield said
        if self.curve is not None:
            yield enough(self.curve)


TitledTable = tuple[str, Sequence[str], Sequence[Sequence[str]]]  # title, columns, rows


def decibels(value: float, interval: Interval | None = None) -> str:
    """ "24.7 dB (24.4-25.0)"."""
    if finite(value) is None:
        return "without noise"
    text = f"{value:.1f} dB"
    return text if interval is None else f"{text} ({interval.low:.1f}-{interval.high:.1f})"


def gained(value: float) -> str:
    """ "+0.31 dB"."""
    return "-" if finite(value) is None else f"{value:+.2f} dB"


def sources(shares: NoiseShares) -> TitledTable:
    """The steps that make most noise."""
    steps = sorted(shares.steps(), key=lambda step: -step.both)[:FEW]
    rows = [[step.name, _share(step.weights), _share(step.activation), _share(step.both)] for step in steps]
    others = [step for step in shares.steps() if step not in steps]
    rows.append(
        [
            f"{len(others)} others",
            _share(sum(step.weights or 0 for step in others)),
            _share(sum(step.activation for step in others)),
            _share(sum(step.both for step in others)),
        ]
    )
    rows.append(["all together", _share(shares.weights), _share(shares.activations), _share(1.0)])
    if shares.preparation >= LEAST_SHOWN:
        rows.insert(-1, ["before any rounding", "", "", _share(shares.preparation)])
    title = f"Noise of each step rounded alone, of the whole ({shares.photos} photos)"
    return title, ["step", "weights", "activation", "both"], rows


def gains(found: Sequence[WhatIf], shares: NoiseShares) -> TitledTable:
    rows = [
        [
            each.part.name,
            each.part.kind,
            _share(shares.of(each.part)),
            gained(each.gain_16_bits_db),
            gained(each.gain_db),
            gained(each.keep_gain_db),
        ]
        for each in found
    ]
    columns = ["part", "of", "noise", "in 16 bits", "in float", "if kept"]
    return "What the worst would gain if they alone were finer", columns, rows


def keeping(found: Sequence[WhatIf]) -> str | None:
    """Which layers to keep in float, in a sentence; None where that brings nothing."""
    best = max(found, key=lambda each: each.keep_gain_db)
    if not best.keep_gain_db >= WORTH_DB:
        return None
    return (
        f"To keep {' '.join(best.keep)} in float brings {gained(best.keep_gain_db)}; the file then no longer runs "
        "whole on accelerators of integers."
    )


def calibration(curve: CalibrationCurve) -> TitledTable:
    rows = [
        [
            str(point.photos),
            decibels(point.distance.snr_db, point.distance.snr_interval),
            "-"
            if point.distance.agreement is None
            else percent(point.distance.agreement, point.distance.agreement_interval),
        ]
        for point in curve.points
    ]
    title = f"Quantized anew from more and more photos, judged on {curve.judged} others"
    return title, ["photos", "signal to noise", "same class"], rows


def limits(shares: NoiseShares) -> tuple[str, float, str, float]:
    """What limits, activations or weights, with its share of the noise, and the other."""
    of = {"activations": shares.activations, "weights": shares.weights}
    worse, less = sorted(of, key=lambda kind: -of[kind])
    return worse, of[worse], less, of[less]


def overlap(shares: NoiseShares) -> str:
    """How far the parts add up to the whole, in a sentence."""
    over = shares.alone - 1
    why = "some repeat, or take back, what others do" if over > 0 else "some noise comes only of several"
    return f"All parts, each alone, add up to {100 * shares.alone:.0f} %" + (
        f": {why}." if abs(over) >= 0.05 else "."
    )


def enough(curve: CalibrationCurve) -> str:
    """How many calibration photos are enough, in a sentence."""
    last = curve.points[-1].photos
    if len(curve.points) == 1:
        return f"One number of calibration photos was tried, {last}: no more can be said."
    if curve.enough is None:
        return f"More calibration photos may still help: {last} are better than fewer by more than 0.1 dB."
    return (
        f"{curve.enough} calibration photos are enough: up to {last}, none of the others is better by 0.1 dB."
    )


def by_class(rows: Sequence[ClassDamage], count: int) -> TitledTable:
    labelled = any(row.lost is not None for row in rows)
    columns = ["class", "photos", "changed", "signal to noise", *(["lost", "won"] if labelled else [])]
    cells = [
        [
            row.label,
            str(row.count),
            str(row.changed),
            decibels(row.snr_db),
            *([str(row.lost), str(row.won)] if labelled else []),
        ]
        for row in rows
    ]
    return f"The most damaged of {count} classes", columns, cells


def changed(rows: Sequence[ChangedPhoto]) -> TitledTable:
    cells = [
        [
            row.name,
            f"{row.float_answer} {percent(row.float_probability)}",
            f"{row.int8_answer} {percent(row.int8_probability)}",
        ]
        for row in rows[:FEW]
    ]
    one = len(rows) == 1
    title = f"{len(rows)} photo{'' if one else 's'} whose answer changed"
    if len(rows) > FEW:
        title += f"; the {FEW} of which float was most certain"
    return title, ["photo", "float", "int8"], cells


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


def _distance(found: Distance) -> dict[str, Any]:
    return {
        "photos": found.count,
        "snr_db": finite(found.snr_db),
        "snr_interval": [finite(end) for end in found.snr_interval],
        "agreement": found.agreement,
        "agreement_interval": None if found.agreement_interval is None else list(found.agreement_interval),
    }


def _curve(curve: CalibrationCurve | None) -> Mapping[str, Any] | None:
    if curve is None:
        return None
    return {
        "judged": curve.judged,
        "enough": curve.enough,
        "left_out": list(curve.left_out),
        "points": [
            {"calibration_photos": point.photos, **_distance(point.distance)} for point in curve.points
        ],
    }


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(f"<{tag}>{_safe(cell)}</{tag}>" for cell in row)

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<p>{_safe(title)}</p><table><thead><tr>{cells('th', columns)}</tr></thead><tbody>{body}</tbody></table>"


def _safe(text: str) -> str:
    return escape(printable(text))
