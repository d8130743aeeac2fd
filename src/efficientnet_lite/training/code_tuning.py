"""How the integers of an int8 file learn, and for how long. Nothing heavy is imported here."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import Plan
from efficientnet_lite.quantize.method import Quantized
from efficientnet_lite.tflite.int8 import IntegerNetwork
from efficientnet_lite.training.learned import LogRow

ENOUGH = 0.995  # of images for which file and simulation name the same class; below, nothing is published


@dataclass(frozen=True, slots=True)
class CodeTuning:
    """What the codes and biases of an int8 network learn by. Rates are of Adam, in codes a step."""

    epochs: int = 8
    steps: int = 50  # of an epoch at least, where the photos are few
    most_steps: int = 100  # of an epoch, where they are many
    batch: int = 16
    code_rate: float = 0.002  # of the kernels, in steps of their scales
    bias_rate: float = 0.003  # in steps of what the layer makes
    warmup: int = 20  # steps of linearly growing rate; then half a cosine to zero
    ema: float = 0.98  # decay of the moving average, which is what is measured and kept
    freeze_above: float = 0.1  # turns a step of a code, on average, above which it is frozen

    def steps_per_pass(self, photos: int) -> int:
        """Of one pass over the photos; a batch that would be short is left out."""
        return min(self.most_steps, max(1, photos // self.batch))

    def passes(self, photos: int) -> int:
        """Over the photos in one epoch."""
        return -(-self.steps // self.steps_per_pass(photos))

    def steps_per_epoch(self, photos: int) -> int:
        return self.passes(photos) * self.steps_per_pass(photos)


@dataclass(frozen=True, slots=True)
class TunedIntegers:
    """An int8 network that learned, or the one that it began with where that is better."""

    network: IntegerNetwork
    recipe: CodeTuning
    log: tuple[LogRow, ...]  # an epoch each, the first before any step
    best_epoch: int  # whose network it is; 0: the closed form's

    @property
    def note(self) -> str | None:
        """What a person should know where nothing was won."""
        if self.best_epoch:
            return None
        before, last = self.log[0], self.log[-1]
        return (
            "quantization-aware tuning brought nothing on the validation photos, so the int8 file is what it was "
            f"before: {_said(before)}; behind the last epoch {_said(last)}"
        )

    def to_json(self) -> dict[str, Any]:
        """What the card says of it."""
        return {
            **asdict(self.recipe),
            "chosen_epoch": self.best_epoch,
            "epochs_run": len(self.log) - 1,
            "before": _figures(self.log[0]),
            "after": _figures(self.log[self.best_epoch]),
            "log": [dict(row) for row in self.log],
        }


# Makes of a plan, its float layers and what the closed form made of them something better, or the same.
Tune = Callable[[Plan, Mapping[str, Layer], Quantized], TunedIntegers]


def _figures(row: LogRow) -> dict[str, Any]:
    return {name: row[name] for name in ("snr_db", "agreement")}


def _said(row: LogRow) -> str:
    return f"logit SNR {row['snr_db']:.1f} dB, same class {100 * (row['agreement'] or 0):.1f} %"
