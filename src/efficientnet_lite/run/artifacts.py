"""The artifacts that `export` added to a finished run: listed in its card, replayed by `verify`.

While one takes its place the card has it under `arriving`, with the one that it replaces: listed is which of them lies
there, by its mark. So no moment has an artifact that is not listed, or a list of what is not there.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_lite.artifacts.kind import ArtifactKind
from efficientnet_lite.artifacts.kinds import KINDS
from efficientnet_lite.artifacts.tf1_checkpoint import checkpoint_faults
from efficientnet_lite.errors import ArtifactError, UsageError
from efficientnet_lite.proof.golden import faults, find_golden, read_golden, unusable
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.proven import own
from efficientnet_lite.storage import files, folders
from efficientnet_lite.storage.listing import FolderKind, inside

KEY, ARRIVING = "artifacts", "arriving"  # in the card
# Entries: two of one that comes, and of those whose processes were killed since the last one came.
MAX_ARRIVING = 64


@dataclass(frozen=True, slots=True)
class RunArtifact:
    """One of them, as the card says."""

    path: Path
    format: str
    sha256: str
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Arriving:
    """An artifact that lies at its place, or did, or will."""

    path: Path
    kind: ArtifactKind | None  # None: of a newer version
    mark: str  # see `folders.mark`
    entry: Mapping[str, Any]  # of the card

    @property
    def folder(self) -> FolderKind | None:
        return self.kind.folder if self.kind is not None else None

    def is_there(self) -> bool:
        """Whether it lies at its place now."""
        return bool(self.mark) and self.mark == folders.mark(self.path, self.folder)

    def as_it_lies(self) -> dict[str, Any]:
        """Its entry; a folder has got what the user had put into the old one."""
        if not files.is_dir(self.path):
            return dict(self.entry)
        size, sha256 = files.measured(self.path)
        return {**self.entry, "bytes": size, "sha256": sha256}


def arriving_in(run: run_folder.Run) -> list[Arriving]:
    """What the card has under `arriving`; raises ArtifactError where that is damaged."""
    found: list[Arriving] = []
    with _reading_card(run):
        listed = run.card.get(ARRIVING, [])
        if len(listed) > MAX_ARRIVING:  # each is read to know whether it is there
            raise ValueError(f"{len(listed)} artifacts are arriving at once")
        for each in listed:
            artifact = _artifact(run, each["entry"])
            own(run, artifact.path)
            kind = KINDS.get(artifact.format)
            found.append(Arriving(artifact.path, kind, str(each["mark"]), each["entry"]))
    return found


def arrived_in(arriving: Iterable[Arriving]) -> list[Arriving]:
    """Those that lie at their places; of two of the same bytes the later one, which was to replace the other."""
    return list({each.path: each for each in arriving if each.is_there()}.values())


def artifacts_of(run: run_folder.Run) -> tuple[RunArtifact, ...]:
    """What the card lists, and what was arriving and is there; raises ArtifactError where it is damaged."""
    arrived = [each.as_it_lies() for each in arrived_in(arriving_in(run))]
    with _reading_card(run):
        found = tuple(_artifact(run, entry) for entry in (*run.card.get(KEY, []), *arrived))
        run_folder.check_once(each.path for each in found)
    return found


def _artifact(run: run_folder.Run, entry: Mapping[str, Any]) -> RunArtifact:
    path, format, sha256, outputs = (entry[key] for key in ("path", "format", "sha256", "outputs"))
    if not all(isinstance(each, str) for each in (path, format, sha256, *outputs)):
        raise ValueError("an artifact has fields of another type than text")
    return RunArtifact(inside(run.folder, path), format, sha256, tuple(outputs))


@contextmanager
def _reading_card(run: run_folder.Run) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"the card's artifacts cannot be read: {str(error)[:200]}",
            where=run.folder / run_folder.CARD,
            fix="train the run again",
        ) from error


def replay(run: run_folder.Run, *, trust: bool) -> tuple[list[str], list[str]]:
    """Every artifact on its own runtime against its golden file: what is wrong, and what could not be run.

    A checkpoint runs nowhere: it is read, and compared with the weights of the run.

    Without `trust` nothing runs that could do more than arithmetic.
    """
    wrong, notes = [], []
    for artifact in artifacts_of(run):
        name = artifact.path.relative_to(run.folder).as_posix()
        own(run, artifact.path)
        if not files.exists(artifact.path):
            wrong.append(f"{name} is missing")
        elif files.measured(artifact.path)[1] != artifact.sha256:
            wrong.append(f"{name} is not what the card names: its SHA-256 differs")
        elif (kind := KINDS.get(artifact.format)) is not None and kind.executed and not trust:
            notes.append(
                f"{name} was not replayed: TensorFlow executes what it holds; `trust=True` allows it"
            )
        else:
            try:
                wrong += _replay(run, artifact, name)
            except UsageError as error:  # its runtime is not installed
                notes.append(f"{name} was not replayed: {error.what} ({error.fix})")
    return wrong, notes


def _replay(run: run_folder.Run, artifact: RunArtifact, name: str) -> list[str]:
    kind = KINDS.get(artifact.format)
    if kind is None:
        raise UsageError(
            f"its format is {artifact.format}", where=artifact.path, fix="upgrade efficientnet-lite"
        )
    if kind.report:
        raise UsageError(
            "it is compiled for an Ethos-U, and none is here", where=artifact.path, fix="run it on the device"
        )
    if kind.run is None:
        return checkpoint_faults(artifact.path, own(run, run.folder / run_folder.WEIGHTS), name)
    golden = own(run, find_golden(artifact.path))
    wanted = read_golden(golden, ("images", *artifact.outputs))
    images = wanted["images"]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != images.shape[2]:
        raise unusable(golden, f"its images are {images.dtype} {images.shape}")
    found = kind.run(artifact.path, artifact.outputs, images)
    for key, values in found.items():
        if key not in wanted or values.shape != wanted[key].shape:
            raise unusable(golden, f"its {key} have another shape than the artifact gives")
    return faults(found, wanted, name)
