"""Photos -> their feature vectors, one after another or as a folder with a matrix and its index.

    features.npy   float32 (N, C), C is 1280 for files of ours; numpy and all its relatives map it
    index.csv      row of the matrix, path and sha256 of the photo
    skipped.csv    the photos that could not be used, and why
    embed.json     what was written: it makes the folder ours

The folder appears whole or not at all, and memory does not grow with the number of photos.
"""

import codecs
import csv
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from efficientnet_lite.errors import UnreadablePhoto, UnusableInput, printable
from efficientnet_lite.network.plan import POOLED
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.accounting import COLUMNS, Accounting, Skipped, account
from efficientnet_lite.photos.contract import View
from efficientnet_lite.photos.header import AS_FORMATS
from efficientnet_lite.photos.images import Refused
from efficientnet_lite.photos.views import prepare
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.runtimes.engine import Engine
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.storage import files, folders, tables
from efficientnet_lite.storage.listing import FolderKind, seal, tree
from efficientnet_lite.storage.targets import Apart
from efficientnet_lite.version import __version__

FEATURES, INDEX, SKIPPED, MARKER = "features.npy", "index.csv", "skipped.csv", "embed.json"
INDEX_HEADER = ("row", "path", "sha256")
MADE_BY = "efficientnet-lite "


@dataclass(frozen=True, slots=True)
class Vector:
    """One photo's features."""

    path: Path
    sha256: str  # of the file's bytes, hex
    features: npt.NDArray[np.float32]  # (C,)


@dataclass(frozen=True, slots=True, repr=False)
class Embedded:
    """The features of photos, in memory or in a published folder."""

    paths: tuple[Path, ...]  # of the photos that could be used; a row of the matrix each
    accounting: Accounting  # of all photos
    folder: Path | None = None  # where they were published
    in_memory: npt.NDArray[np.float32] | None = None

    def __repr__(self) -> str:
        place = "in memory" if self.folder is None else f"in {printable(str(self.folder))}"
        return f"<Embedded: {self.count:,} feature vectors {place}>"

    @property
    def count(self) -> int:
        """How many photos could be used."""
        return len(self.paths)

    @property
    def features(self) -> npt.NDArray[np.float32]:
        """The matrix, float32 (N, C): mapped from the folder, where there is one."""
        if self.folder is None:
            assert self.in_memory is not None
            return self.in_memory
        return np.asarray(np.load(self.folder / FEATURES, mmap_mode="r", allow_pickle=False))


def vectors(model: Model, paths: Iterable[Path], *, view: View | None = None) -> Iterator[Vector | Refused]:
    """The features of each photo in order, or why there are none; `model` has the output `features`.

    `view` is how the photo is looked at, the contract's own way where None.
    """
    views = (view or model.contract.view,)

    def one(runner: Engine, path: Path) -> Vector | Refused:
        try:
            data = photo_door.read_bytes(path)
            prepared = prepare(data, views, model.contract, where=path)
        except UnreadablePhoto as error:
            return Refused(str(path), error.what)
        outputs = model.on_image(runner, prepared.images[0])
        return Vector(path, files.sha256_bytes(data), outputs[POOLED])

    return model.pool.map(one, paths)


def publish_vectors(
    model: Model,
    paths: Sequence[Path],
    out: Path,
    *,
    skipped: Sequence[Skipped] = (),
    view: View | None = None,
    overwrite: bool = False,
    apart: Collection[Apart] = (),
    on_progress: OnProgress | None = None,
) -> Embedded:
    """Publish the features of all photos that can be used as the folder `out`.

    Args:
        model: has the output `features`.
        paths: the photos; a row of the matrix each, in this order.
        skipped: what was found besides and is not to be opened; it stands in skipped.csv too.
        view: how a photo is looked at, the contract's own way where None.
        overwrite: replace an earlier folder of this kind; what is not ours in it stays.
        apart: what `out` must not lie on or above, beside the photos.

    Raises:
        UsageError: `out` exists and may not be replaced, lies on or above the photos, or another run is writing to it.
        UnusableInput: no photo can be used; nothing is published.
        OutputFailed: the disk is full or cannot be written to.
    """
    apart = [*(Apart(folder, inside=False) for folder in {path.parent for path in paths}), *apart]
    with folders.replacing(out, VECTORS, overwrite=overwrite, apart=apart) as folder:
        used, columns, lost = _write(folder, model, paths, skipped, view, out, on_progress)
        made = {"made_by": f"{MADE_BY}{__version__}", "photos": len(used), "columns": columns}
        seal(folder, VECTORS, made | {"skipped": len(lost)})
    return Embedded(tuple(used), account(len(used), lost), out.absolute())


