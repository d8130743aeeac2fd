"""Whether a run's own files are still what its card says, and give what its golden file has."""

import numpy as np

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.network.plan import PROBABILITIES
from efficientnet_lite.photos.contract import PHONE_VIEW, PROOF_VIEWS, View
from efficientnet_lite.proof import golden
from efficientnet_lite.proof.gate import Bars
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.folder import Run
from efficientnet_lite.run.proven import own
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.storage import files
from efficientnet_lite.vocabulary import MAX_DROP, MIN_AGREEMENT


def changed_exports(run: Run) -> list[str]:
    """What is wrong with the model files, by their bytes; raises ArtifactError for a link out of the run."""
    faults = []
    for export in run.exports:
        own(run, export.path)
        if not files.is_file(export.path):
            faults.append(f"{export.path.name} is missing")
        elif files.sha256_file(export.path) != export.sha256:
            faults.append(f"{export.path.name} is not the file that the card names: its SHA-256 differs")
    return faults


def bars_of(run: Run, max_drop: float | None, min_agreement: float | None) -> Bars:
    """The bars of the card, those that are given instead, and the usual ones where neither says.

    Raises:
        ArtifactError: those of the card are no fractions.
        WrongArgument: those that are given are none.
    """
    saved = run.card["verification"]
    found = [saved.get("max_drop", MAX_DROP), saved.get("min_agreement", MIN_AGREEMENT)]
    if not all(type(bar) in (int, float) and 0 <= bar <= 1 for bar in found):
        raise ArtifactError(
            f"the card's max_drop and min_agreement are {found}, expected fractions",
            where=run.folder,
            fix="train the run again",
        )
    return Bars(*found).changed(max_drop, min_agreement)


def views_of(run: Run) -> list[View]:
    """The views in which the run is replayed: runs of older versions were not judged as phones see photos."""
    judged = run.card["verification"].get("comparisons")
    seen = (
        {each.get("as") for each in judged if isinstance(each, dict)} if isinstance(judged, list) else set()
    )
    return [view for view in PROOF_VIEWS if view != PHONE_VIEW or view in seen]


def golden_faults(run: Run, float_model: Model, int8_model: Model) -> list[str]:
    """Where the files give others than the golden outputs; raises ArtifactError where the golden file is damaged."""
    path = own(run, run.folder / run_folder.GOLDEN)
    wanted = golden.read_golden(path, ("images", "float32", "int8"))
    images = wanted["images"]
    try:
        inputs = np.stack([float_model.encode(image) for image in images])
        found = {
            "float32": float_model.run(inputs)[PROBABILITIES],
            "int8": int8_model.run(images)[PROBABILITIES],
        }
        if any(wanted[key].shape != outputs.shape for key, outputs in found.items()):
            raise ValueError(f"their shapes are {[wanted[key].shape for key in found]}")
    except (ValueError, TypeError) as error:
        raise golden.unusable(path, error) from error
    return golden.faults(found, wanted, "the run's files")
