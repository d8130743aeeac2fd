"""`export` in every format: the story of each, a golden file beside the artifact, and its place in a run."""

from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any, Literal

from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.proof.golden import check_golden, golden_npz, golden_path
from efficientnet_lite.proof.parity import fixed_inputs, numpy_outputs
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.storage import files
from efficientnet_lite.stories.export import export as export_tflite
from efficientnet_lite.stories.export_checkpoint import export_checkpoint
from efficientnet_lite.stories.export_hub import export_hub_module
from efficientnet_lite.stories.export_onnx import export_onnx
from efficientnet_lite.stories.export_saved_model import export_saved_model
from efficientnet_lite.stories.exported import Exported
from efficientnet_lite.stories.formats import Format, chosen_format, require_used
from efficientnet_lite.stories.origin import open_origin
from efficientnet_lite.stories.run_artifacts import add_artifact, artifacts_of

KINDS: dict[tuple[str, ...], Literal["feature-vector", "classification"]] = {
    ("features",): "feature-vector",
    ("logits",): "classification",
}
_TFLITE_OPTIONS = frozenset(signature(export_tflite).parameters)


def export(
    source: str | Path,
    out: str | Path | None = None,
    *,
    format: Format | None = None,
    outputs: Sequence[str] = (),
    model: str | None = None,
    weights: str | Path = "imagenet",
    ema: bool = True,
    overwrite: bool = False,
    stage: ShowStage = silent,
    **options: Any,
) -> Exported:
    """One artifact of `source`, proven on its own runtime, with its golden file; a checkpoint needs neither.

    Args:
        source, model, weights, ema: see `origin.open_origin`.
        out: the file or folder to write; None for a run, which then gets it as one of its own: into its
            exports/, listed in its card, replayed by `verify`.
        format: "tflite" where None, unless the ending of `out` says otherwise.
        outputs: "probabilities", "logits" or "features"; of "savedmodel" and "hub-tf1" the last two say
            what kind of model it is; "tf1-checkpoint" has none.
        options: for "tflite" alone, further arguments of `export.export`: precision ("float32", "float16",
            "dynamic", "int8"), data (photos, without labels, for int8), io, batch, dense, endpoints,
            calibration_photos, max_drop, min_agreement, labels_locale, workers. What is None is not given.

    Raises:
        UsageError: the call cannot be carried out as it is, or what the format needs is not installed.
        VerificationFailed: the artifact is too far from what it was made of; nothing is published.
    """
    if unknown := [name for name in options if name not in _TFLITE_OPTIONS]:
        raise TypeError(f"export() got an unexpected keyword argument {unknown[0]!r}")
    format = chosen_format(format, None if out is None else Path(out))
    options = {name: value for name, value in options.items() if value is not None}
    require_used(format, {**options, "outputs": outputs})
    run = _run_of(source) if out is None else None
    target = _place_in(run, format, outputs, options) if run is not None else Path(str(out))
    if run is not None:
        artifacts_of(run_folder.open_run(run))  # a list that cannot be added to, before any work is done
        run_folder.check_own(run, target)
    common: dict[str, Any] = {
        "model": model,
        "weights": weights,
        "ema": ema,
        "overwrite": overwrite,
        "stage": stage,
    }
    if format == "tflite":
        names = tuple(outputs) or (() if options.get("endpoints") else ("probabilities",))
        exported = export_tflite(source, target, outputs=names, **options, **common)
    elif format == "tf1-checkpoint":
        exported = export_checkpoint(source, target, **common)
    else:
        check_golden(target, overwrite=overwrite)
        if format == "onnx":
            exported = export_onnx(source, target, outputs=tuple(outputs) or ("probabilities",), **common)
        elif format == "savedmodel":
            exported = export_saved_model(source, target, kind=_kind(outputs), **common)
        else:
            exported = export_hub_module(source, target, kind=_kind(outputs) or "feature-vector", **common)
        _add_golden(source, exported, model=model, weights=weights, ema=ema)
    if run is not None:
        add_artifact(run, exported)
    return exported


def _kind(outputs: Sequence[str]) -> Literal["feature-vector", "classification"] | None:
    if not outputs:
        return None
    if tuple(outputs) not in KINDS:
        raise UsageError(
            f"such a model does not give {' and '.join(outputs)}",
            where=CALL,
            fix="give `outputs=['features']` for a feature vector, `outputs=['logits']` for a classifier",
        )
    return KINDS[tuple(outputs)]


def _run_of(source: str | Path) -> Path:
    if not run_folder.is_run(Path(source)):
        raise UsageError("no `out=` given", where=CALL, fix="say where to: only a run has a place of its own")
    return run_folder.open_run(Path(source)).folder


def _place_in(run: Path, format: Format, outputs: Sequence[str], options: Mapping[str, Any]) -> Path:
    """The artifact's place in the run, which tells it from all others of that run."""
    name = "".join(c if c.isalnum() or c in "-_." else "_" for c in run.absolute().name)
    parts = [name]
    if format == "tflite":
        usual = "uint8" if options.get("precision") == "int8" else "float32"
        parts.append(str(options.get("precision") or "float32"))
        io, batch, dense = (str(options.get(key) or "") for key in ("io", "batch", "dense"))
        parts += [io] if io not in ("", usual) else []
        parts += ["any-batch"] if batch == "dynamic" else []
        parts += ["per-channel-dense"] if dense == "per-channel" else []
        parts += options.get("endpoints") or ()
        if len(parts) == 2 and tuple(outputs) in ((), ("probabilities",)) and parts[1] in ("float32", "int8"):
            raise UsageError(
                f"the run has its {parts[1]} file already", where=run, fix="give `out=` for another copy"
            )
    elif format != "onnx":
        parts.append(format)
    parts += [each for each in outputs if each != "probabilities" or len(outputs) > 1]
    return run / "exports" / ("_".join(parts) + {"tflite": ".tflite", "onnx": ".onnx"}.get(format, ""))


def _add_golden(source: str | Path, exported: Exported, **origin: Any) -> None:
    """What numpy gives for the fixed inputs: within 1e-3 of what any runtime of floats gives."""
    made = open_origin(source, **origin)
    images = fixed_inputs(made.plan.size)
    outputs = numpy_outputs(made.plan, made.layers(), images)
    content = golden_npz(images, {name: outputs[name] for name in exported.outputs})
    files.publish(golden_path(exported.path), content)
