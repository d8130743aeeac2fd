"""What a card says of how the int8 file was made. Pure; the card may be a stranger's, or of an older version."""

from collections.abc import Mapping
from dataclasses import dataclass

from efficientnet_lite.run.report.fields import an_object, count, fraction, get, items, number, part, text
from efficientnet_lite.tflite.identity import Int8Identity

MOST_LINES = 64  # stages and warnings that are shown, of whatever card


@dataclass(frozen=True, slots=True)
class StageGain:
    """One stage of the quantization, and how near to float the network is after it."""

    stage: str
    snr_db: float | None  # of the logits on the calibration photos; None: no difference
    seconds: float


@dataclass(frozen=True, slots=True)
class TunedInt8:
    """An int8 file whose integers learned, against float32 on the validation photos, before and after."""

    chosen: int  # the epoch whose integers the file has; 0: none was better than before
    snr_before: float  # of the logits, dB
    snr_after: float
    agreement_before: float
    agreement_after: float

    @property
    def sentence(self) -> str:
        """As people read it, without a full stop."""
        if not self.chosen:
            return "quantization-aware tuning brought nothing and was left out"
        return (
            f"then tuned quantization-aware: logit SNR {self.snr_before:.1f} to {self.snr_after:.1f} dB, same class "
            f"{100 * self.agreement_before:.1f} to {100 * self.agreement_after:.1f} %, on validation photos"
        )


@dataclass(frozen=True, slots=True)
class Int8Facts:
    """How the int8 file was made."""

    quantization: Int8Identity
    seed: int  # of the choice of photos
    views: Mapping[str, int]  # how the photos were looked at -> how many of them
    stages: tuple[StageGain, ...]
    warnings: tuple[str, ...]
    tuned: TunedInt8 | None  # None: the integers did not learn

    @property
    def sentence(self) -> str:
        """As people read it, without a full stop."""
        views = " and ".join(f"{number} as {view}" for view, number in self.views.items())
        seed = f", chosen by seed {self.seed}" if self.seed else ""
        learned = f"; {self.tuned.sentence}" if self.tuned else ""
        return f"{self.quantization.sentence}; {views}{seed}{learned}"


def int8_facts(fields: object) -> Int8Facts | None:
    """Those of a card's `int8`; raises ValueError where it is damaged. None: the card has none."""
    if fields is None:
        return None
    calibration = part(fields, "calibration")
    views = part(calibration, "views")
    return Int8Facts(
        Int8Identity(
            effort=text(get(fields, "effort", str)),
            method=text(get(fields, "method", str)),
            photos=count(calibration, "photos"),
            calibration_sha256=text(get(calibration, "sha256", str)),
        ),
        seed=get(calibration, "seed", int),
        views={text(view): count(views, view) for view in list(views)[:MOST_LINES]},
        stages=tuple(_stage(each) for each in items(fields, "stages")[:MOST_LINES]),
        warnings=tuple(text(each) for each in items(fields, "warnings")[:MOST_LINES]),
        tuned=_tuned(an_object(fields).get("quantization_aware")),
    )


def _tuned(fields: object) -> TunedInt8 | None:
    if fields is None:
        return None
    before, after = part(fields, "before"), part(fields, "after")
    return TunedInt8(
        count(fields, "chosen_epoch"),
        number(before, "snr_db"),
        number(after, "snr_db"),
        fraction(before, "agreement"),
        fraction(after, "agreement"),
    )


def _stage(fields: object) -> StageGain:
    snr = None if an_object(fields).get("snr_db") is None else number(fields, "snr_db")
    return StageGain(text(get(fields, "stage", str)), snr, number(fields, "seconds"))
