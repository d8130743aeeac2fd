"""How a run comes into being, and how an artifact comes to it: its place, and its entry in the card, in one step."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from efficientnet_lite.artifacts.compiled import report_path
from efficientnet_lite.artifacts.exported import Exported
from efficientnet_lite.artifacts.kind import ArtifactKind
from efficientnet_lite.artifacts.options import ExportOptions
from efficientnet_lite.errors import ArtifactError, UsageError
from efficientnet_lite.proof.golden import golden_path
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.artifacts import ARRIVING, KEY, Arriving, arrived_in, arriving_in, artifacts_of
from efficientnet_lite.storage import files, folders
from efficientnet_lite.storage.listing import is_own, listing, own_files
from efficientnet_lite.storage.targets import Apart

WAIT_S = 60  # for another process that writes the card


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The artifacts that are about to come to a run."""

    run: Path
    opened: tuple[int, int] | None  # which folder it was when it was opened; see `files.identity`

    @classmethod
    def to(cls, run: Path) -> "Arrivals":
        return cls(run, files.identity(run))

    def place_of(self, kind: ArtifactKind, options: ExportOptions) -> Path:
        """The artifact's place in the run, which tells it from all others of that run.

        Raises UsageError where the run has it from its training, or somebody else's file lies there.
        """
        artifacts_of(run_folder.open_run(self.run))  # a list that cannot be added to, before any work is done
        parts, outputs = kind.in_a_run(options), tuple(options.outputs)
        if (own := own_precision(kind, options)) is not None:
            better = ", or `overwrite=True` to put a better one in its place" if own == "int8" else ""
            raise UsageError(
                f"the run has its {own} file already",
                where=self.run,
                fix=f"give `out=` for another copy{better}",
            )
        parts += [each for each in outputs if each != "probabilities" or len(outputs) > 1]
        place = self.run / run_folder.export_name(self.run.absolute().name, parts, kind.ending)
        run_folder.check_own(self.run, place)
        return place

    @contextmanager
    def entering(self, exported: Exported, stage: folders.Staged) -> Iterator[None]:
        """Hold the run while an artifact gets its name; afterwards its card lists what lies there."""
        with files.locked(self.run, wait=WAIT_S):
            if self.opened != files.identity(self.run):
                raise UsageError(
                    "the run has been replaced by another meanwhile", where=self.run, fix="run it again"
                )
            self._finish(stage)  # of a process that was killed meanwhile
            self._announce(exported, stage)
            try:
                yield
            finally:
                self._settle([stage.target], stage.place)

    def recover(self) -> None:
        """Finish what a process left that was killed while an artifact came to the run."""
        if ARRIVING not in run_folder.open_run(self.run).card:
            return
        with files.locked(self.run, wait=WAIT_S):
            self._finish()

    def _finish(self, stage: folders.Staged | None = None) -> None:
        """Finish what was arriving, but for places where another process is at work.

        The lock of the target of `stage` is held, and its place has been mended.
        """
        arriving = arriving_in(run_folder.open_run(self.run))
        places = [stage.target] if stage is not None else []
        for path, kind in {each.path: each.kind for each in arriving}.items():
            if kind is None or not files.is_dir(path.parent):
                places.append(path)
                continue
            with suppress(UsageError), files.locked(path):
                folders.mend(path, kind.folder)
                places.append(path)
        if arriving:
            self._settle(places, stage.place if stage is not None else None)

    def _announce(self, exported: Exported, stage: folders.Staged) -> None:
        """Say in the card what lies at the place now, and what is to lie there."""
        card = dict(run_folder.open_run(self.run).card)
        name = run_folder.name_in(self.run, stage.target)
        old = [entry for entry in card.get(KEY, []) if entry.get("path") == name]
        if old:
            card[KEY] = [entry for entry in card[KEY] if entry not in old]
        marked = [(folders.mark(stage.target, stage.kind), entry) for entry in old]
        marked.append((folders.mark(stage.content, stage.kind), exported.to_json() | {"path": name}))
        arriving = [{"mark": mark, "entry": entry} for mark, entry in marked]
        card[ARRIVING] = [*card.get(ARRIVING, []), *arriving]  # others may be at work at other places
        files.publish_json(self.run / run_folder.CARD, card, within=stage.place)

    def _settle(self, places: Collection[Path], within: Path | None = None) -> None:
        """List of what was arriving at `places` what is there, and nothing else of those places."""
        run = run_folder.open_run(self.run)
        settled = {run_folder.name_in(self.run, place) for place in places}
        arriving = [each for each in arriving_in(run) if run_folder.name_in(self.run, each.path) in settled]
        there = arrived_in(arriving)
        names = {run_folder.name_in(self.run, each.path) for each in arriving}
        for beside in (golden_path, report_path):
            names |= {run_folder.name_in(self.run, beside(each.path)) for each in arriving}

        def gone(name: str) -> bool:
            return name in names or any(name.startswith(f"{each}/") for each in names)

        card = run_folder.listed(run, [path for each in there for path in _files_of(each)], gone=gone)
        left = [each for each in card.pop(ARRIVING, []) if each["entry"]["path"] not in settled]
        if left:
            card[ARRIVING] = left
        if there:
            card[KEY] = [*card.get(KEY, []), *(each.as_it_lies() for each in there)]
        files.publish_json(self.run / run_folder.CARD, card, within=within)


def own_precision(kind: ArtifactKind, options: ExportOptions) -> str | None:
    """The precision of the file that these options make, where that is one which every run has from its training."""
    parts, outputs = kind.in_a_run(options), tuple(options.outputs)
    own = parts in (["float32"], ["int8"]) and outputs in ((), ("probabilities",))
    return parts[0] if own else None


@contextmanager
def building(target: Path, *, apart: Collection[Apart] = (), overwrite: bool = False) -> Iterator[Path]:
    """A folder to build a run in, which becomes `target` when the block ends well; see `folders.replacing`."""
    if overwrite and is_own(target, run_folder.RUN):
        # The new run would keep as the user's what was arriving in the old one; a damaged card is replaced, too.
        with suppress(ArtifactError):
            Arrivals.to(target).recover()
    with folders.replacing(target, run_folder.RUN, overwrite=overwrite, apart=apart) as folder:
        (folder / "exports").mkdir()
        yield folder


def _files_of(artifact: Arriving) -> list[Path]:
    """Those of ours: the file or what its folder lists, and the golden file or the report."""
    path, folder = artifact.path, artifact.folder
    ours = [path] if folder is None else [path / each for each in own_files(path, listing(path, folder))]
    beside = report_path(path) if artifact.kind and artifact.kind.report else golden_path(path)
    return [*ours, beside] if files.is_file(beside) else ours
