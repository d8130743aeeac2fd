"""`verify`: a finished run, or a file and its parent, replayed once more on this machine."""

from collections.abc import Sequence
from pathlib import Path

from efficientnet_lite.arguments import called
from efficientnet_lite.bars import stages
from efficientnet_lite.errors import CALL, ArtifactError, UnusableInput, UsageError, printable
from efficientnet_lite.labels import ClassNames
from efficientnet_lite.network.plan import POOLED
from efficientnet_lite.photos.dataset import DatasetPlace, dataset_place
from efficientnet_lite.photos.frames import DataFrame
from efficientnet_lite.photos.labelled import labelled_photos
from efficientnet_lite.progress import Progress, ShowStage
from efficientnet_lite.proof.gate import Bars, Comparison
from efficientnet_lite.proof.verified import Verified, compare_on
from efficientnet_lite.run.artifacts import replay
from efficientnet_lite.run.folder import Run, open_run
from efficientnet_lite.run.intact import bars_of, changed_exports, golden_faults, views_of
from efficientnet_lite.run.proven import proven_photos
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.runtimes.model_files import open_model
from efficientnet_lite.storage import files
from efficientnet_lite.tflite.identity import Int8Identity


@called
def verify(
    target: str | Path,
    *,
    data: str | Path | DataFrame | None = None,
    parent: str | Path | None = None,
    max_drop: float | None = None,
    min_agreement: float | None = None,
    trust: bool = False,
    progress: Progress = False,
) -> Verified:
    """Replay a run's files, or a file against its parent.

    For a run: every export has the bytes that the card names, gives the golden
    outputs, and the int8 file is held to the bars on the photos that proved it,
    where they are still there.

    Args:
        target: a run folder, or a .tflite file.
        data: photos to replay instead, labelled ones as `train` takes them or
            any folder; needed with `parent`.
        parent: for a .tflite file, the one that it came from.
        max_drop: another bar than the run's: the fraction of top-1 accuracy
            that the int8 file may lose.
        min_agreement: another bar than the run's: the fraction of photos on
            which both must name the same class.
        trust: also let TensorFlow execute the SavedModels and Hub modules of
            the run.
        progress: True shows bars.

    Returns:
        What the replay showed. It has a `verdict` ("verified", "not refuted" or
        "failed"), `passed`, `comparisons`, `faults`, `doubts` and `notes`.

    Raises:
        UsageError: an argument has no use with this target.
        UnusableInput: there is no such run or file, or no photo can be used.
        ArtifactError: the run or the file is damaged.

    Example:
        >>> import efficientnet_lite as el
        >>> verified = el.verify("runs/clothing")
        >>> verified.passed, verified.verdict
        (True, 'not refuted')
    """
    target, stage = Path(target), stages(progress)
    if files.is_dir(target):
        if parent is not None:
            raise _unused("`parent=`", "a single file", "a run has both of its files")
        run = open_run(target)
        bars = bars_of(run, max_drop, min_agreement)
        return _verify_run(run, None if data is None else dataset_place(data), bars, trust, stage)
    if not files.exists(target):
        raise UnusableInput(files.missing(target), where=target, fix="give a run folder, or a .tflite file")
    if parent is None or data is None:
        raise UsageError(
            "a single file is tested against the one that it was made from, on photos",
            where=target,
            fix="give `parent=FLOAT.tflite` and `data=PHOTOS`, or give a run folder",
        )
    if trust:
        raise _unused("`trust=True`", "a run", "in a single file nothing is executed")
    bars = Bars().changed(max_drop, min_agreement)
    models = [open_model(Path(parent)), open_model(target)]
    _check_classes(models)
    ours, theirs = models[1].labels, models[0].labels
    if ours and theirs and len(ours) == len(theirs) and ours != theirs:
        raise ArtifactError(
            "its classes are not those of the file that it is tested against, or in another order",
            where=target,
            fix="compare files of the same export",
        )
    photos = labelled_photos(dataset_place(data), models[0].class_names if models[0].labels else None)
    comparisons, lost, whole = compare_on(models, photos.paths, photos.truth, stage)
    notes = [*lost, *photos.notes]
    faults = [fault for each in comparisons for fault in each.failures(bars)]
    made = _made(models[1])
    return Verified(target.absolute(), tuple(comparisons), tuple(faults), tuple(notes), bars, whole, made)


def _made(model: Model) -> Int8Identity | None:
    """How its integers were made, as a file of ours says."""
    return model.identity.quantization if model.identity is not None else None


def _check_classes(models: Sequence[Model]) -> None:
    """Raises ArtifactError where one of them ends at the features."""
    for model in models:
        if set(model.outputs) == {POOLED}:
            raise ArtifactError(
                "it gives feature vectors, and has no classes that two files could agree on",
                where=model.where,
                fix="compare the vectors that `embed` makes with each; `export` has held it to its distance",
            )


def _unused(argument: str, user: str, why: str) -> UsageError:
    return UsageError(f"{argument} is for {user}: {why}", where=CALL, fix="leave it out")


def _verify_run(run: Run, data: DatasetPlace | None, bars: Bars, trust: bool, stage: ShowStage) -> Verified:
    if faults := changed_exports(run):
        return Verified(run.folder.absolute(), (), tuple(faults), (), bars)
    models = [open_model(run.export(precision)) for precision in ("float32", "int8")]
    with stage("Checking its outputs") as on_progress:
        faults = golden_faults(run, *models)
        wrong, notes = replay(run, trust=trust)
        faults += wrong
        on_progress(1, 1)
    comparisons: Sequence[Comparison] = ()
    whole, views = True, views_of(run)
    if data is not None:
        given = labelled_photos(data, ClassNames(run.labels))
        comparisons, refused, whole = compare_on(models, given.paths, given.truth, stage, views=views)
        notes += [*refused, *given.notes]
    else:
        try:
            photos = proven_photos(run)
        except UnusableInput as error:
            notes.append(f"{error.what} (in {printable(error.where)}); give some with `data=`")
        else:
            comparisons, refused, whole = compare_on(
                models, photos.paths, photos.truth, stage, photos.contents, views
            )
            notes += refused
    faults += [fault for each in comparisons for fault in each.failures(bars)]
    made = _made(models[1])
    return Verified(run.folder.absolute(), tuple(comparisons), tuple(faults), tuple(notes), bars, whole, made)
