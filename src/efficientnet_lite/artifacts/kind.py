"""What a kind of artifact is: one row, of which `publication` makes an export, and `verify` a replay."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt

from efficientnet_lite.arrays import Array
from efficientnet_lite.artifacts.exported import Exported
from efficientnet_lite.artifacts.options import ExportOptions
from efficientnet_lite.artifacts.origin import Origin
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import LOGITS, POOLED, PROBABILITIES
from efficientnet_lite.photos.views import Image
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.proof.parity import fixed_inputs, numpy_outputs
from efficientnet_lite.storage.listing import FolderKind

_COMPUTED = ("layers", "images", "wanted")
NamedArrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Making:
    """An artifact that is to be made: of what, how, and for which place, which errors name."""

    origin: Origin
    options: ExportOptions
    out: Path
    stage: ShowStage = silent

    @cached_property
    def layers(self) -> dict[str, Layer]:
        """Batch norm folded in."""
        return self.origin.layers()

    @cached_property
    def images(self) -> Image:
        """The fixed inputs, uint8 (3, S, S, 3)."""
        return fixed_inputs(self.origin.plan.size)

    @cached_property
    def wanted(self) -> dict[str, Array]:
        """What numpy gives for them under the names of outputs: within 1e-3 of what any runtime of floats gives.

        Raises CheckpointError where a tensor of the network is no finite number.
        """
        plan = self.origin.plan
        endpoints = map(plan.endpoint_output, plan.endpoints)
        found = numpy_outputs(plan, self.layers, self.images)
        return {name: found[name] for name in (LOGITS, PROBABILITIES, POOLED, *endpoints) if name in found}

    def at(self, out: Path, options: ExportOptions) -> "Making":
        """The same origin for another place; what numpy has given for it is not computed again."""
        other = replace(self, out=out, options=options)
        vars(other).update({name: value for name, value in vars(self).items() if name in _COMPUTED})
        return other


class NewArtifact(NamedTuple):
    """An artifact as it was written into a stage."""

    exported: Exported  # without bytes and digest
    golden: NamedArrays | None  # what it gives for the fixed inputs; None: it has no golden file
    report: Mapping[str, Any] | None = None  # what is said of it in a file beside it, as JSON


def _nothing(options: ExportOptions, out: Path) -> None:
    """There is nothing to refuse before the work."""


@dataclass(frozen=True, slots=True)
class ArtifactKind:
    """A kind of artifact."""

    format: str
    # Writes what is to be made to the path, a free name or an empty folder, and proves it.
    # Raises UsageError where it cannot be made so, VerificationFailed where it is too far from its network.
    write: Callable[[Making, Path], NewArtifact]
    # What the artifact at the path gives, under the names of the outputs, for images uint8 (N, S, S, 3).
    run: Callable[[Path, Sequence[str], Image], NamedArrays] | None  # None: it runs nowhere
    check: Callable[[ExportOptions, Path], None] = _nothing  # raises UsageError, before any work is done
    folder: FolderKind | None = None  # None: it is a file
    ending: str = ""  # of the file's name
    is_one: Callable[[Path], bool] = lambda path: False  # whether a file of another ending is of this kind
    golden: bool = True  # a golden file comes beside it
    report: bool = False  # a report comes beside it; never both
    both_weights: bool = False  # it holds raw weights and moving averages, where the source has both
    executed: bool = False  # TensorFlow executes what it holds
    in_a_run: Callable[[ExportOptions], list[str]] = lambda options: []  # parts of its name there
