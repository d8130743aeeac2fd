#!/usr/bin/env python3
"""Draw the pictures of docs/int8.md from a real network and real photos: docs/pictures/int8-*.svg.

    python scripts/make_int8_pictures.py PHOTOS [--model lite1] [--photos 48]

Half of the photos calibrate an int8 file, the others judge it. Needs matplotlib, as the extra `report` has it.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import INPUT, Plan
from efficientnet_lite.photos.views import prepare
from efficientnet_lite.quantize.integer_outputs import integer_outputs
from efficientnet_lite.quantize.linear_tensors import inner_steps
from efficientnet_lite.quantize.stages import quantize
from efficientnet_lite.run.source import open_origin
from efficientnet_lite.runtimes.file_answers import FileAnswers
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.tflite.float import write_float, write_steps
from efficientnet_lite.tflite.quantmath import INT8_MAX, INT8_MIN

PICTURES = Path(__file__).resolve().parent.parent / "docs/pictures"
BLUE, RED, GREY, LIGHT = "#2f6fb0", "#c8452f", "#8a8f98", "#c9ced6"
STEM, PROJECTION, CLIPPED = "stem/conv", "blocks_4/project", "blocks_0/project"
DEAD = 1e-4  # a channel below does nothing
WIDE = 8.0  # inches


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="PHOTOS")
    parser.add_argument("--model", default="lite1")
    parser.add_argument("--photos", type=int, default=300, help="at most so many")
    arguments = parser.parse_args()
    mpl.rcParams.update(
        {
            "svg.fonttype": "none", "svg.hashsalt": "int8", "font.family": "sans-serif", "font.size": 10,
            "axes.spines.top": False, "axes.spines.right": False, "figure.facecolor": "white",
            "axes.edgecolor": GREY, "xtick.color": "#444", "ytick.color": "#444",
        }
    )  # fmt: skip
    origin = open_origin(arguments.model)
    paths = sorted(
        path for path in arguments.folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png")
    )
    images = [
        prepare(path.read_bytes(), ("crop",), origin.contract, where=path).images[0]
        for path in paths[: arguments.photos]
    ]
    plan, layers = origin.plan, origin.layers()
    tensors = seen(plan, layers, images[:24])
    made = quantize(plan, layers, images[::2], workers=2)
    draw_stem(tensors[STEM])
    draw_copies()
    scale = made.network.tensors[CLIPPED]
    factor = factors_of(layers[CLIPPED], made.prepared[CLIPPED])
    ends = [(code - scale.zero_point) * scale.scale for code in (INT8_MIN, INT8_MAX)]
    draw_codes(tensors[CLIPPED] * factor, *ends)
    draw_factors(tensors[PROJECTION], factors_of(layers[PROJECTION], made.prepared[PROJECTION]))
    judged = images[1::2]
    true = FileAnswers(write_float(plan, layers, outputs=("logits",)), workers=2)(judged)
    draw_gate(true, integer_outputs(plan, made.network, "logits", judged, workers=2))


def seen(plan: Plan, layers: dict[str, Layer], images: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Tensor -> (pixels, C) over the images."""
    names = (STEM, PROJECTION, CLIPPED)
    model = write_steps(
        inner_steps(plan), layers, source=INPUT, shape=(1, plan.size, plan.size, 3),
        outputs={name: name for name in names}, unit_input=True,
    )  # fmt: skip
    runner = LiteRT(model)
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for image in images:
        for name, value in runner(image[None] / np.float32(255)).items():
            found[name].append(value.reshape(-1, value.shape[-1]))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def factors_of(layer: Layer, prepared: Layer) -> np.ndarray:
    """What each channel was multiplied by, (C,)."""
    weights = np.abs(layer.kernel).reshape(-1, layer.kernel.shape[-1]).sum(axis=0)
    return np.abs(prepared.kernel).reshape(-1, weights.size).sum(axis=0) / np.maximum(weights, 1e-12)


def draw_stem(values: np.ndarray) -> None:
    """The largest value of each channel of the stem."""
    figure, axes = plt.subplots(figsize=(WIDE, 2.6))
    most = values.max(axis=0)
    dead = most < DEAD
    axes.bar(np.flatnonzero(~dead), most[~dead], color=BLUE, width=0.75)
    axes.plot(np.flatnonzero(dead), np.full(dead.sum(), 0.12), "x", color=RED, markersize=6, mew=1.6)
    axes.axhline(6, color=GREY, lw=0.8, ls="--")
    axes.text(0, 6.12, "6, where ReLU6 ends and the 255th code stands", color="#444")
    axes.set(
        xlabel="channel of the stem", ylabel="largest value", ylim=(0, 6.8), xlim=(-0.8, most.size - 0.2)
    )
    axes.set_title(
        f"{dead.sum()} of {most.size} channels never wake (red): room for copies of others", loc="left"
    )
    save(figure, "int8-stem")


