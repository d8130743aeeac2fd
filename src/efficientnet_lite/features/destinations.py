"""Where feature vectors go: into memory, into one matrix with its index, or into a folder of parts."""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from efficientnet_lite.addresses import is_address, of_path
from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.features.embedded import Embedded, HeldVectors, NpyVectors, PartVectors, photo_place
from efficientnet_lite.features.filling import fill
from efficientnet_lite.features.npy_folder import FEATURES, VECTORS, publish_matrix
from efficientnet_lite.features.outcomes import Work, none_used
from efficientnet_lite.features.provenance import provenance_of
from efficientnet_lite.features.stored_folder import growing_in_store
from efficientnet_lite.features.vector_folder import PARTS, VectorFolder, growing
from efficientnet_lite.features.vector_form import VectorForm
from efficientnet_lite.photos.accounting import Skipped, account
from efficientnet_lite.progress import ShowStage
from efficientnet_lite.storage import files
from efficientnet_lite.storage.listing import is_own
from efficientnet_lite.storage.targets import Apart, check_folder

STAGE = "Embedding"


class Destination(Protocol):
    """Takes the vectors of all photos of a list."""

    def take(self, work: Work, show: ShowStage) -> Embedded:
        """Raises UnusableInput where no photo can be used."""


def folder_or_address(out: str | Path | None) -> Path | str | None:
    """A path for a folder of this machine, a text for an address; of a path that was made of one, the address again."""
    if out is None:
        return None
    address = str(out) if is_address(str(out)) else of_path(str(out))
    if address is None or (not is_address(str(out)) and files.lexists(Path(out).parts[0])):
        return Path(out)
    if address.lower().startswith("file://"):
        return Path("/" + address[len("file://") :].lstrip("/"))
    return address


@contextmanager
def destination(
    out: Path | str | None, form: VectorForm | None, *, overwrite: bool, apart: Collection[Apart]
) -> Iterator[Destination]:
    """Where vectors go: into memory where `out` is None, into a store where it is an address.

    A folder of parts of this machine is held against other runs meanwhile.

    Raises UsageError: `out` is none of ours or of another form, does not stay apart, another run is writing to it.
    """
    if out is None or form is None:
        if overwrite:
            raise UsageError(
                "`overwrite=True` is for a folder", where=CALL, fix="give `out=` too, or leave it out"
            )
        yield _Memory()
    elif isinstance(out, str):
        if form.format == "npy":
            raise UsageError(
                "one matrix is written on this machine",
                where=out,
                fix="give a folder, or leave out `format='npy'`",
            )
        with growing_in_store(out) as stored:
            yield _PartsFolder(stored, form, overwrite)
    elif form.format == "npy":
        _check_form(out, is_own(out, PARTS), "parts", "parquet")
        check_folder(out, VECTORS, overwrite=overwrite, apart=apart)
        yield _Matrix(out, overwrite, apart)
    else:
        _check_form(out, is_own(out, VECTORS), FEATURES, "npy")
        with growing(out, apart=apart) as folder:
            yield _PartsFolder(folder, form, overwrite)


def _check_form(out: Path, is_other: bool, what: str, format: str) -> None:
    if is_other:
        raise UsageError(
            f"it holds feature vectors as {what}, which are not replaced by another form",
            where=out,
            fix=f"choose another `out=`, or give `format={format!r}`",
        )


class _Memory:
    def take(self, work: Work, show: ShowStage) -> Embedded:
        paths, vectors, lost = [], [], []
        with show(STAGE) as on_progress:
            for done, each in enumerate(work.outcomes(), 1):
                if each.vector is None:
                    lost.append(Skipped(each.item.path, each.error or ""))
                else:
                    paths.append(photo_place(each.item.path))
                    vectors.append(each.vector)
                on_progress(done, len(work.listed))
        accounting = account(len(paths), lost, work.listed.passed_over)
        if not vectors:
            raise none_used(accounting, lost[0].name)
        matrix = np.stack(vectors).astype(np.float32, copy=False)
        return Embedded(accounting, HeldVectors(tuple(paths), matrix))


@dataclass(frozen=True, slots=True)
class _Matrix:
    out: Path
    overwrite: bool
    apart: Collection[Apart]

    def take(self, work: Work, show: ShowStage) -> Embedded:
        began = time.monotonic()
        with show(STAGE) as on_progress:
            tally = publish_matrix(
                work, self.out, overwrite=self.overwrite, apart=self.apart, on_progress=on_progress
            )
        seconds = time.monotonic() - began
        tally.passed_over = work.listed.passed_over
        folder = self.out.absolute()
        return Embedded(tally, NpyVectors(folder), folder, 1, tally.found / seconds)


@dataclass(frozen=True, slots=True)
class _PartsFolder:
    folder: VectorFolder
    form: VectorForm
    overwrite: bool

    def take(self, work: Work, show: ShowStage) -> Embedded:
        form = self.form
        made = provenance_of(work, layout=form.layout, dtype=form.dtype, part_rows=form.part_rows)
        self.folder.begin(made, overwrite=self.overwrite, stage=show)
        with show(STAGE) as on_progress:
            filled = fill(self.folder, work, on_progress)
        filled.tally.passed_over = work.listed.passed_over
        speed = filled.computed / filled.seconds if filled.computed else None
        out = self.folder.out if isinstance(self.folder.out, str) else self.folder.out.absolute()
        return Embedded(filled.tally, PartVectors(self.folder), out, filled.parts, speed)
