"""Small data sets on disk."""

from pathlib import Path

import numpy as np
from PIL import Image

from efficientnet_lite.photos.dataset import open_dataset
from efficientnet_lite.training.examples import PhotoFiles


def touch(root: Path, *names: str) -> None:
    """Files that a walk takes for photos; nothing here decodes them."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"photo " + name.encode("utf-8", "surrogateescape"))


def photograph(path: Path, seed: int, *, size: tuple[int, int] = (90, 80), quality: int = 90) -> None:
    """A JPEG of soft large shapes, a different picture for each seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((90, 80), Image.Resampling.BICUBIC)
    picture.resize(size, Image.Resampling.BICUBIC).save(path, "JPEG", quality=quality)


def examples_of(root: Path) -> PhotoFiles:
    """The photos of a folder with a folder for each class."""
    dataset = open_dataset(root, to_learn=False)
    return PhotoFiles(dataset.rows, dataset.labels)
