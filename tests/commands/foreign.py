"""What somebody may have lying where a command writes: files that are not ours, to be counted before and after."""

import json
import os
from collections import Counter
from pathlib import Path

import scenes

MARKERS = {
    "card.json": '{"schema": 1, "labels": ["a"], "mine": true}',
    "shards.json": '{"made_by": "a tool of my own", "parts": {}}',
    "embed.json": '{"photos": 3}',
    "_dataset.json": '{"rows": 3, "complete": true}',
    "training.json": '{"epochs": 3}',
    "efficientnet-lite.json": '{"format": "savedmodel"}',
    "assets/efficientnet_lite.json": "{}",
    ".efficientnet-lite.json": '{"stage_of": "elsewhere"}',
}
NAMES = (
    *(
        "features.npy",
        "part-00000.parquet",
        "_parts.jsonl",
        "index.csv",
        "skipped.csv",
        "labels.txt",
        "README.md",
        "config.toml",
        "split.csv",
        "log.csv",
    ),
    *(
        "weights.safetensors",
        "train-00000-of-00001",
        "exports/out_int8.tflite",
        "states/step-00000000001.json",
    ),
    *(
        "saved_model.pb",
        "variables/variables.index",
        "model.ckpt.index",
        "checkpoint",
        "report.html",
        "train.npz",
    ),
)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def photos(folder: Path) -> None:
    scenes.photograph(folder, count=2)


def namesakes(folder: Path) -> None:
    """Files of the names that we use, markers among them, with other content."""
    for name, text in MARKERS.items():
        write(folder / name, text)
    for name in NAMES:
        write(folder / name, f"mine: {folder.name}/{name}")


def mixed(folder: Path) -> None:
    """What a person puts into a folder of ours: files, folders, links, and a name that the next one may need."""
    write(folder / "notes.txt", f"mine: notes in {folder.name}")
    write(folder / "exports" / "mine.tflite", f"mine: a model in {folder.name}")
    write(folder / "deep" / "er" / "photo.jpg", f"mine: a photo in {folder.name}")
    (folder / "deep" / "link").symlink_to("er/photo.jpg")
    (folder / "more").symlink_to("deep", target_is_directory=True)
    write(folder / ".hidden", f"mine: hidden in {folder.name}")


def edited(folder: Path) -> list[Path]:
    """Change files of ours, which are the user's from then on; gives them."""
    found = [path for name in ("README.md", "labels.txt", "index.csv") if (path := folder / name).is_file()]
    for path in found:
        path.write_text(path.read_text() + "\nmine: a line of my own\n")
    return found


def around(target: Path) -> None:
    """Folders beside the target whose names look as if we had made them, and one more target of a longer name."""
    name = target.name
    for each in (
        f".{name}.12345678.part",
        f".{name}.0a1b2c3d.part",
        f"{name}.training",
        f"{name}.kept",
        f".{name}",
    ):
        scenes.photograph(target.with_name(each), labels=("ball",), count=1)
        write(target.with_name(each) / "states" / "notes.txt", f"mine: {each}")
        namesakes(target.with_name(each) / "content")
    write(target.with_name(f".{name}.87654321.part"), "mine: a file of such a name")


def contents(folder: Path) -> Counter[tuple[str, bytes]]:
    """Every file and link below `folder`, whatever its name: what it is -> how often."""
    return Counter(held(folder).values())


def held(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Name -> what it is."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in [*files, *(each for each in folders if Path(place, each).is_symlink())]:
            path = Path(place, name)
            link = path.is_symlink()
            value = ("link", os.fsencode(path.readlink())) if link else ("file", path.read_bytes())
            found[path.relative_to(folder).as_posix()] = value
    return found


def forged_stage(folder: Path, of: str) -> None:
    """A stage's marker of another target in somebody's folder."""
    write(
        folder / ".efficientnet-lite.json", json.dumps({"made_by": "efficientnet-lite 0.1.0", "stage_of": of})
    )
