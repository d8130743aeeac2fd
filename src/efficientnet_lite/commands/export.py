"""`export`: one artifact of any kind from a run, a checkpoint or published weights, proven before it gets its name."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from efficientnet_lite import extras
from efficientnet_lite.arguments import called, listed
from efficientnet_lite.artifacts import compiled
from efficientnet_lite.artifacts.exported import Exported
from efficientnet_lite.artifacts.kind import ArtifactKind, Making
from efficientnet_lite.artifacts.kinds import chosen_kind
from efficientnet_lite.artifacts.options import TFLITE, ArtifactFormat, Batching, ExportOptions, require_used
from efficientnet_lite.artifacts.publication import check_place, publish
from efficientnet_lite.artifacts.two_files import check_compiled, publish_with_compiled
from efficientnet_lite.bars import stages
from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.progress import Progress, ShowStage, silent
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.arrivals import Arrivals, own_precision
from efficientnet_lite.run.requantized import requantize
from efficientnet_lite.run.source import open_origin
from efficientnet_lite.stop_signals import interrupted_by_sigterm
from efficientnet_lite.storage import files
from efficientnet_lite.storage.targets import Apart
from efficientnet_lite.vocabulary import DenseScales, Effort, EthosUTarget, Io, Precision
from efficientnet_lite.weights.published import sources_apart


@called
def export(
    source: str | Path,
    out: str | Path | None = None,
    *,
    format: ArtifactFormat | None = None,
    precision: Precision | None = None,
    io: Io | None = None,
    batch: Batching | None = None,
    dense: DenseScales | None = None,
    effort: Effort | None = None,
    keep: str | Sequence[str] = (),
    outputs: str | Sequence[str] = (),
    endpoints: str | Sequence[str] = (),
    data: str | Path | None = None,
    model: str | None = None,
    weights: str | Path = "imagenet",
    ema: bool = True,
    calibration: int | None = None,
    calibration_seed: int | None = None,
    max_drop: float | None = None,
    min_agreement: float | None = None,
    labels_locale: Mapping[str, str | Path] | None = None,
    overwrite: bool = False,
    target: EthosUTarget | None = None,
    sram: int | None = None,
    workers: int | None = None,
    progress: Progress = False,
) -> Exported:
    """Write one artifact of a run, a checkpoint or a model, and prove it.

    Beside it comes its golden file, NAME.golden.npz: inputs and expected
    outputs for an app's own tests. An argument that the format has no use for
    is refused.

    Args:
        source: a run folder, a checkpoint, a float .tflite of this family, ours
            or a stranger's, or a model such as "lite1".
        out: the file to write, a folder for "coreml", "savedmodel", "hub-tf1",
            "tf1-checkpoint" and "tflm". A run needs none: the artifact then
            goes into its exports/ and its card, and `verify` replays it with
            the others.
        format: what the ending of `out` says where None, else "tflite"; "onnx";
            "coreml", an .mlpackage for Apple's systems, where it was not run;
            "savedmodel", for TensorFlow 2; "hub-tf1", a module for hub.Module
            of tensorflow_hub 0.15 and older; "tf1-checkpoint", for the
            reference's programs; "tflm", C sources for a microcontroller, of
            the int8 file that a run has, or of one that is made of `data`. The
            others but "tflite" and "coreml" are float32.
        precision: "float32" (the default); "float16" or "dynamic", smaller
            files of float arithmetic; "int8", integers throughout. "coreml" has
            the first two.
        io: type of an int8 file's input and outputs: "uint8" (raw pixels, the
            default), "int8" or "float32".
        batch: "1" (the default); "dynamic" lets the caller change it.
        dense: scales of the dense layer's int8 kernel: "per-tensor" (the
            default); "per-channel" needs a runtime of 2022 or newer.
        effort: of int8: "standard" (the default), under three minutes; "best"
            learns for up to ten, and needs the extra "train".
        keep: layers of an int8 file that stay in float32: "stem/conv",
            "blocks_3/depthwise", "head/dense", a whole block as "blocks_3", or
            "logits"; one or several. A tensor stays float where the layer that
            makes it and all that read it are kept. The notes say on which
            accelerators the file no longer runs whole.
        outputs: "probabilities" (the default), "logits", "features" (the 1280
            pooled values), one or several. For "savedmodel" and "hub-tf1":
            "features" for a feature-vector model, "logits" for a classifier.
        endpoints: of the reference, such as "reduction_4", as further outputs.
            There "features" is the feature map of the last block.
        data: photos like those that the model will see; labels are not needed.
            For int8 they set the ranges; what a smaller precision loses is
            measured on them.
        model: for a checkpoint or a .tflite, the variant that it must be and
            its input size, as "lite4@300".
        weights: for a model name: "imagenet", "hub", or the path of a
            checkpoint.
        ema: of a checkpoint that has both, read the moving averages rather than
            the raw weights.
        calibration: how many of the photos set the ranges (100 where None); the
            others prove the file.
        calibration_seed: of the choice of those: another number takes others.
        max_drop: fraction of top-1 accuracy that a smaller precision may lose
            (0.01), where `data` has the classes.
        min_agreement: fraction of photos on which it must name the same class
            as float32 (0.97).
        labels_locale: class names in other languages: locale ("de") -> a text
            file with one a line.
        overwrite: replace an existing file; a folder only where it is one of
            ours. Of a run without `out`, with `precision="int8"`: its own int8
            file, by one that the photos that proved the run prove anew.
        target: "ethos-u55-128" or its like: compile the int8 file for this NPU
            besides, by Arm's Vela (the extra "ethos-u"). With `data` it lies
            beside the other, NAME_ethos-u55-128.tflite; without, the run's own
            int8 file is compiled. What Vela says of it comes beside it.
        sram: KiB of it that the NPU may use.
        workers: photos under way at once; one for each core where None.
        progress: True shows bars.

    Returns:
        What was written: `path`, `bytes`, `outputs`, and its proof.

    Raises:
        UsageError: the call cannot be carried out as it is, or what the format
            needs is not installed.
        UnusableInput, ArtifactError: the source or the photos cannot be used.
        VerificationFailed: the artifact is too far from what it was made of;
            nothing is published.
        KeyboardInterrupt: Ctrl-C or SIGTERM came; nothing is published.

    Example:
        >>> import efficientnet_lite as el
        >>> exported = el.export("lite1", "lite1.tflite", outputs=["features"])
        >>> exported.path.name, exported.precision, exported.outputs
        ('lite1.tflite', 'float32', ('features',))
        >>> of_the_run = el.export("runs/clothing", precision="float16")
        >>> of_the_run.path.name
        'clothing_float16.tflite'
    """
    options = ExportOptions(
        format=format,
        outputs=listed(outputs),
        model=model,
        weights=weights,
        ema=ema,
        overwrite=overwrite,
        precision=precision,
        io=io,
        batch=batch,
        dense=dense,
        effort=effort,
        keep=listed(keep),
        endpoints=listed(endpoints),
        data=data,
        calibration=calibration,
        calibration_seed=calibration_seed,
        max_drop=max_drop,
        min_agreement=min_agreement,
        labels_locale={locale: Path(file) for locale, file in (labels_locale or {}).items()},
        target=target,
        sram=sram,
        workers=workers,
    )
    return write_artifact(source, out, options, stage=stages(progress))


@interrupted_by_sigterm()
def write_artifact(
    source: str | Path, out: str | Path | None, options: ExportOptions, *, stage: ShowStage = silent
) -> Exported:
    """One artifact of `source` under its name, or nothing.

    Args:
        source: a run folder, a checkpoint, a float .tflite, or a model such as "lite1"; see `open_origin`.
        out: the file or folder to write; None for a run, which then gets it as one of its own: into its
            exports/, listed in its card, replayed by `verify`.

    Raises:
        UsageError: the call cannot be carried out as it is, or what the format needs is not installed.
        VerificationFailed: the artifact is too far from what it was made of; nothing is published.
    """
    kind = chosen_kind(options.format, None if out is None else Path(out))
    if options.target is not None and options.precision is None and kind.format == TFLITE:
        options = replace(options, precision="int8")
    require_used(kind.format, options)
    if options.target is not None and options.data is None:
        kind = compiled.KIND
    arrivals = None if out is not None else _of_run(source)
    if arrivals is not None and _is_for_its_own(arrivals, kind, options):
        return _requantized(Path(source), kind, options, stage)
    target = Path(str(out)) if arrivals is None else arrivals.place_of(kind, options)
    apart = sources_apart(source, options.weights)
    if options.data:
        apart.append(Apart(Path(options.data), inside=False))
    check_place(kind, target, overwrite=options.overwrite, apart=apart)
    if beside := options.target is not None and kind is not compiled.KIND:
        check_compiled(options, target, apart)
    learns = kind.executed or options.effort == "best"
    with extras.loading("TensorFlow", stage) if learns else nullcontext():
        kind.check(options, target)
    origin = open_origin(
        source, model=options.model, weights=options.weights, ema=options.ema, with_raw=kind.both_weights
    )
    making = Making(origin, options, target, stage)
    if beside:
        return publish_with_compiled(kind, making, apart)
    if arrivals is None:
        return publish(kind, making, apart=apart)
    return publish(kind, making, apart=apart, entering=arrivals.entering)


def _is_for_its_own(arrivals: Arrivals, kind: ArtifactKind, options: ExportOptions) -> bool:
    """Whether the run's own int8 file is to be replaced, by any effort: unless one of that effort lies beside it."""
    if not options.overwrite or own_precision(kind, replace(options, effort=None)) != "int8":
        return False
    return own_precision(kind, options) == "int8" or not files.lexists(arrivals.place_of(kind, options))


def _requantized(run: Path, kind: ArtifactKind, options: ExportOptions, stage: ShowStage) -> Exported:
    """The run's own int8 file, replaced by one that is made anew of the same weights."""
    target = run_folder.open_run(run).export("int8")
    kind.check(options, target)
    return requantize(run, Making(open_origin(run), options, target, stage))


def _of_run(source: str | Path) -> Arrivals:
    """Where the artifacts of the run `source` go; what a killed export left there is finished first."""
    if not run_folder.is_run(Path(source)):
        raise UsageError("no `out=` given", where=CALL, fix="say where to: only a run has a place of its own")
    arrivals = Arrivals.to(Path(source))
    arrivals.recover()
    return arrivals
