"""ONNX: a run, checkpoint or published weights -> one .onnx file, proven before it gets its name."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.labels import digest
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.proof.parity import fixed_inputs, numpy_outputs, parity
from efficientnet_lite.runtimes.model import model_from_onnx
from efficientnet_lite.storage import files
from efficientnet_lite.storage.targets import Apart, check_file
from efficientnet_lite.stories.export import OUTPUTS
from efficientnet_lite.stories.exported import Exported
from efficientnet_lite.stories.origin import Origin, open_origin
from efficientnet_lite.tflite.identity import OWN_ENTRY, Identity
from efficientnet_lite.tflite.label_files import label_files
from efficientnet_lite.version import __version__
from efficientnet_lite.weights.published import sources_apart


def export_onnx(
    source: str | Path,
    out: str | Path,
    *,
    outputs: Sequence[str] = ("probabilities",),
    model: str | None = None,
    weights: str | Path = "imagenet",
    ema: bool = True,
    overwrite: bool = False,
    stage: ShowStage = silent,
) -> Exported:
    """Write one float32 .onnx file, `images` (batch, S, S, 3) in [0, 1], and prove it on ONNX Runtime.

    Args:
        source: a run folder, a checkpoint, or a model such as "lite1"; see `origin.open_origin`.
        out: the file to write.
        outputs: of "probabilities", "logits" and "features", in the file's order.
        model, weights, ema: see `origin.open_origin`.
        overwrite: replace an existing file.

    Raises:
        UsageError: the call cannot be carried out as it is, or onnx or ONNX Runtime is not installed.
        VerificationFailed: the file is too far from numpy; nothing is published.
    """
    out, apart = Path(out), sources_apart(source, weights)
    _check(out, outputs, overwrite, apart)
    try:
        from efficientnet_lite.artifacts.onnx_graph import write_onnx
    except ImportError as error:
        raise UsageError(
            "onnx is not installed", where=out, fix="pip install 'efficientnet-lite[onnx]'"
        ) from error
    origin = open_origin(source, model=model, weights=weights, ema=ema)
    if origin.plan.classes is None and tuple(outputs) != ("features",):
        raise UsageError(
            "these weights end at the features", where=str(source), fix="give `outputs=['features']`"
        )
    layers = origin.layers()
    with stage("Writing the ONNX file") as on_progress:
        data = write_onnx(origin.plan, layers, outputs=outputs, metadata=_metadata(origin, outputs))
        on_progress(1, 1)
    with stage("Checking it on ONNX Runtime") as on_progress:
        written = model_from_onnx(data, where=out, workers=1)
        images = fixed_inputs(origin.plan.size)
        with written.pool.borrowed() as runner:  # all images in one call: the batch is free
            found = runner(np.stack([written.encode(image) for image in images]))
        nearness = parity(found, numpy_outputs(origin.plan, layers, images))
        on_progress(1, 1)
    nearness.require(what="the ONNX file", where=out)
    with files.locked(out):
        check_file(out, overwrite=overwrite, example="model.onnx", apart=apart)
        files.publish(out, data)
    return Exported(
        path=out.absolute(),
        format="onnx",
        precision="float32",
        outputs=tuple(outputs),
        bytes=len(data),
        sha256=files.sha256_bytes(data),
        parity=nearness,
    )


def _metadata(origin: Origin, outputs: Sequence[str]) -> dict[str, str]:
    """What a `.tflite` of ours has as entries and attached files, as texts."""
    identity = Identity(
        variant=origin.plan.variant.name,
        contract=origin.contract,
        precision="float32",
        outputs=tuple(outputs),
        classes=origin.plan.classes if tuple(outputs) != ("features",) else None,
        labels_sha256=digest(origin.labels) if origin.labels else None,
        weights_sha256=origin.sha256,
        package_version=__version__,
    )
    attached = label_files(origin.labels) if origin.labels else {}
    texts = {OWN_ENTRY: identity.to_bytes(), **attached}
    return {"license": origin.license} | {name: text.decode() for name, text in texts.items()}


def _check(out: Path, outputs: Sequence[str], overwrite: bool, apart: Collection[Apart]) -> None:
    """Refuse what cannot work, before any work is done."""
    if not outputs or len(set(outputs)) != len(outputs) or not set(outputs) <= set(OUTPUTS):
        raise UsageError(
            f"outputs {list(outputs)} cannot be",
            where=CALL,
            fix=f"give some of {', '.join(OUTPUTS)}",
        )
    if out.suffix != ".onnx":
        raise UsageError(
            "the name of an ONNX file must end in .onnx", where=out, fix=f"write {out.with_suffix('.onnx')}"
        )
    check_file(out, overwrite=overwrite, example="model.onnx", apart=apart)