def vectors_in_memory(
    model: Model,
    paths: Sequence[Path],
    *,
    skipped: Sequence[Skipped] = (),
    view: View | None = None,
    on_progress: OnProgress | None = None,
) -> Embedded:
    """The features of all photos that can be used; arguments as of `publish_vectors`.

    Raises UnusableInput: no photo can be used.
    """
    used, lost = list[Vector](), list(skipped)
    for done, outcome in enumerate(vectors(model, paths, view=view), start=1):
        if isinstance(outcome, Refused):
            lost.append(Skipped(outcome.where, outcome.reason))
        else:
            used.append(outcome)
        if on_progress:
            on_progress(done, len(paths))
    if not used:
        raise _none_used(lost, "the photos")
    matrix = np.stack([each.features for each in used]).astype(np.float32, copy=False)
    return Embedded(tuple(each.path for each in used), account(len(used), lost), in_memory=matrix)


def _none_used(lost: Sequence[Skipped], where: Path | str) -> UnusableInput:
    return UnusableInput(
        f"none of the {len(lost)} photos can be used; the first: {lost[-1].reason}"
        if lost
        else "there are no photos",
        where=lost[-1].name if lost else where,
        fix=AS_FORMATS,
    )


def _write(
    folder: Path,
    model: Model,
    paths: Sequence[Path],
    skipped: Sequence[Skipped],
    view: View | None,
    where: Path,
    on_progress: OnProgress | None,
) -> tuple[list[Path], int, list[Skipped]]:
    """Fill `folder`; gives the photo of each row, the columns, and what could not be used."""
    columns = math.prod(model.outputs[POOLED].shape[1:])
    lost = list(skipped)
    with ExitStack() as opened:
        matrix = opened.enter_context(files.replacing(folder / FEATURES))
        index = _table(opened.enter_context(files.replacing(folder / INDEX)), *INDEX_HEADER)
        table = _table(opened.enter_context(files.replacing(folder / SKIPPED)), *COLUMNS)
        _write_header(matrix, len(paths), columns)
        used: list[Path] = []
        for done, outcome in enumerate(vectors(model, paths, view=view), start=1):
            if isinstance(outcome, Refused):
                lost.append(Skipped(outcome.where, outcome.reason))
            else:
                matrix.write(outcome.features.astype("<f4").tobytes())
                index.writerow(map(tables.csv_cell, (len(used), outcome.path.absolute(), outcome.sha256)))
                used.append(outcome.path)
            if on_progress:
                on_progress(done, len(paths))
        if not used:
            raise _none_used(lost, where)
        for name, reason, _ in sorted(lost):
            table.writerow(map(tables.csv_cell, (Path(name).absolute(), reason)))
        _write_header(matrix, len(used), columns)  # only now is it known how many could be used
    return used, columns, lost


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


def _check_marker(folder: Path, marker: Mapping[str, Any]) -> None:
    counts = (marker.get("photos"), marker.get("columns"))
    if not str(marker.get("made_by")).startswith(MADE_BY) or not all(type(each) is int for each in counts):
        raise ValueError(f"its {MARKER} is not ours")


def _unmarked(folder: Path) -> list[str] | None:
    """A folder of version 0.1 and before, which had no marker, is known by the form of its three files."""
    if not {FEATURES, INDEX, SKIPPED}.issuperset(tree(folder).files):
        return None
    for name, header in ((INDEX, INDEX_HEADER), (SKIPPED, COLUMNS)):
        line = ",".join(header).encode() + b"\n"
        if files.beginning(folder / name, len(line)) != line:
            return None
    try:
        matrix = np.load(folder / FEATURES, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return [FEATURES, INDEX, SKIPPED] if matrix.dtype == np.dtype("<f4") and matrix.ndim == 2 else None


VECTORS = FolderKind(
    "folder of features",
    MARKER,
    64 * 2**10,
    _check_marker,
    lambda folder, marker: _unmarked(folder),
    _unmarked,
)
