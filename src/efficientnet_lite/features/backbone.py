"""The network up to its features, as a file for LiteRT, and the space of the cache in which its vectors are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.plan import Plan
from efficientnet_lite.photos.contract import Contract, FitView, View
from efficientnet_lite.photos.views import PIXELS_VERSION
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.runtimes.litert import runtime_version
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.storage.files import sha256_bytes
from efficientnet_lite.tflite.float import write_float


@dataclass(frozen=True)
class Backbone:
    """A float file that ends at the features, and the contract of its input."""

    name: str  # "lite1"
    model: bytes
    contract: Contract

    @cached_property
    def sha256(self) -> str:
        """Of the file, hex; its megabytes are hashed once."""
        return sha256_bytes(self.model)

    def space(self, view: View | FitView) -> str:
        """The cache's space for one view."""
        return space_of(self.sha256, self.contract, view)


def backbone_of(name: str, plan: Plan, parameters: Mapping[str, Array], contract: Contract) -> Backbone:
    """The backbone `name` with these parameters; `plan` has no last layer."""
    return Backbone(name, write_float(plan, fold(plan, parameters), outputs=("features",)), contract)


def backbone_model(backbone: Backbone, *, where: Path | str, workers: int | None = None) -> Model:
    """The backbone as something that takes photos."""
    return Model(
        where=where,
        data=backbone.model,
        contract=backbone.contract,
        labels=None,
        translations={},
        identity=None,
        normalization=None,
        workers=workers or cores(),
    )


def space_of(model_sha256: str, contract: Contract, view: View | FitView) -> str:
    """The cache's space for a file that LiteRT runs: everything that a vector depends on besides the photo."""
    parts = (
        "features",
        model_sha256,
        f"litert-{runtime_version()}",
        f"pixels-{PIXELS_VERSION}",
        f"{view}-{contract.size}-{contract.crop_padding}",
    )
    return ":".join(parts)
