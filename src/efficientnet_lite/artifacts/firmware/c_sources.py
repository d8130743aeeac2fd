"""The files of a firmware folder: what each template is filled with."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientnet_lite.artifacts.firmware import camera_frames
from efficientnet_lite.artifacts.firmware.c_text import template
from efficientnet_lite.chips.micro import MicroReport
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.proof.golden import CODE_TOLERANCE
from efficientnet_lite.runtimes.engine import Tensor
from efficientnet_lite.storage import files
from efficientnet_lite.version import __version__

C_FILES = (
    "model.c",
    "model.h",
    "labels.c",
    "labels.h",
    "preprocess.c",
    "preprocess.h",
    "golden.c",
    "golden.h",
)
TEMPLATES = (*C_FILES, "op_resolver.h", "main.cc", "Makefile", "README.md")
# Of the arena, for what its operators keep in other versions of TFLite Micro; what is asked for at once is rounded up.
MARGIN, ROUND = 1 / 32, 2**10


@dataclass(frozen=True, slots=True)
class Firmware:
    """What goes into a folder for a microcontroller."""

    name: str
    data: bytes  # the .tflite file
    sha256: str  # of it
    license: str
    contract: Contract
    labels: tuple[str, ...]
    input: Tensor
    output: Tensor
    report: MicroReport
    images: NDArray[np.uint8]  # golden inputs, (N, S, S, 3)

    @property
    def arena_bytes(self) -> int:
        """As measured, with what the kernels of CMSIS-NN may ask for beside, and a margin."""
        needed = self.report.arena_bytes * (1 + MARGIN) + self.report.scratch_bytes
        return math.ceil(needed / ROUND) * ROUND

    @property
    def values(self) -> Mapping[str, Any]:
        """By the names that the templates use."""
        contract, report = self.contract, self.report
        return {
            "version": __version__,
            "name": self.name,
            "license": self.license,
            "sha256": self.sha256,
            "model": self.data,
            "model_bytes": len(self.data),
            "labels": self.labels,
            "classes": len(self.labels),
            **preprocessing_values(contract),
            "input_scale": self.input.scale,
            "input_zero_point": self.input.zero_point,
            "output": self.output.name,
            "output_scale": self.output.scale,
            "output_zero_point": self.output.zero_point,
            "runtime": report.runtime,
            "resolver": report.resolver,
            "added": [f"resolver.{method}() == 0" for method in report.resolver],
            "arena_bytes": report.arena_bytes,
            "activation_bytes": report.activation_bytes,
            "scratch_bytes": report.scratch_bytes,
            "arena_with_margin": self.arena_bytes,
            "inputs": [image.tobytes() for image in self.images],
            "outputs": [codes.tobytes() for codes in report.outputs[self.output.name]],
            "tolerance": CODE_TOLERANCE,
            "frames": camera_frames.golden_frames(contract),
            "seed": camera_frames.SEED,
            "factor": camera_frames.FACTOR,
            "step": camera_frames.STEP,
        }


def preprocessing_values(contract: Contract) -> dict[str, Any]:
    """What preprocess.c and preprocess.h are filled with."""
    return {
        "size": contract.size,
        "view": f"PREPROCESS_{camera_frames.frame_view(contract.view)}",
        "filter": f"PREPROCESS_{camera_frames.frame_filter(contract.view)}",
        "crop_size": contract.size,
        "crop_of": contract.size + camera_frames.padding_of(contract),
        "smaller_crops": camera_frames.smaller_crops(contract),
    }


def write_sources(folder: Path, firmware: Firmware) -> None:
    """Every file but the model's own, which `folder` holds already, and the marker."""
    values = firmware.values
    for name in TEMPLATES:
        files.publish(folder / name, template(name)(**values).encode())
