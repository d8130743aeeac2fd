"""The artifacts that `export` added to a finished run: listed in its card, replayed by `verify`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.errors import ArtifactError, UsageError
from efficientnet_lite.network.plan import LOGITS, POOLED
from efficientnet_lite.proof.golden import faults, find_golden, golden_path, read_golden, unusable
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.proven import own
from efficientnet_lite.runtimes.model import open_model
from efficientnet_lite.storage import files
from efficientnet_lite.storage.listing import inside, listing, own_files
from efficientnet_lite.stories.export_checkpoint import CARD_FORMAT as CHECKPOINT
from efficientnet_lite.stories.export_checkpoint import TF1_CHECKPOINT, checkpoint_faults
from efficientnet_lite.stories.export_hub import HUB_MODULE
from efficientnet_lite.stories.export_hub import require_tensorflow as require_hub
from efficientnet_lite.stories.export_saved_model import SAVED_MODEL
from efficientnet_lite.stories.export_saved_model import require_tensorflow as require_saved_model
from efficientnet_lite.stories.exported import Exported

Outputs = Mapping[str, npt.NDArray[Any]]
KEY = "artifacts"  # in the card
KINDS = {
    "savedmodel": SAVED_MODEL,
    "hub-tf1": HUB_MODULE,
    CHECKPOINT: TF1_CHECKPOINT,
}  # of folders, by format


@dataclass(frozen=True, slots=True)
class Artifact:
    """One of them, as the card says."""

    path: Path
    format: str
    sha256: str
    outputs: tuple[str, ...]


def add_artifact(folder: Path, exported: Exported) -> None:
    """List `exported`, which lies in the run `folder`, in its card, in place of an older one of that name."""
    path = exported.path
    name = files.real(path).relative_to(files.real(folder)).as_posix()

    def change(card: dict[str, Any]) -> None:
        artifacts_of(run_folder.open_run(folder))  # refuses a list that is none
        others = [each for each in card.get(KEY, []) if each.get("path") != name]
        card[KEY] = [*others, exported.to_json() | {"path": name}]

    kind = KINDS.get(exported.format)
    ours = [path] if kind is None else [path / each for each in own_files(path, listing(path, kind))]
    golden = golden_path(path)
    ours += [golden] if files.is_file(golden) else []
    run_folder.relist(folder, ours, instead_of="" if kind is None else f"{name}/", change=change)


def artifacts_of(run: run_folder.Run) -> tuple[Artifact, ...]:
    """What the card lists; raises ArtifactError where it is damaged."""
    found = []
    try:
        for entry in run.card.get(KEY, []):
            path, format, sha256, outputs = (entry[key] for key in ("path", "format", "sha256", "outputs"))
            if not all(isinstance(each, str) for each in (path, format, sha256, *outputs)):
                raise ValueError("an artifact has fields of another type than text")
            found.append(Artifact(inside(run.folder, path), format, sha256, tuple(outputs)))
        run_folder.check_once(each.path for each in found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"the card's artifacts cannot be read: {str(error)[:200]}",
            where=run.folder / run_folder.CARD,
            fix="train the run again",
        ) from error
    return tuple(found)


def replay(run: run_folder.Run, *, trust: bool) -> tuple[list[str], list[str]]:
    """Every artifact on its own runtime against its golden file: what is wrong, and what could not be run.

    A checkpoint runs nowhere: it is read, and compared with the weights of the run.

    Without `trust` nothing runs that could do more than arithmetic.
    """
    wrong, notes = [], []
    for artifact in artifacts_of(run):
        name = artifact.path.relative_to(run.folder).as_posix()
        own(run, artifact.path)
        if not files.exists(artifact.path):
            wrong.append(f"{name} is missing")
        elif _sha256(artifact.path) != artifact.sha256:
            wrong.append(f"{name} is not what the card names: its SHA-256 differs")
        elif artifact.format in EXECUTED and not trust:
            notes.append(
                f"{name} was not replayed: TensorFlow executes what it holds; `trust=True` allows it"
            )
        else:
            try:
                wrong += _replay(run, artifact, name)
            except UsageError as error:  # its runtime is not installed
                notes.append(f"{name} was not replayed: {error.what} ({error.fix})")
    return wrong, notes


def _sha256(path: Path) -> str:
    return files.sha256_folder(path) if files.is_dir(path) else files.sha256_file(path)


def _replay(run: run_folder.Run, artifact: Artifact, name: str) -> list[str]:
    if artifact.format == CHECKPOINT:
        return checkpoint_faults(artifact.path, own(run, run.folder / run_folder.WEIGHTS), name)
    run_one = _RUNTIMES.get(artifact.format)
    if run_one is None:
        raise UsageError(
            f"its format is {artifact.format}", where=artifact.path, fix="upgrade efficientnet-lite"
        )
    golden = own(run, find_golden(artifact.path))
    wanted = read_golden(golden, ("images", *artifact.outputs))
    images = wanted["images"]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != images.shape[2]:
        raise unusable(golden, f"its images are {images.dtype} {images.shape}")
    found = run_one(artifact, images)
    for key, values in found.items():
        if key not in wanted or values.shape != wanted[key].shape:
            raise unusable(golden, f"its {key} have another shape than the artifact gives")
    return faults(found, wanted, name)


def _model(artifact: Artifact, images: npt.NDArray[np.uint8]) -> Outputs:
    model = open_model(artifact.path)
    return model.run(np.stack([model.encode(image) for image in images]))


def _saved_model(artifact: Artifact, images: npt.NDArray[np.uint8]) -> Outputs:
    ways = require_saved_model(artifact.path).run_saved_model(artifact.path, images.astype(np.float32) / 255)
    named = [item for outputs in ways.values() for item in outputs.items()]
    return {name: values for name, values in named if name in artifact.outputs}


def _hub_module(artifact: Artifact, images: npt.NDArray[np.uint8]) -> Outputs:
    writer, inputs = require_hub(artifact.path), images.astype(np.float32) / 255
    signatures = {LOGITS: writer.CLASSIFICATION, POOLED: writer.FEATURE_VECTOR}
    return {
        name: writer.run_hub_module(artifact.path, signatures[name], inputs)[writer.DEFAULT]
        for name in artifact.outputs
    }


_RUNTIMES: dict[str, Callable[[Artifact, npt.NDArray[np.uint8]], Outputs]] = {
    "tflite": _model,
    "onnx": _model,
    "savedmodel": _saved_model,
    "hub-tf1": _hub_module,
}
EXECUTED = ("savedmodel", "hub-tf1")  # graphs of TensorFlow may read and write files
