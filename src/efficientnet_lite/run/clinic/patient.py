"""An int8 file and the float weights that it was made of, which have to be the very ones."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from efficientnet_lite.artifacts.origin import Origin
from efficientnet_lite.errors import ArtifactError, UnusableInput, UsageError, WeightsMissing
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import VARIANTS, ModelName
from efficientnet_lite.quantize.clinic.float_twin import dequantized, excess, float_twin
from efficientnet_lite.quantize.clinic.integer_file import IntegerFile, read_integers
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.folder import Run
from efficientnet_lite.run.proven import split_rows
from efficientnet_lite.run.source import open_origin
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.runtimes.model_files import MAX_MODEL_BYTES, model_from_bytes
from efficientnet_lite.storage import files

# Of what the weights of a layer lost, in that which rounding to nearest would lose: 1 to 4 where they are its own.
MOST_EXCESS, MOST_EXCESS_ANYWHERE = 10.0, 1000.0
GIVE = "give what it was made of: `parent=`, a run, a float .tflite, a checkpoint or a model such as lite1"


@dataclass(frozen=True, slots=True)
class Patient:
    """An int8 file, opened, and its parent."""

    where: Path
    model: Model  # the file itself on the real runtime
    integers: IntegerFile
    origin: Origin
    layers: Mapping[str, Layer]  # the parent's, batch norm folded in
    twin: Mapping[str, Layer]  # the same function in the file's form
    run: Run | None  # where a run was given


def open_patient(target: Path, parent: str | Path | None, *, workers: int | None = None) -> Patient:
    """The int8 file of a run, or a single one.

    Raises:
        UnusableInput: there is no such run or file.
        UsageError: `parent` is given for a run.
        ArtifactError: the file is damaged, not int8 or not ours; its parent is not there, or is another.
    """
    run = None
    if files.is_dir(target):
        if parent is not None:
            raise UsageError(
                "`parent=` is for a single file: a run has its own weights", where=target, fix="leave it out"
            )
        run = run_folder.open_run(target)
        target = run.export("int8")
    elif not files.exists(target):
        raise UnusableInput(
            files.missing(target), where=target, fix="give a run folder, or an int8 .tflite file"
        )
    data = files.read_bytes(target, limit=MAX_MODEL_BYTES, what="a .tflite file")
    integers = read_integers(data, where=target)
    origin = _parent(target, integers, run.folder if run else parent)
    if not _same_network(origin, integers):
        raise _another(target, origin.name)
    origin = replace(origin, contract=integers.identity.contract)  # a checkpoint's size may be another
    layers = fold(integers.plan, origin.weights.parameters)
    twin = float_twin(integers.plan, layers, integers.network)
    _check_twin(integers, twin, origin, target)
    model = model_from_bytes(data, where=target, workers=workers)
    return Patient(target, model, integers, origin, layers, twin, run)


def calibrated(patient: Patient, contents: Collection[str]) -> int:
    """How many photos of these SHA-256 the run learned from: those that calibrate are among them."""
    if patient.run is None:
        return 0
    learned = {sha256 for _, _, split, sha256 in split_rows(patient.run) if split == "train"}
    return len(learned.intersection(contents))


def _parent(target: Path, file: IntegerFile, given: str | Path | None) -> Origin:
    """The parent that is given or, where none is, the run that the file lies in, or the published weights."""
    if given is not None:
        origin = open_origin(given)
        if file.identity.weights_sha256 not in _digests(origin, given):
            raise _another(target, str(given))
        return origin
    folder = files.real(target).parent.parent
    places: list[str | Path] = [folder] if run_folder.is_run(folder) else []
    if file.identity.variant in VARIANTS:
        places.append(str(ModelName(VARIANTS[file.identity.variant], file.identity.contract.size)))
    for place in places:
        try:
            origin = open_origin(place)
        except WeightsMissing:
            continue
        if file.identity.weights_sha256 in _digests(origin, place) and _same_network(origin, file):
            return origin
    raise ArtifactError("the float weights that it was made of are not at hand", where=target, fix=GIVE)


def _digests(origin: Origin, place: str | Path) -> set[str]:
    """What a file of that origin may say that its weights are: a run's first files name those that it began with."""
    found = {origin.weights.sha256}
    if isinstance(place, str) and not files.exists(place):
        return found
    if run_folder.is_run(Path(place)):
        weights = run_folder.open_run(Path(place)).card.get("weights")
        if isinstance(weights, dict):
            found.add(str(weights.get("sha256")))
    return found


def _another(target: Path, parent: str) -> ArtifactError:
    return ArtifactError(f"it was not made of the weights of {parent}, but of others", where=target, fix=GIVE)


def _same_network(origin: Origin, file: IntegerFile) -> bool:
    """Of one variant and, where the file has classes, of as many; the size of the input may differ."""
    plan, own = file.plan, origin.plan
    return plan.variant == own.variant and plan.classes in (None, own.classes)


def _check_twin(file: IntegerFile, twin: Mapping[str, Layer], origin: Origin, target: Path) -> None:
    """Raises ArtifactError where the integers are too far from the float weights to be made of them."""
    found = dequantized(file.plan, file.network)
    ratios = [excess(twin[name], found[name], file.network.layers[name]) for name in twin]
    if not (np.median(ratios) <= MOST_EXCESS and max(ratios) <= MOST_EXCESS_ANYWHERE):
        raise _another(target, origin.name)
