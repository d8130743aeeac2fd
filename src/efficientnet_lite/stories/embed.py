"""`embed`: photos -> their feature vectors, one after another or as a folder with a matrix and its index.

    features.npy   float32 (N, C), C is 1280 for files of ours; numpy and all its relatives map it
    index.csv      row of the matrix, path and sha256 of the photo
    skipped.csv    the photos that could not be used, and why

The folder appears whole or not at all, and memory does not grow with the number of photos.
"""

import codecs
import csv
import math
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from efficientnet_lite.accounting import COLUMNS, Skipped
from efficientnet_lite.contract import View
from efficientnet_lite.doors import files, photos
from efficientnet_lite.errors import UnreadablePhoto, UnusableInput, UsageError
from efficientnet_lite.inference.predict import Model, Refused
from efficientnet_lite.inference.views import prepare
from efficientnet_lite.spec import POOLED
from efficientnet_lite.tensor import Engine

FEATURES, INDEX, SKIPPED = "features.npy", "index.csv", "skipped.csv"


@dataclass(frozen=True, slots=True)
class Vector:
    """One photo's features."""

    path: Path
    sha256: str  # of the file's bytes, hex
    features: npt.NDArray[np.float32]  # (C,)


@dataclass(frozen=True, slots=True)
class Embedded:
    """A published folder."""

    folder: Path
    count: int  # rows of the matrix
    skipped: tuple[Skipped, ...]


def vectors(model: Model, paths: Iterable[Path], *, view: View | None = None) -> Iterator[Vector | Refused]:
    """The features of each photo in order, or why there are none; `model` has the output `features`.

    `view` is how the photo is looked at, the contract's own way where None.
    """
    views = (view or model.contract.view,)

    def one(runner: Engine, path: Path) -> Vector | Refused:
        try:
            data = photos.read_bytes(path)
            prepared = prepare(data, views, model.contract, where=path)
        except UnreadablePhoto as error:
            return Refused(str(path), error.what)
        outputs = model.on_image(runner, prepared.images[0])
        return Vector(path, files.sha256_bytes(data), outputs[POOLED])

    return model.pool.map(one, paths)


def embed(
    model: Model,
    paths: Sequence[Path],
    out: Path,
    *,
    skipped: Sequence[Skipped] = (),
    view: View | None = None,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Embedded:
    """Publish the features of all photos that can be used as the folder `out`.

    Args:
        model: has the output `features`; see `stories.source.open_features`.
        paths: the photos; a row of the matrix each, in this order.
        skipped: what was found besides and is not to be opened; it stands in skipped.csv too.
        view: how a photo is looked at, the contract's own way where None.
        overwrite: replace an earlier folder of this kind.

    Raises:
        UsageError: `out` exists and may not be replaced, or another run is writing to it.
        UnusableInput: no photo can be used; nothing is published.
        OutputFailed: the disk is full or cannot be written to.
    """
    columns = math.prod(model.outputs[POOLED].shape[1:])
    lost = list(skipped)
    with _building(out, overwrite=overwrite) as folder, ExitStack() as opened:
        matrix = opened.enter_context(files.replacing(folder / FEATURES))
        index = _table(opened.enter_context(files.replacing(folder / INDEX)), "row", "path", "sha256")
        table = _table(opened.enter_context(files.replacing(folder / SKIPPED)), *COLUMNS)
        _write_header(matrix, len(paths), columns)
        count = 0
        for done, outcome in enumerate(vectors(model, paths, view=view), start=1):
            if isinstance(outcome, Refused):
                lost.append(Skipped(outcome.where, outcome.reason))
            else:
                matrix.write(outcome.features.astype("<f4").tobytes())
                index.writerow(map(files.csv_cell, (count, outcome.path.absolute(), outcome.sha256)))
                count += 1
            if on_progress:
                on_progress(done, len(paths))
        if not count:
            raise UnusableInput(
                f"none of the {len(lost)} photos can be used; the first: {lost[-1].reason}"
                if lost
                else "there are no photos",
                where=lost[-1].name if lost else out,
                fix="give photos as JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF",
            )
        for name, reason, _ in sorted(lost):
            table.writerow(map(files.csv_cell, (Path(name).absolute(), reason)))
        _write_header(matrix, count, columns)  # only now is it known how many could be used
    return Embedded(out.absolute(), count, tuple(lost))


def _write_header(file: BinaryIO, rows: int, columns: int) -> None:
    """The header of a float32 matrix, at the front.

    NumPy pads it so that a growing first axis leaves its length as it is, so it can be written again.
    """
    file.seek(0)
    header = {"descr": "<f4", "fortran_order": False, "shape": (rows, columns)}
    np.lib.format.write_array_header_1_0(file, header)


def _table(file: BinaryIO, *header: str) -> Any:  # the csv module does not name the type of its writers
    writer = csv.writer(codecs.getwriter("utf-8")(file), lineterminator="\n")
    writer.writerow(header)
    return writer


@contextmanager
def _building(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """A folder beside `out` that takes its place when the block ends well, and vanishes else."""
    out = out.absolute()
    previous = out.with_name(f".{out.name}.previous")
    with files.locked(out):
        if files.exists(previous) and not files.lexists(out):
            previous.replace(out)  # a run was killed between its two renames
        _check_target(out, overwrite=overwrite)
        stage = out.with_name(f".{out.name}.{secrets.token_hex(4)}{files.PART_SUFFIX}")
        try:
            with _output_failures(stage):
                stage.mkdir()
            yield stage
            with _output_failures(out):
                files.sync_folder(stage)
                if files.exists(out):
                    shutil.rmtree(previous, ignore_errors=True)
                    out.replace(previous)
                stage.replace(out)
                files.sync_folder(out.parent)
            shutil.rmtree(previous, ignore_errors=True)
        finally:
            shutil.rmtree(stage, ignore_errors=True)


@contextmanager
def _output_failures(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise files.output_failed(path, error) from error


def _check_target(out: Path, *, overwrite: bool) -> None:
    if not files.lexists(out):
        return
    ours = files.is_dir(out, follow=False) and {entry.name for entry in files.entries(out)} <= {
        FEATURES,
        INDEX,
        SKIPPED,
    }
    if not ours:
        raise UsageError(
            "the target exists and is no folder of features, so it is never replaced",
            where=out,
            fix="choose another --out",
        )
    if not files.is_empty_dir(out) and not overwrite:
        raise UsageError("the target exists", where=out, fix="choose another --out, or give --overwrite")
