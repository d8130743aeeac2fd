"""`export`: one artifact of any kind from a run, a checkpoint or published weights, proven before it gets its name."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from efficientnet_lite.arguments import called
from efficientnet_lite.artifacts.exported import Exported
from efficientnet_lite.artifacts.kind import Making
from efficientnet_lite.artifacts.kinds import chosen_kind
from efficientnet_lite.artifacts.options import ArtifactFormat, Batching, ExportOptions, require_used
from efficientnet_lite.artifacts.publication import check_place, publish
from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.arrivals import Arrivals
from efficientnet_lite.run.source import open_origin
from efficientnet_lite.storage.targets import Apart
from efficientnet_lite.vocabulary import DenseScales, Io, Precision
from efficientnet_lite.weights.published import sources_apart


@called
def export(
    source: str | Path,
    out: str | Path | None = None,
    *,
    format: ArtifactFormat | None = None,
    outputs: Sequence[str] = (),
    model: str | None = None,
    weights: str | Path = "imagenet",
    ema: bool = True,
    overwrite: bool = False,
    stage: ShowStage = silent,
    precision: Precision | None = None,
    io: Io | None = None,
    batch: Batching | None = None,
    dense: DenseScales | None = None,
    endpoints: Sequence[str] | None = None,
    data: str | Path | None = None,
    calibration_photos: int | None = None,
    max_drop: float | None = None,
    min_agreement: float | None = None,
    labels_locale: Mapping[str, Path] | None = None,
    workers: int | None = None,
) -> Exported:
    """One artifact of `source`, proven on its own runtime, with its golden file; a checkpoint needs neither.

    The other arguments are the fields of `ExportOptions`; see `write_artifact`.
    """
    options = ExportOptions(
        format=format,
        outputs=outputs,
        model=model,
        weights=weights,
        ema=ema,
        overwrite=overwrite,
        precision=precision,
        io=io,
        batch=batch,
        dense=dense,
        endpoints=endpoints,
        data=data,
        calibration_photos=calibration_photos,
        max_drop=max_drop,
        min_agreement=min_agreement,
        labels_locale=labels_locale,
        workers=workers,
    )
    return write_artifact(source, out, options, stage=stage)


def write_artifact(
    source: str | Path, out: str | Path | None, options: ExportOptions, *, stage: ShowStage = silent
) -> Exported:
    """One artifact of `source` under its name, or nothing.

    Args:
        source: a run folder, a checkpoint, or a model such as "lite1"; see `open_origin`.
        out: the file or folder to write; None for a run, which then gets it as one of its own: into its
            exports/, listed in its card, replayed by `verify`.

    Raises:
        UsageError: the call cannot be carried out as it is, or what the format needs is not installed.
        VerificationFailed: the artifact is too far from what it was made of; nothing is published.
    """
    kind = chosen_kind(options.format, None if out is None else Path(out))
    require_used(kind.format, options)
    arrivals = None if out is not None else _of_run(source)
    target = Path(str(out)) if arrivals is None else arrivals.place_of(kind, options)
    apart = sources_apart(source, options.weights)
    if options.data:
        apart.append(Apart(Path(options.data), inside=False))
    check_place(kind, target, overwrite=options.overwrite, apart=apart)
    kind.check(options, target)
    origin = open_origin(
        source, model=options.model, weights=options.weights, ema=options.ema, with_raw=kind.both_weights
    )
    making = Making(origin, options, target, stage)
    if arrivals is None:
        return publish(kind, making, apart=apart)
    return publish(kind, making, apart=apart, entering=arrivals.entering)


def _of_run(source: str | Path) -> Arrivals:
    """Where the artifacts of the run `source` go; what a killed export left there is finished first."""
    if not run_folder.is_run(Path(source)):
        raise UsageError("no `out=` given", where=CALL, fix="say where to: only a run has a place of its own")
    arrivals = Arrivals.to(Path(source))
    arrivals.recover()
    return arrivals
