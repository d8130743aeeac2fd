"""Whatever a command may name as its model -> one opened `Model`."""

from pathlib import Path

from efficientnet_lite import bundle
from efficientnet_lite.inference.predict import Model, model_from_bytes, open_model
from efficientnet_lite.stories.origin import Origin, open_origin
from efficientnet_lite.tflite.artifact import About, float_artifact
from efficientnet_lite.tflite.write import Output

MODEL_SUFFIX = ".tflite"


def open_source(
    source: str | Path,
    *,
    precision: str | None = None,
    weights: str | Path = "imagenet",
    ema: bool = True,
    model: str | None = None,
    workers: int | None = None,
) -> Model:
    """The model that `source` names, ready to predict.

    Args:
        source: a .tflite file; a run folder, of which the int8 file is taken, or that of `precision`; a
            checkpoint; or a model such as "lite1" or "lite4@300".
        weights, ema, model: for a name or a checkpoint, see `origin.open_origin`.

    Raises:
        UsageError: no such file, run or model.
        ArtifactError, UnusableInput: it cannot be opened.
    """
    path = Path(source)
    if path.is_dir() and bundle.is_run(path):
        return open_model(bundle.open_run(path).export(precision or "int8"), workers=workers)
    if path.is_file() and _is_tflite(path):
        return open_model(path, workers=workers)
    origin = open_origin(source, weights=weights, ema=ema, model=model)
    outputs: tuple[Output, ...] = (
        ("features",) if origin.plan.classes is None else ("probabilities", "logits")
    )
    return in_memory(origin, outputs, workers=workers)


def open_backbone(
    source: str | Path, *, weights: str | Path = "imagenet", ema: bool = True, workers: int | None = None
) -> Model:
    """The model that gives the feature vectors of `source`; see `open_source`."""
    path = Path(source)
    if path.is_file() and _is_tflite(path):
        return open_model(path, workers=workers)
    return in_memory(open_origin(source, weights=weights, ema=ema), ("features",), workers=workers)


def in_memory(origin: Origin, outputs: tuple[Output, ...], *, workers: int | None = None) -> Model:
    """The float file of `origin`, not written anywhere."""
    labels = origin.labels if outputs != ("features",) else None
    about = About(origin.contract, origin.sha256, origin.license, outputs, labels)
    return model_from_bytes(
        float_artifact(origin.plan, origin.layers(), about), where=origin.name, workers=workers
    )


def _is_tflite(path: Path) -> bool:
    """By content, or by the name where the content is damaged."""
    if path.suffix == MODEL_SUFFIX:
        return True
    with path.open("rb") as file:
        return file.read(8)[4:] == b"TFL3"
