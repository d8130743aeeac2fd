"""One transaction for every kind of artifact: it, its golden file and its entry in a run's card, or none of them."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from efficientnet_lite.artifacts.compiled import check_report, report_path
from efficientnet_lite.artifacts.exported import Exported
from efficientnet_lite.artifacts.kind import ArtifactKind, Making
from efficientnet_lite.errors import UsageError
from efficientnet_lite.proof.golden import check_golden, golden_npz, golden_path
from efficientnet_lite.storage import files, folders
from efficientnet_lite.storage.targets import Apart, check_file, check_folder, check_parent

# Entered under the target's lock when an artifact is about to get its name, left when it has it.
Entering = Callable[[Exported, folders.Staged], AbstractContextManager[None]]


def _nowhere(exported: Exported, stage: folders.Staged) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Unpublished:
    """An artifact that is written and proven, and has no name yet."""

    stage: folders.Staged
    exported: Exported
    entering: Entering

    def publish(self) -> Exported:
        """Give it its name, with its golden file and its entry; whole or not at all."""
        with self.entering(self.exported, self.stage):
            self.stage.commit()
        return self.exported


@contextmanager
def prepared(
    kind: ArtifactKind, making: Making, *, apart: Collection[Apart] = (), entering: Entering = _nowhere
) -> Iterator[Unpublished]:
    """Write and prove what is to be made, in a stage beside its place; it vanishes where it is not published.

    Raises:
        UsageError: it cannot be made, or its place may not be taken; see `check_place`.
        VerificationFailed: it is too far from what it was made of.
    """
    out = making.out

    def check() -> None:
        check_place(kind, out, overwrite=making.options.overwrite, apart=apart)

    beside = golden_path(out) if kind.golden else report_path(out) if kind.report else None
    with folders.staging(out, kind.folder, check, companion=beside) as stage:
        exported, golden, report = kind.write(making, stage.content)
        if golden is not None:
            files.publish(stage.companion, golden_npz(making.images, golden))
        if report is not None:
            files.publish_json(stage.companion, report)
        check()  # something may have come into being there meanwhile
        yield Unpublished(stage, measured(exported, stage.content), entering)


def publish(
    kind: ArtifactKind, making: Making, *, apart: Collection[Apart] = (), entering: Entering = _nowhere
) -> Exported:
    """Write, prove and publish an artifact; see `prepared`."""
    with prepared(kind, making, apart=apart, entering=entering) as made:
        exported = made.publish()
    return measured(exported, making.out) if kind.folder is not None else exported  # with what is the user's


def measured(exported: Exported, place: Path) -> Exported:
    """`exported` with the bytes and digest of what lies at `place`."""
    size, sha256 = files.measured(place)
    return replace(exported, bytes=size, sha256=sha256)


def check_place(kind: ArtifactKind, out: Path, *, overwrite: bool, apart: Collection[Apart] = ()) -> None:
    """Refuse, before any work is done, a place that an artifact of `kind` or its golden file may not take.

    A file of another ending is replaced only where it is one of the kind all the same. Raises UsageError.
    """
    if kind.folder is not None:
        check_folder(out, kind.folder, overwrite=overwrite, apart=apart)
        check_parent(out)
    else:
        check_file(out, overwrite=overwrite, example=f"model{kind.ending}", apart=apart)
        if files.is_file(out) and out.suffix.lower() != kind.ending and not kind.is_one(out):
            raise UsageError(
                f"what lies here is no {kind.ending} file, nor named as one, so it is never replaced",
                where=out,
                fix=f"end the name in {kind.ending}, or move it away",
            )
    if kind.report:
        check_report(out, overwrite=overwrite, apart=apart)
    if kind.golden:
        check_golden(out, overwrite=overwrite, apart=apart)
