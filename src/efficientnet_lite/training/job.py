"""One training as it is carried out: where things lie, what it may use, and who is told."""

from dataclasses import dataclass
from pathlib import Path

from efficientnet_lite.errors import CALL, UnusableInput, UsageError
from efficientnet_lite.notices import Say
from efficientnet_lite.photos.dataset import DatasetPlace
from efficientnet_lite.photos.frames import Frame
from efficientnet_lite.progress import ShowStage
from efficientnet_lite.storage import files
from efficientnet_lite.training.settings import Settings, without_recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Beside its `Settings`, all that `train` is given; none of it changes what is learned."""

    photos: DatasetPlace
    out: Path
    resume: bool
    overwrite: bool
    tensorboard: Path | None
    devices: int | None  # of JAX, that share each batch of a recipe; None: all
    processes: int  # that prepare images for a recipe; 0: threads of this one do
    workers: int  # threads
    stage: ShowStage
    say: Say
    warn: Say

    def check(self, settings: Settings) -> None:
        """Raise UsageError for what means nothing with these settings, UnusableInput where there are no photos."""
        head_alone = settings.recipe is None and settings.fine_tuning is None
        for argument, value in (("devices", self.devices), ("data_processes", self.processes)):
            if value and settings.recipe is None:
                raise without_recipe(argument)
        if self.resume and head_alone:
            raise without_recipe("resume", or_fine_tuning=True)
        if self.tensorboard is not None and head_alone:
            raise UsageError(
                "`tensorboard=` is given, but the head alone learns, which has no epochs",
                where=CALL,
                fix="give `fine_tune=True` too, or leave it out",
            )
        if not isinstance(self.photos, Frame) and not files.exists(self.photos):
            wanted = (
                "photos, a manifest, or record files"
                if settings.recipe
                else "the folder of photos or a manifest"
            )
            raise UnusableInput(
                files.missing(self.photos, "folder or file"), where=self.photos, fix=f"give {wanted}"
            )
