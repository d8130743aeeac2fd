"""What is asked of a quantization, and what comes of it."""

from collections.abc import Callable
from dataclasses import dataclass, fields

from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.tflite.int8 import IntegerNetwork
from efficientnet_lite.vocabulary import DenseScales, Effort

METHOD = "2"  # to be raised whenever the same photos would give other integers


@dataclass(frozen=True, slots=True)
class Method:
    """How a network becomes integers. The same photos and the same method give the same integers.

    Each switch is a stage; without it what came before stays, which is the plain way.
    """

    effort: Effort = "standard"
    dense: DenseScales = "per-tensor"  # runtimes before 2022 read other ones as garbage, without an error
    sensitivity: bool = True  # else noise counts the same in every channel
    copied: bool = True
    factors: bool = True
    scales: bool = True
    rounding: bool = True
    alike: bool = True  # scales for which all kernels round alike
    head: bool = True
    logits: bool = True
    biases: bool = True  # learned; of the effort "best" alone

    def __str__(self) -> str:
        """What tells it from any other, for the cache."""
        values = ",".join(f"{each.name}={getattr(self, each.name)}" for each in fields(self))
        return f"{METHOD}({values})"


STANDARD = Method()
PLAIN = Method(  # no stage at all
    sensitivity=False,
    copied=False,
    factors=False,
    scales=False,
    rounding=False,
    alike=False,
    head=False,
    logits=False,
)


@dataclass(frozen=True, slots=True)
class Gain:
    """What one stage brought: how near the integer network is to float once it is done."""

    stage: str
    snr_db: float  # of the centred logits, or of the features of a plan without a head, on calibration photos
    seconds: float  # that the stage took


OnStage = Callable[[Gain], None]


@dataclass(frozen=True, slots=True)
class Quantized:
    """A network in integers."""

    network: IntegerNetwork  # every layer of the plan, the head too where it has one
    prepared: dict[str, Layer]  # the float network that was rounded: it computes what the given one does
    gains: tuple[Gain, ...] = ()  # of the stages, in their order
