"""What benchmarks are given to work on. A benchmark asks for what it needs, and says so where it is missing."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Inputs:
    """Folders from the command line."""

    photos_given: Path | None = None
    web_photos_given: Path | None = None
    stock_given: Path | None = None
    peers_given: Path | None = None
    judge_given: Path | None = None
    runs_given: Path | None = None

    @property
    def photos(self) -> Path:
        """A data set, as `train` takes it."""
        return _needed(self.photos_given, "--photos", "a data set, as `train` takes it")

    @property
    def web_photos(self) -> Path:
        """A folder of photos as they come from the web."""
        return _needed(self.web_photos_given, "--web-photos", "a folder of photos as they come from the web")

    @property
    def stock(self) -> Path:
        """The folder that `benchmarks.peers.stock_files` has written."""
        return _needed(self.stock_given, "--stock", "a folder that benchmarks.peers.stock_files has written")

    @property
    def peers(self) -> Path:
        """The interpreter of an environment with tests/peers/requirements.txt."""
        if self.peers_given is None or not self.peers_given.is_file():
            raise SystemExit("--peers is the python of an environment with tests/peers/requirements.txt")
        return self.peers_given

    @property
    def judge(self) -> Path:
        """A script that judges int8 files and knows nothing of this package."""
        if self.judge_given is None or not self.judge_given.is_file():
            raise SystemExit("--judge is judge_int8.py, which compares two .tflite files on photos")
        return self.judge_given

    @property
    def runs(self) -> Path:
        """A folder in which trained runs are kept from one call to the next."""
        if self.runs_given is None:
            raise SystemExit(
                "no folder given: --runs is where trained runs are kept from one call to the next"
            )
        self.runs_given.mkdir(parents=True, exist_ok=True)
        return self.runs_given


def _needed(folder: Path | None, option: str, what: str) -> Path:
    if folder is None or not folder.is_dir():
        raise SystemExit(
            f"{'no folder given' if folder is None else f'no such folder: {folder}'}: {option} {what}"
        )
    return folder


def photos_below(folder: Path) -> list[Path]:
    """Every JPEG and PNG below `folder`, sorted; exits with a message where there are none."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not found:
        raise SystemExit(f"no photos in {folder}")
    return found
