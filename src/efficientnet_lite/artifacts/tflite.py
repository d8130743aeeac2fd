"""A `.tflite` file: float32 proven against numpy, every other precision against float32."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.artifacts.exported import Exported
from efficientnet_lite.artifacts.kept_layers import kept_steps, notes_on_accelerators, part_of_name
from efficientnet_lite.artifacts.kind import ArtifactKind, Making, NamedArrays, NewArtifact
from efficientnet_lite.artifacts.options import BATCHINGS, DENSE_SCALES, EFFORTS, ExportOptions, photos_needed
from efficientnet_lite.artifacts.origin import Origin
from efficientnet_lite.artifacts.reduced import (
    NOTHING,
    Int8Maker,
    Reduced,
    differing,
    reduced_float,
    require_same,
    twin,
)
from efficientnet_lite.artifacts.sample import Sample, sample_of
from efficientnet_lite.errors import CALL, UsageError, VerificationFailed, wrong_argument
from efficientnet_lite.network.plan import POOLED
from efficientnet_lite.photos.views import Image
from efficientnet_lite.proof.gate import Bars, writable
from efficientnet_lite.proof.kernel_spread import kernel_spread
from efficientnet_lite.proof.parity import Parity, fixed_inputs, parity
from efficientnet_lite.quantize.learned.requirement import require_learned
from efficientnet_lite.runtimes.engine import chosen_workers
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.runtimes.model_files import model_from_bytes, open_model
from efficientnet_lite.storage import files
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.tflite.artifact import About, Form, float_artifact
from efficientnet_lite.tflite.float import Output
from efficientnet_lite.tflite.int8 import IOS
from efficientnet_lite.tflite.slots import MODEL_IDENTIFIER
from efficientnet_lite.tflite.translations import read_translations
from efficientnet_lite.vocabulary import CALIBRATION_PHOTOS, MAX_DROP, MIN_AGREEMENT, PRECISIONS, Io

OUTPUTS: tuple[Output, ...] = ("probabilities", "logits", "features")


def check_options(options: ExportOptions, out: Path) -> None:
    """Raises UsageError for what no source could be exported with."""
    _form(options)
    _bars(options).check()
    if _count(options) < 1:
        raise wrong_argument("calibration", options.calibration, fix="give at least 1 photo")
    if options.effort == "best":
        require_learned()
    if options.precision == "int8" and options.data is None:
        raise photos_needed()


def write(making: Making, place: Path) -> NewArtifact:
    """One file, and what it gives for the fixed inputs, codes as they are."""
    origin, options, out, stage = making.origin, making.options, making.out, making.stage
    form, workers, bars = _form(options), chosen_workers(options.workers), _bars(options)
    endpoints = options.endpoints or ()
    names = output_names(
        origin, tuple(options.outputs) or (() if endpoints else ("probabilities",)), endpoints
    )
    given_names = read_translations(options.labels_locale or {}, origin.labels_of(names) or ())
    translations = {**origin.translations, **given_names} if origin.labels_of(names) else {}
    about = about_of(origin, names, translations)
    form = replace(form, kept=kept_steps(origin.plan, names, options.keep)) if options.keep else form
    float_form = form if form.precision == "float32" else Form()
    with stage("Checking the float file") as on_progress, writable("float32", out):
        result = float_artifact(origin.plan, making.layers, about, float_form)
        judged = float_artifact(origin.plan, making.layers, twin(about), float_form)
        parent = model_from_bytes(judged, where=out, workers=workers)
        given = outputs_of(parent, making.images)
        nearness = parity(given, making.wanted)
        on_progress(1, 1)
    nearness.require(what="the float32 file", where=out)
    reduced, sample = None, None
    if form.precision != "float32":
        reduced, sample = _reduced(making, about, form, parent, workers)
        result = reduced.data
        reduced.require(form.precision, names, bars, out)
    child = model_from_bytes(result, where=out, workers=workers)
    if form.precision == "float32":
        require_same(child, parent)
    golden, inputs = _golden(child, form)
    files.publish(place, result)
    notes = _notes(names, form) + _notes_of_network(given) + (sample.all_notes() if sample else ())
    notes += tuple(notes_on_accelerators(result)) if form.kept and not form.any_batch else ()
    exported = exported_file(out, form, names, nearness, reduced, bars, sample, notes)
    if form.precision == "int8":
        exported = replace(exported, kernels=kernel_spread(child, inputs, golden))
    return NewArtifact(exported, golden)


def exported_file(
    out: Path,
    form: Form,
    names: tuple[str, ...],
    nearness: Parity,
    reduced: Reduced | None = None,
    bars: Bars | None = None,
    sample: Sample | None = None,
    notes: tuple[str, ...] = (),
) -> Exported:
    """What the proof of a file showed; with `bars`, what the photos say of them."""
    said, why = reduced.verdict(names, bars) if reduced and bars else (None, ())
    return Exported(
        path=out.absolute(),
        format="tflite",
        precision=form.precision,
        outputs=names,
        parity=nearness,
        comparison=reduced.comparison if reduced else None,
        reduction=reduced.parity if reduced else None,
        cross_fitted=reduced.cross_fitted if reduced else False,
        notes=notes,
        verdict=said,
        doubts=why,
        skipped=sample.refused if sample else (),
        int8=reduced.record if reduced else None,
    )


def outputs_of(model: Model, images: Image) -> NamedArrays:
    """What it gives for images as its contract prepares them, one by one."""
    return model.run(np.stack([model.encode(image) for image in images]))


def about_of(
    origin: Origin, outputs: tuple[str, ...], translations: Mapping[str, tuple[str, ...]] | None = None
) -> About:
    """What a file of `origin` says of itself."""
    weights, labels = origin.weights, origin.labels_of(outputs)
    return About(origin.contract, weights.sha256, weights.license, outputs, labels, translations or {})


def _reduced(
    making: Making, about: About, form: Form, parent: Model, workers: int
) -> tuple[Reduced, Sample | None]:
    """The file of a smaller precision, and the photos on which it was compared with `parent`."""
    origin, options, out = making.origin, making.options, making.out
    count = _count(options)
    sample = None
    if options.data is not None:
        with making.stage("Looking at the photos") as on_progress:
            seed = options.calibration_seed or 0
            sample = sample_of(Path(options.data), origin, count, workers, on_progress, seed=seed)
    if form.precision != "int8":
        made = reduced_float(
            origin, making.layers, about, form, parent, sample, stage=making.stage, where=out
        )
        return made, sample
    assert sample is not None  # demanded by `check_options`
    with Cache() as cache:
        effort = options.effort or "standard"
        maker = Int8Maker(origin, making.layers, about, parent, cache, workers, out, form, effort)
        made = maker.make(sample, count, making.stage)
        cache.prune()
    return made, sample


def _count(options: ExportOptions) -> int:
    """How many photos set the ranges."""
    return CALIBRATION_PHOTOS if options.calibration is None else options.calibration


def _bars(options: ExportOptions) -> Bars:
    given = [(options.max_drop, MAX_DROP), (options.min_agreement, MIN_AGREEMENT)]
    return Bars(*(usual if value is None else value for value, usual in given))


def _form(options: ExportOptions) -> Form:
    """The form of the file; raises UsageError where the options do not go together."""
    precision, io = "float32" if options.precision is None else options.precision, options.io
    batch = "1" if options.batch is None else options.batch
    dense = "per-tensor" if options.dense is None else options.dense

    def refuse(what: str, fix: str) -> UsageError:
        return UsageError(what, where=CALL, fix=fix)

    for argument, given, known in (
        ("precision", precision, PRECISIONS),
        ("io", io or "float32", IOS),
        ("batch", batch, BATCHINGS),
        ("dense", dense, DENSE_SCALES),
        ("effort", options.effort or "standard", EFFORTS),
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


def _golden(model: Model, form: Form) -> tuple[NamedArrays, npt.NDArray[Any]]:
    """The golden outputs, and the raw inputs for them. Also holds a file of any batch to what it gives one by one."""
    images = fixed_inputs(model.contract.size)
    inputs = np.stack([model.encode(image) for image in images])
    found = model.run(inputs)
    if form.any_batch:
        together = LiteRT(model.data, where=model.where, batch=len(inputs))(inputs)
        for name, gap in differing(together, found):
            raise VerificationFailed(
                f"a batch of {len(inputs)} gives other {name} than one by one: {gap:.2g}",
                where=model.where,
                fix="report this: it is a fault of the package or the runtime",
            )
    return found, inputs


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


def _notes_of_network(outputs: NamedArrays) -> tuple[str, ...]:
    """What a degenerate network is, which would pass every comparison; by its outputs for the fixed inputs."""
    if any(np.ptp(values, axis=0).max() > NOTHING for values in outputs.values()):
        return ()
    return ("the network gives the same for every photo: these are no weights of a trained one",)


def _is_one(path: Path) -> bool:
    return files.beginning(path, 8)[4:] == MODEL_IDENTIFIER


def run(path: Path, outputs: Sequence[str], images: Image) -> NamedArrays:
    """Of a `.tflite` or `.onnx` file, as its contract prepares the images."""
    return outputs_of(open_model(path), images)


def _in_a_run(options: ExportOptions) -> list[str]:
    usual = "uint8" if options.precision == "int8" else "float32"
    parts: list[str] = [options.precision or "float32"]
    parts += [options.io] if options.io not in (None, usual) else []
    parts += ["any-batch"] if options.batch == "dynamic" else []
    parts += ["per-channel-dense"] if options.dense == "per-channel" else []
    parts += ["best"] if options.effort == "best" else []
    parts += [part_of_name(options.keep)] if options.keep else []
    return [*parts, *(options.endpoints or ())]


KIND = ArtifactKind("tflite", write, run, check_options, ending=".tflite", is_one=_is_one, in_a_run=_in_a_run)
