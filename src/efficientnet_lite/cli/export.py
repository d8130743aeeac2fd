"""The command that writes one artifact of any kind: export."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from efficientnet_lite.artifacts.options import ArtifactFormat, Batching
from efficientnet_lite.cli.common import (
    Json,
    Locales,
    NoEma,
    Quiet,
    Switch,
    Verbose,
    WeightsName,
    Workers,
    console_of,
    locales_of,
)
from efficientnet_lite.vocabulary import DenseScales, Effort, EthosUTarget, Io, Precision


def export(
    source: str,
    /,
    *,
    out: Path | None = None,
    format: ArtifactFormat | None = None,
    precision: Precision | None = None,
    io: Io | None = None,
    batch: Batching | None = None,
    dense: DenseScales | None = None,
    effort: Effort | None = None,
    keep: Annotated[tuple[str, ...], Parameter(negative=(), consume_multiple=True)] = (),
    output: Annotated[
        tuple[Literal["probabilities", "logits", "features"], ...], Parameter(negative=())
    ] = (),
    endpoint: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    data: Path | None = None,
    model: str | None = None,
    weights: WeightsName = "imagenet",
    no_ema: NoEma = False,
    calibration: int | None = None,
    calibration_seed: int | None = None,
    max_drop: float | None = None,
    min_agreement: float | None = None,
    labels_locale: Locales = (),
    target: EthosUTarget | None = None,
    sram: int | None = None,
    overwrite: Switch = False,
    workers: Workers = None,
    json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Write one artifact from a run, a checkpoint or published weights, and prove it on its own runtime.

    Beside it comes NAME.golden.npz, after its whole name: inputs and expected outputs for an app's own tests.
    An option that the format has no use for is refused.

    Args:
        source: a run folder, a checkpoint, a float .tflite of this family (ours or a stranger's, of which the weights
            are read and proven against the file itself), or a model such as lite1.
        out: the file to write, a folder for coreml, savedmodel, hub-tf1, tf1-checkpoint and tflm. A run needs none:
            the artifact then goes into its exports/ and its card, and `verify` replays it with the others.
        format: what the ending of --out says, else tflite; onnx; coreml, an .mlpackage for Apple's systems, where
            it was not run; savedmodel, for TensorFlow 2, to be served or trained further; hub-tf1, a module for
            hub.Module of tensorflow_hub 0.15 and older; tf1-checkpoint, for the reference's programs, with moving
            averages; tflm, C sources for a microcontroller, of the int8 file that a run has, or of one that is made
            with --data. The others but tflite and coreml are float32.
        precision: float32 (the default); float16 or dynamic, smaller files of float arithmetic; int8, integers
            throughout. coreml has float32 and float16.
        io: type of an int8 file's input and outputs; uint8 (raw pixels) where not given.
        batch: 1 (the default); dynamic lets the caller change it.
        dense: scales of the dense layer's int8 kernel: per-tensor (the default); per-channel needs a runtime of
            2022 or newer.
        effort: of int8: standard (the default) takes up to three minutes; best learns for up to ten, and needs the
            extra "train".
        keep: layers of an int8 file that stay in float32: stem/conv, blocks_3/depthwise, head/dense, a whole block as
            blocks_3, or logits; several may follow. It is then no longer integers throughout: what that means for
            accelerators is said.
        output: probabilities (the default), logits or features (the 1280 pooled values); may be given again.
            For savedmodel and hub-tf1: features for a feature-vector model, logits for a classifier.
        endpoint: one of the reference's, such as reduction_4, as an output; may be given again. There
            `features` is the feature map of the last block.
        data: a folder of photos like those that the model will see; labels are not needed. For int8 it sets
            the ranges; what a smaller precision loses is measured on it.
        model: for a checkpoint or a .tflite, the variant that it must be and its input size, as lite4@300.
        calibration: how many of the photos set the ranges (100 where not given); the others prove the file.
        calibration_seed: of the choice of those; another number takes others (0 where not given).
        max_drop: fraction of top-1 accuracy that a smaller precision may lose (0.01 where not given), where --data
            has the classes.
        min_agreement: fraction of photos on which it must name the same class as float32 (0.97 where not given).
        target: compile the int8 file for this NPU besides, by Arm's Vela (extra "ethos-u"). With --data it lies beside
            the other as NAME_ethos-u55-128.tflite; without, the run's own int8 file is compiled, into the run or to
            --out. What Vela says of it comes beside it, in a file of that name and .report.json.
        sram: KiB of it that the NPU may use.
        overwrite: replace an existing file. Of a run without --out, with --precision int8: its own int8 file, by one
            that the photos that proved the run prove anew; its card and its page then speak of the new one.
    """
    from efficientnet_lite.cli.results import show_exported, show_noted
    from efficientnet_lite.commands.export import export as export_artifact

    console = console_of(json, verbose, quiet)
    exported = export_artifact(
        source,
        out,
        format=format,
        precision=precision,
        io=io,
        batch=batch,
        dense=dense,
        effort=effort,
        keep=keep,
        outputs=output,
        endpoints=endpoint,
        data=data,
        model=model,
        weights=weights,
        ema=not no_ema,
        calibration=calibration,
        calibration_seed=calibration_seed,
        max_drop=max_drop,
        min_agreement=min_agreement,
        labels_locale=locales_of(labels_locale),
        target=target,
        sram=sram,
        overwrite=overwrite,
        workers=workers,
        progress=console.progress,
    )
    show_noted(console, exported, show_exported, json=json)