def draw_copies() -> None:
    """One channel in whole steps, and the mean of two that are half a step apart."""
    figure, axes = plt.subplots(figsize=(WIDE, 2.6))
    x = np.linspace(0, 4, 801)
    one, two = np.floor(x + 0.5), (np.floor(x + 0.25) + np.floor(x + 0.75)) / 2
    axes.plot(x, x, color=LIGHT, lw=1.2)
    axes.plot(x, one, color=GREY, lw=1.4, label="one channel")
    axes.plot(x, two, color=BLUE, lw=1.8, label="the mean of two copies, half a step apart")
    axes.set(xlabel="the value before rounding, in steps", ylabel="after", xlim=(0, 4), ylim=(-0.1, 4.2))
    axes.legend(frameon=False, loc="upper left")
    save(figure, "int8-copies")


def draw_codes(values: np.ndarray, low: float, high: float) -> None:
    """How often values occur, and which of them get the 255 steps."""
    figure, axes = plt.subplots(figsize=(WIDE, 2.6))
    least, most = float(values.min()), float(values.max())
    axes.hist(values.ravel(), bins=np.linspace(least, most, 256), color=GREY, log=True)
    axes.axvspan(low, high, color=BLUE, alpha=0.18, lw=0)
    axes.set(xlabel=f"value in {CLIPPED}", ylabel="how often", xlim=(min(least, low), max(most, high)))
    axes.set_title(
        f"grey: all values, from {least:.0f} to {most:.0f}. Blue: the 255 steps, from {low:.0f} to {high:.0f}",
        loc="left",
    )
    save(figure, "int8-range")


def draw_factors(values: np.ndarray, factors: np.ndarray) -> None:
    """The channels of a linear tensor before and after equalization."""
    figure, both = plt.subplots(1, 2, figsize=(WIDE, 2.8), sharey=True)
    order = np.argsort(np.abs(values).max(axis=0))
    for axes, factor, title in (
        (both[0], np.ones_like(factors), "as trained"),
        (both[1], factors, "equalized"),
    ):
        channels = (values * factor / np.abs(values * factor).max())[:, order]
        draw_channels(axes, channels)
        axes.set_title(title, loc="left")
    both[0].set_ylabel("share of the tensor's range")
    save(figure, "int8-equalization")


def draw_channels(axes: Axes, channels: np.ndarray) -> None:
    """A bar for each channel, from the least to the most of it, and where nine tenths of it lie."""
    x = np.arange(channels.shape[1])
    low, inner_low, inner_high, high = np.quantile(channels, (0, 0.05, 0.95, 1), axis=0)
    axes.bar(x, high - low, bottom=low, color=LIGHT, width=0.8)
    axes.bar(x, inner_high - inner_low, bottom=inner_low, color=BLUE, width=0.8)
    axes.set(xlabel=f"channel of {PROJECTION}, smallest first", ylim=(-1.05, 1.05))


def draw_gate(true: np.ndarray, found: np.ndarray) -> None:
    """How far ahead the best class is in float, and in int8."""
    rows, best = np.arange(len(true)), true.argmax(axis=1)
    others = true.copy()
    others[rows, best] = -np.inf
    ahead = true[rows, best] - others.max(axis=1)
    rivals = found.copy()
    rivals[rows, best] = -np.inf
    left = found[rows, best] - rivals.max(axis=1)
    changed = left <= 0
    figure, axes = plt.subplots(figsize=(WIDE, 3.4))
    axes.axhspan(min(left.min(), -0.5) - 0.5, 0, color=RED, alpha=0.08, lw=0)
    axes.plot([0, ahead.max()], [0, ahead.max()], color=GREY, lw=0.8)
    axes.plot(ahead[~changed], left[~changed], "o", color=BLUE, ms=3.5, alpha=0.6, mew=0)
    axes.plot(ahead[changed], left[changed], "o", color=RED, ms=5, mew=0)
    axes.set(
        xlabel="how far the best class is ahead in float, in logits", ylabel="the same class in int8",
        xlim=(0, ahead.max() * 1.02), ylim=(min(left.min(), -0.5) - 0.5, left.max() * 1.05),
    )  # fmt: skip
    signal = np.square(true - true.mean(axis=1, keepdims=True)).sum()
    gap = true - found
    snr = 10 * np.log10(signal / np.square(gap - gap.mean(axis=1, keepdims=True)).sum())
    axes.set_title(
        f"{changed.sum()} of {len(true)} photos changed class (red), where float itself was undecided; "
        f"{snr:.1f} dB",
        loc="left",
    )
    save(figure, "int8-gate")


def save(figure: plt.Figure, name: str) -> None:
    figure.tight_layout()
    figure.savefig(PICTURES / f"{name}.svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    print(PICTURES / f"{name}.svg", f"{(PICTURES / f'{name}.svg').stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
