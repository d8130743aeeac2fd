"""A small but real setting for the commands: drawn photos of three kinds, and weights for lite0."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from efficientnet_lite.errors import WeightsMissing
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.weights.read import load_weights
from efficientnet_lite.weights.safetensors import write_safetensors

SIZE = 32  # pixels, the smallest; a run takes one second from a warm cache
MODEL = f"lite0@{SIZE}"
LABELS = ("ball", "box", "stripes")
COLORS = {"ball": (220, 40, 40), "box": (40, 90, 220), "stripes": (40, 180, 60)}
WIDTH, HEIGHT = 80, 60


def draw(label: str, seed: int) -> Image.Image:
    """A photo of one kind, 80 x 60: a colored shape somewhere, on noise."""
    random = np.random.default_rng([seed, LABELS.index(label)])
    noise = random.integers(90, 170, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    pen = ImageDraw.Draw(picture)
    left, top = int(random.integers(2, 34)), int(random.integers(2, 16))
    if label == "ball":
        pen.ellipse((left, top, left + 40, top + 40), COLORS[label])
    elif label == "box":
        pen.rectangle((left, top, left + 40, top + 40), COLORS[label])
    else:
        for column in range(left % 12, WIDTH, 12):
            pen.rectangle((column, 0, column + 5, HEIGHT), COLORS[label])
    return picture


def photograph(folder: Path, *, labels: tuple[str, ...] = LABELS, count: int = 12, first: int = 0) -> Path:
    """`folder` with a folder of `count` photos per class, PNG and JPEG in turn."""
    for label in labels:
        (folder / label).mkdir(parents=True, exist_ok=True)
        for seed in range(first, first + count):
            suffix = ("png", "jpg")[seed % 2]
            draw(label, seed).save(folder / label / f"{label}-{seed:02}.{suffix}", quality=95)
    return folder


def write_random_weights(path: Path) -> Path:
    """Random weights of lite0 with 1000 classes; activations stay of one size from layer to layer."""
    random = np.random.default_rng(0)
    parameters = {}
    for name, shape in make_plan(VARIANTS["lite0"]).parameter_shapes().items():
        part = name.rpartition("/")[2]
        if part in ("gamma", "moving_variance"):
            parameters[name] = np.ones(shape, np.float32)
        elif part in ("beta", "moving_mean", "bias"):
            parameters[name] = np.zeros(shape, np.float32)
        else:
            inputs = np.prod(shape[:2]) if shape[-1] == 1 and len(shape) == 4 else np.prod(shape[:-1])
            parameters[name] = random.normal(0, np.sqrt(2 / inputs), shape).astype(np.float32)
    write_safetensors(path, parameters, {})
    return path


def weights(folder: Path) -> str:
    """What `train(weights=...)` takes: the published weights where they are installed, else random ones."""
    try:
        load_weights(VARIANTS["lite0"])
    except WeightsMissing:
        return str(write_random_weights(folder / "lite0.safetensors"))
    return "imagenet"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, by its name relative to it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def names(folder: Path) -> list[str]:
    """What lies in `folder`, hidden files included."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []
