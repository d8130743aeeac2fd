"""Whether a model is the one that made the vectors of a folder: others see other things, and nothing is near."""

from dataclasses import replace
from pathlib import Path

from efficientnet_lite.errors import ArtifactError, UsageError, printable
from efficientnet_lite.features.provenance import MadeWith
from efficientnet_lite.network.plan import parse_model_name
from efficientnet_lite.notices import LOG
from efficientnet_lite.photos.contract import Contract, View
from efficientnet_lite.photos.views import PIXELS_VERSION
from efficientnet_lite.runtimes.model import Model

SHORT = 12  # digits of a digest in a message


def name_of(made: MadeWith | None, folder: Path) -> str:
    """The name of the model that made the vectors. Raises UsageError where it was a file or a run."""
    if made is None:
        what = "the folder does not say which model made its vectors"
    elif parse_model_name(made.model) is None:
        what = f"its vectors are of {printable(made.model)}, a file or run"
    else:
        return made.model
    raise UsageError(what, where=folder, fix="say where it lies: `model=PATH`")


def view_of(made: MadeWith | None, model: Model, folder: Path) -> View:
    """How the model is to look at photos, so that their vectors can be compared with those of the folder.

    Raises ArtifactError where it is another model, UsageError where the folder's view is none of ours.
    """
    if made is None:
        LOG.warning(f"{printable(folder)} does not say how its photos were looked at: `crop` is taken")
        return "crop"
    if model.sha256 != made.model_sha256:
        raise ArtifactError(
            f"the vectors are of {printable(made.model)} ({printable(made.model_sha256[:SHORT])}), and the model is "
            f"{printable(Path(model.where).name)} ({model.sha256[:SHORT]})",
            where=folder,
            fix="give the model that the vectors were made by: `model=PATH`, and `weights=` as `embed` had them",
        )
    contract = Contract.from_json(dict(made.contract), where=str(folder))
    if replace(model.contract, view=contract.view) != contract:
        raise ArtifactError(
            "the photos of the vectors were prepared in another way than this model has them",
            where=folder,
            fix="give the model that the vectors were made by: `model=PATH`",
        )
    if made.pixels != PIXELS_VERSION:
        LOG.warning(
            f"{printable(folder)} is of version {made.package}, whose pixels differ a little from this one's"
        )
    return contract.view


def check_size(model: Model, size: int, folder: Path) -> None:
    """Raises ArtifactError where the model's vectors have another number of numbers."""
    if model.vector_size != size:
        raise ArtifactError(
            f"the vectors have {size:,} numbers, and the model gives {model.vector_size:,}",
            where=folder,
            fix="give the model that the vectors were made by: `model=PATH`",
        )
