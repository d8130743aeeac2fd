"""`export`: a run, a checkpoint or published weights -> one .tflite file, proven before it gets its name."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from efficientnet_lite.errors import (
    CALL,
    UnreadablePhoto,
    UnusableInput,
    UsageError,
    VerificationFailed,
    wrong_argument,
)
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import POOLED, Plan
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.classes import some
from efficientnet_lite.photos.contract import BaseView
from efficientnet_lite.photos.labelled import labelled_photos
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.proof.gate import MAX_DROP, MIN_AGREEMENT, Bars, writable
from efficientnet_lite.proof.golden import check_golden, golden_npz, golden_path
from efficientnet_lite.proof.parity import (
    FLOAT_TOLERANCE,
    Parity,
    fixed_inputs,
    numpy_outputs,
    parity,
)
from efficientnet_lite.quantize import calibration
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.runtimes.model import Model, Refused, model_from_bytes
from efficientnet_lite.storage import files
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.storage.targets import Apart, check_file, photos_apart
from efficientnet_lite.stories.exported import Exported
from efficientnet_lite.stories.origin import Origin, open_origin
from efficientnet_lite.stories.reduced import (
    NOTHING,
    Int8Maker,
    Sample,
    reduced_float,
    require_same,
    twin,
)
from efficientnet_lite.tflite.artifact import PRECISIONS, About, Form, Precision, float_artifact
from efficientnet_lite.tflite.float import Output
from efficientnet_lite.tflite.int8 import IOS, Io
from efficientnet_lite.tflite.slots import MODEL_IDENTIFIER
from efficientnet_lite.tflite.stored_weights import DenseScales
from efficientnet_lite.tflite.translations import read_translations
from efficientnet_lite.weights.published import sources_apart

VIEWS: tuple[BaseView, ...] = ("crop", "squash")  # of the photos for calibration and proof, in turn
MOST_KEPT_BACK = 500
OUTPUTS: tuple[Output, ...] = ("probabilities", "logits", "features")
Batch = Literal["1", "dynamic"]
BATCHES: tuple[Batch, ...] = get_args(Batch)
DENSE_SCALES: tuple[DenseScales, ...] = get_args(DenseScales)


def export(
    source: str | Path,
    out: str | Path,
    *,
    precision: Precision = "float32",
    io: Io | None = None,
    batch: Batch = "1",
    dense: DenseScales = "per-tensor",
    outputs: Sequence[str] = ("probabilities",),
    endpoints: Sequence[str] = (),
    data: str | Path | None = None,
    model: str | None = None,
    weights: str | Path = "imagenet",
    ema: bool = True,
    calibration_photos: int = calibration.PHOTOS,
    max_drop: float = MAX_DROP,
    min_agreement: float = MIN_AGREEMENT,
    labels_locale: Mapping[str, Path] | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    stage: ShowStage = silent,
) -> Exported:
    """Write one .tflite file and prove it: float32 against numpy, every other precision against float32.

    Beside `model.tflite` comes `model.tflite.golden.npz`, inputs and expected outputs for an app's own tests.

    Args:
        source: a run folder, a checkpoint, or a model such as "lite1"; see `origin.open_origin`.
        out: the file to write.
        precision: "float32"; "float16" and "dynamic", smaller files of float arithmetic; or "int8".
        io: type of input and outputs of an int8 file: "uint8" where None, "int8", or "float32".
        batch: "1", or "dynamic": the caller may change it.
        dense: scales of the dense layer's int8 kernel; "per-channel" needs runtimes of 2022 (int8) or of 2024
            (dynamic).
        outputs: of "probabilities", "logits" and "features", in the file's order.
        endpoints: names of the reference, such as "reduction_4", as further outputs; `features` among them is
            the last block's feature map. Alone they replace the outputs.
        data: for int8, a folder of photos like those that the model will see; labels are not needed. Other
            precisions are compared on them too; without, on three fixed inputs.
        model, weights, ema: see `origin.open_origin`.
        calibration_photos: how many of the photos set the ranges; the others prove the file.
        max_drop, min_agreement: what a smaller precision may lose, where photos tell.
        overwrite: replace an existing file.

    Raises:
        UsageError: the call cannot be carried out as it is.
        VerificationFailed: the file is too far from its parent; nothing is published.
    """
    out, workers = Path(out), workers or cores()
    form = _form(precision, io, batch, dense)
    apart = [*sources_apart(source, weights), *photos_apart([Path(data)] if data else [], inside=False)]
    check_target(out, overwrite, apart)
    if precision == "int8" and data is None:
        raise UsageError(
            "int8 needs photos to set its ranges",
            where=CALL,
            fix="give `data=FOLDER`, with photos like those that the model will see; labels are not needed",
        )
    if calibration_photos < 1:
        raise wrong_argument("calibration_photos", calibration_photos, fix="give at least 1 photo")
    bars = Bars(max_drop, min_agreement)
    bars.check()
    origin = open_origin(source, model=model, weights=weights, ema=ema)
    names = output_names(origin, outputs, endpoints)
    translations = read_translations(labels_locale or {}, origin.labels or ())
    about = About(origin.contract, origin.sha256, origin.license, names, origin.labels, translations)
    layers = origin.layers()
    float_form = form if form.precision == "float32" else Form()
    with stage("Checking the float file") as on_progress, writable("float32", out):
        result = float_artifact(origin.plan, layers, about, float_form)
        judged = float_artifact(origin.plan, layers, twin(about), float_form)
        parent = model_from_bytes(judged, where=out, workers=workers)
        nearness = float_parity(parent, origin.plan, layers)
        on_progress(1, 1)
    nearness.require(what="the float32 file", where=out)
    reduced, sample = None, None
    if precision != "float32":
        sample = _sample(Path(data), origin, calibration_photos, workers) if data is not None else None
        if precision == "int8":
            assert sample is not None  # demanded above
            with Cache() as cache:
                maker = Int8Maker(origin, layers, about, parent, cache, workers, out, form)
                reduced = maker.make(sample, calibration_photos, stage)
                cache.prune()
        else:
            reduced = reduced_float(origin, layers, about, form, parent, sample, stage=stage, where=out)
        result = reduced.data
        reduced.require(precision, names, bars, out)
    said, why = reduced.verdict(names, bars) if reduced else (None, ())
    child = model_from_bytes(result, where=out, workers=workers)
    if precision == "float32":
        require_same(child, parent)
    golden = _golden(child, form)
    publish_with_golden(out, result, golden, overwrite=overwrite)
    return Exported(
        path=out.absolute(),
        format="tflite",
        precision=precision,
        outputs=names,
        bytes=len(result),
        sha256=files.sha256_bytes(result),
        parity=nearness,
        comparison=reduced.comparison if reduced else None,
        reduction=reduced.parity if reduced else None,
        cross_fitted=reduced.cross_fitted if reduced else False,
        notes=_notes(names, form) + _notes_of_network(parent) + (_notes_of(sample) if sample else ()),
        verdict=said,
        doubts=why,
        skipped=sample.refused if sample else (),
    )


def _form(precision: Precision, io: Io | None, batch: Batch, dense: DenseScales) -> Form:
    """The kind of file; raises UsageError where the options do not go together."""

    def refuse(what: str, fix: str) -> UsageError:
        return UsageError(what, where=CALL, fix=fix)

    for argument, given, known in (
        ("precision", precision, PRECISIONS),
        ("io", io or "float32", IOS),
        ("batch", batch, BATCHES),
        ("dense", dense, DENSE_SCALES),
    ):
        if given not in known:
            raise refuse(f"`{argument}=` cannot be {given}", f"give {', '.join(known)}")
    if precision != "int8" and io is not None:
        raise refuse(
            f"a {precision} file has float32 input and output, not {io}",
            "leave `io=` out, or give `precision='int8'`",
        )
    if dense == "per-channel" and precision not in ("int8", "dynamic"):
        raise refuse(f"a {precision} file has no scales", "leave `dense=` out, or give `precision='int8'`")
    default: Io = "uint8" if precision == "int8" else "float32"
    return Form(precision, io or default, batch == "dynamic", dense)


def output_names(origin: Origin, outputs: Sequence[str], endpoints: Sequence[str]) -> tuple[str, ...]:
    """The names of the file's outputs, endpoints with the architecture in front.

    Raises:
        UsageError: one is not there, or stands twice.
    """
    plan, where = origin.plan, CALL
    if not (outputs or endpoints) or len(set(outputs)) != len(outputs) or not set(outputs) <= set(OUTPUTS):
        raise UsageError(
            f"outputs {list(outputs)} cannot be", where=where, fix=f"give some of {', '.join(OUTPUTS)}"
        )
    if unknown := [name for name in endpoints if name not in plan.endpoints]:
        raise UsageError(
            f"{origin.name} has no endpoint {unknown[0]}",
            where=where,
            fix=f"give some of {', '.join(plan.endpoints)}",
        )
    tensors = [plan.endpoints[name] for name in endpoints]
    if len(set(tensors)) != len(tensors) or {POOLED} <= set(outputs) & set(tensors):
        raise UsageError(
            f"of the endpoints {', '.join(endpoints)} two are one tensor", where=where, fix="leave one out"
        )
    if plan.classes is None and set(outputs) - {POOLED}:
        raise UsageError(
            "these weights end at the features", where=origin.name, fix="give `outputs=['features']`"
        )
    return (*outputs, *(plan.endpoint_output(name) for name in endpoints))


def check_target(out: Path, overwrite: bool, apart: Collection[Apart] = ()) -> None:
    """Refuse a target that cannot be written, before any work is done."""
    check_tflite(out, overwrite=overwrite, apart=apart)
    check_golden(out, overwrite=overwrite, apart=apart)


def check_tflite(out: Path, *, overwrite: bool, apart: Collection[Apart] = ()) -> None:
    """As `check_file`; and a file of another ending is replaced only where it is a .tflite file all the same."""
    check_file(out, overwrite=overwrite, example="model.tflite", apart=apart)
    if (
        files.is_file(out)
        and out.suffix.lower() != ".tflite"
        and files.beginning(out, 8)[4:] != MODEL_IDENTIFIER
    ):
        raise UsageError(
            "what lies here is no .tflite file, nor named as one, so it is never replaced",
            where=out,
            fix="end the name in .tflite, or move it away",
        )


def publish_with_golden(out: Path, data: bytes, golden: bytes, *, overwrite: bool) -> None:
    """Both files under their names; raises UsageError where one has come into being meanwhile."""
    with files.locked(out):
        check_target(out, overwrite)
        files.publish_together({out: data, golden_path(out): golden})


def _golden(model: Model, form: Form) -> bytes:
    """Also holds a file of any batch to what it gives one by one."""
    images = fixed_inputs(model.contract.size)
    inputs = np.stack([model.encode(image) for image in images])
    found = model.run(inputs)
    if form.any_batch:
        together = LiteRT(model.data, where=model.where, batch=len(inputs))(inputs)
        nearness = parity(together, found)
        gap = nearness.miss if form.io == "float32" else nearness.difference
        if not gap <= (FLOAT_TOLERANCE if form.io == "float32" else 1):
            raise VerificationFailed(
                f"a batch of {len(inputs)} gives other outputs than one by one: {gap:.2g}",
                where=model.where,
                fix="report this: it is a fault of the package or the runtime",
            )
    return golden_npz(images, found)


def _notes(outputs: Sequence[str], form: Form) -> tuple[str, ...]:
    """What consumers would misread or refuse. Source: MediaPipe Tasks 1.2.2 and LiteRT.js 2.5.3, tried."""
    notes = []
    if len(outputs) > 1:
        notes.append(
            "MediaPipe Tasks takes every output for the scores of classes: give it files of one output"
        )
    elif outputs[0] not in OUTPUTS:
        notes.append("MediaPipe Tasks reads no feature maps, only probabilities, logits or features")
    if form.io == "int8":
        notes.append("MediaPipe Tasks and LiteRT.js refuse int8 input: give them `io='uint8'`")
    if form.any_batch:
        notes.append("the Edge TPU compiler and GPU delegates refuse a batch that may change")
    return tuple(notes)


def _notes_of_network(parent: Model) -> tuple[str, ...]:
    """What a degenerate network is, which would pass every comparison."""
    images = fixed_inputs(parent.contract.size)
    outputs = parent.run(np.stack([parent.encode(image) for image in images]))
    if any(np.ptp(values, axis=0).max() > NOTHING for values in outputs.values()):
        return ()
    return ("the network gives the same for every photo: these are no weights of a trained one",)


def _notes_of(sample: Sample) -> tuple[str, ...]:
    if not sample.refused:
        return sample.notes
    named = some([f"{Path(each.where).name} ({each.reason})" for each in sample.refused], 3)
    whole = len(sample.images) + len(sample.refused)
    return (*sample.notes, f"{len(sample.refused)} of {whole} photos could not be used: {named}")


def float_parity(model: Model, plan: Plan, layers: Mapping[str, Layer]) -> Parity:
    """The outputs of the float file against the numpy run, over `fixed_inputs`."""
    images = fixed_inputs(plan.size)
    found = model.run(np.stack([model.encode(image) for image in images]))
    return parity(found, numpy_outputs(plan, layers, images))


def _sample(data: Path, origin: Origin, count: int, workers: int) -> Sample:
    """The images for calibration and proof: from every folder in turn, in an order that contents decide.

    Each content once, or a copy of a photo that calibrated would prove the file.
    """
    paths, truth, notes = labelled_photos(data, origin.labels)
    by_content: dict[str, int] = {}
    refused: list[Refused] = []
    for place, path in enumerate(paths):
        try:
            by_content.setdefault(files.sha256_bytes(photo_door.read_bytes(path)), place)
        except UnreadablePhoto as error:
            refused.append(Refused(str(path), error.what, lost=True))
    chosen = calibration.stratified(
        [str(paths[place].parent) for place in by_content.values()], list(by_content), count + MOST_KEPT_BACK
    )
    contents = [list(by_content)[each] for each in chosen]
    places = [by_content[content] for content in contents]
    images, others = calibration.images_by_place(
        [paths[place] for place in places], contents, origin.contract, VIEWS, workers=workers
    )
    refused += others.values()
    if len(images) < 2:
        reason = f"; the first of the others: {refused[0].where}: {refused[0].reason}" if refused else ""
        raise UnusableInput(
            f"{len(images)} of {len(paths)} photos can be used, and no copies count: int8 needs 2 to be made "
            f"and proven, and 100 to be good{reason}",
            where=data,
            fix="give a folder with photos like those that the model will see",
        )
    classes = None if truth is None else [truth[places[each]] for each in images]
    return Sample(list(images.values()), classes, tuple(refused), tuple(notes))
