"""What an export leaves behind: the artifact and what its proof showed."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from efficientnet_lite.photos.images import Refused
from efficientnet_lite.proof.gate import Comparison, Verdict, finite
from efficientnet_lite.proof.kernel_spread import KernelSpread
from efficientnet_lite.proof.parity import Parity
from efficientnet_lite.quantize.int8_record import Int8Record

if TYPE_CHECKING:
    from efficientnet_lite.chips.micro import MicroReport
    from efficientnet_lite.chips.vela import VelaReport


@dataclass(frozen=True, slots=True)
class CompiledFile:
    """A file compiled for an NPU, and what its compiler says of it."""

    path: Path
    bytes: int
    sha256: str
    report: "VelaReport"

    def to_json(self) -> dict[str, Any]:
        """A document of plain values."""
        document = {"path": str(self.path), "bytes": self.bytes, "sha256": self.sha256}
        return {**document, "report": self.report.to_json()}


@dataclass(frozen=True, slots=True)
class Exported:
    """A published artifact. `parity` is that of its float form against numpy; a checkpoint's numbers are equal."""

    path: Path  # a file, or the folder of a SavedModel, Hub module, checkpoint or firmware
    format: str  # "tflite", "onnx", "coreml", "savedmodel", "hub-tf1", "tf1-checkpoint", "tflm", "ethos-u"
    precision: str  # "float32", "float16", "dynamic", "int8"
    outputs: tuple[str, ...]
    parity: Parity
    bytes: int = 0  # of all its files; this and the digest are known when it has been written
    sha256: str = ""  # of the file; of a folder, `files.sha256_folder`
    comparison: Comparison | None = None  # a smaller precision's main output against float32, on photos
    reduction: Parity | None = None  # all of its outputs against float32, on photos or else fixed inputs
    cross_fitted: bool = False  # every photo calibrated, so two halves proved each other
    notes: tuple[str, ...] = ()  # what a consumer of the artifact should know
    verdict: Verdict | None = None  # of the photos on a smaller precision; None where none were given
    doubts: tuple[str, ...] = ()  # why it is not refuted and no more
    skipped: tuple[Refused, ...] = ()  # photos that stand behind no figure, and set no range
    int8: Int8Record | None = None  # how an int8 file was made
    kernels: KernelSpread | None = None  # of an int8 file that gives codes, on its golden inputs
    micro: "MicroReport | None" = None  # what a model for microcontrollers needs and gives on TFLite Micro
    compiled: CompiledFile | None = None  # for an NPU: itself, or the one beside it

    def to_json(self) -> dict[str, Any]:
        """A document of plain values."""
        document: dict[str, Any] = {
            "path": str(self.path),
            "format": self.format,
            "precision": self.precision,
            "outputs": list(self.outputs),
            "bytes": self.bytes,
            "sha256": self.sha256,
            "float_difference": self.parity.difference,
            "float_cosine": self.parity.cosine,
            "notes": list(self.notes),
        }
        if self.skipped:
            document["skipped"] = [{"path": each.where, "reason": each.reason} for each in self.skipped]
        if self.int8 is not None:
            document["int8"] = self.int8.to_json()
        if self.kernels is not None:
            document["kernels"] = self.kernels.to_json()
        if self.micro is not None:
            document["micro"] = self.micro.to_json()
        if self.compiled is not None:
            document["compiled"] = self.compiled.to_json()
        if self.reduction is not None:
            document["reduction"] = self.reduction.to_json()
        if self.comparison is not None:
            document |= {
                "drop": self.comparison.drop,
                "agreement": self.comparison.agreement,
                "agreement_interval": list(self.comparison.agreement_interval),
                "snr_db": finite(self.comparison.snr_db),
                "count": self.comparison.count,
                "cross_fitted": self.cross_fitted,
                "verdict": self.verdict,
                "doubts": list(self.doubts),
            }
        return document
