"""`embed`: photos -> their feature vectors, in one .npy file with an index beside it."""

import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from efficientnet_lite.contract import BaseView
from efficientnet_lite.doors import files, photos
from efficientnet_lite.doors.litert import Runner
from efficientnet_lite.errors import ArtifactError, UnreadablePhoto, UnusableInput, UsageError
from efficientnet_lite.inference.predict import Model, Refused
from efficientnet_lite.inference.views import prepare
from efficientnet_lite.spec import POOLED
from efficientnet_lite.stories.progress import OnProgress

VECTORS, INDEX, SKIPPED = "features.npy", "index.csv", "skipped.csv"


@dataclass(frozen=True, slots=True)
class Vector:
    """The features of one photo."""

    path: Path
    sha256: str
    features: npt.NDArray[np.float32]  # (1280,)


@dataclass(frozen=True, slots=True)
class Embedded:
    """What was written."""

    folder: Path
    count: int
    length: int  # of a vector
    refused: tuple[Refused, ...]


def vectors(model: Model, paths: Sequence[Path], view: BaseView) -> Iterator[Vector | Refused]:
    """The features of each photo, in order; only a few are under way at once.

    Raises ArtifactError where the model gives no features.
    """
    if POOLED not in model.outputs:
        raise ArtifactError(
            "this file gives no feature vectors",
            where=model.where,
            fix="give a model such as lite1, a run folder, or a file exported with --output features",
        )

    def one(runner: Runner, path: Path) -> Vector | Refused:
        try:
            data = photos.read_bytes(path)
            (image,) = prepare(data, [view], model.contract, where=path).images
        except UnreadablePhoto as error:
            return Refused(str(path), error.what)
        return Vector(path, files.sha256_bytes(data), model.on_image(runner, image)[POOLED])

    return model.pool.map(one, paths)


def embed(
    model: Model,
    paths: Sequence[Path],
    out: Path,
    *,
    view: BaseView = "crop",
    overwrite: bool = False,
    on_progress: OnProgress,
) -> Embedded:
    """Write `features.npy`, float32 (N, 1280), `index.csv` with its rows, and `skipped.csv` into `out`.

    Vectors go to the disk as they come, so memory does not grow with their number. A new folder appears
    whole; an old one has its three files replaced once the new ones are complete.

    Raises:
        UsageError: `out` exists and `overwrite` was not asked for, or is a file.
        UnusableInput: no photo can be used.
    """
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not overwrite)):
        raise UsageError("the target exists", where=out, fix="choose another --out, or give --overwrite")
    stage = out.absolute().with_name(f".{out.absolute().name}.{secrets.token_hex(4)}{files.PART_SUFFIX}")
    try:
        stage.mkdir(parents=True)
    except OSError as error:
        raise files.output_failed(stage, error) from error
    rows: list[tuple[object, ...]] = []
    refused: list[Refused] = []
    length = model.outputs[POOLED].shape[-1] if POOLED in model.outputs else 0
    try:
        with files.replacing(stage / VECTORS) as file:
            _write_header(file, 0, length)
            for done, found in enumerate(vectors(model, paths, view), 1):
                if isinstance(found, Refused):
                    refused.append(found)
                else:
                    file.write(found.features.astype("<f4").tobytes())
                    rows.append((len(rows), found.path, found.sha256))
                on_progress(done, len(paths))
            file.seek(0)
            _write_header(file, len(rows), length)
        if not rows:
            reason = f"; the first: {refused[0].where}: {refused[0].reason}" if refused else ""
            raise UnusableInput(
                f"none of {len(paths)} photos can be used{reason}", where=out, fix="give photos"
            )
        files.publish_csv(stage / INDEX, ("row", "path", "sha256"), rows)
        files.publish_csv(
            stage / SKIPPED, ("path", "reason"), [(each.where, each.reason) for each in refused]
        )
        _move(stage, out)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return Embedded(out.absolute(), len(rows), length, tuple(refused))


def _write_header(file: object, count: int, length: int) -> None:
    """NumPy's header, which has room for any count, so that it can be written again at the end."""
    header = {"descr": "<f4", "fortran_order": False, "shape": (count, length)}
    np.lib.format.write_array_header_1_0(file, header)  # type: ignore[arg-type]  # any binary file serves


def _move(stage: Path, out: Path) -> None:
    try:
        if not out.exists():
            stage.replace(out)
            return
        for name in (VECTORS, SKIPPED, INDEX):
            (stage / name).replace(out / name)
    except OSError as error:
        raise files.output_failed(out, error) from error
