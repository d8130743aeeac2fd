"""How fast float32 and int8 are on this machine, measured in a process that a broken runtime may take with it."""

from dataclasses import dataclass

from efficientnet_lite.documents import json_value
from efficientnet_lite.storage.confined import Failed, ask_tool

MODEL = "lite0"
SECONDS, MEMORY, ANSWER_BYTES = 60, 2**32, 1000
CHILD = "efficientnet_lite.machine.kernel_trial"


class NotMeasured(Exception):
    """There are no times; the text says why."""


@dataclass(frozen=True, slots=True)
class KernelSpeed:
    """Milliseconds for one image on one thread: the least of some runs, taken in turn."""

    model: str
    size: int  # pixels
    float32_ms: float
    int8_ms: float

    @property
    def gain(self) -> float:
        """How many times as fast as float32 int8 is."""
        return self.float32_ms / self.int8_ms


def kernel_speed() -> KernelSpeed:
    """Both times for MODEL, in about a second. Raises NotMeasured."""
    try:
        told = ask_tool(
            CHILD, b"", library="ai_edge_litert", limit=ANSWER_BYTES, seconds=SECONDS, memory=MEMORY
        ).answer
        float32_ms, int8_ms, size = json_value(told)
        return KernelSpeed(MODEL, int(size), float(float32_ms), float(int8_ms))
    except Failed as error:
        raise NotMeasured(str(error)) from error
    except (ValueError, TypeError) as error:
        raise NotMeasured("its process gave no sensible answer") from error
