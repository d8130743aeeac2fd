"""How much of the noise of int8 each part makes: measured by rounding one part alone, all else float, on LiteRT.

A part is the weights of one layer, or one activation tensor. The float network is the file's own form of it
(`float_twin`); its noise counts where it matters, at the centred logits. Nothing is linearized: each figure is a
network that was run. The network is cut into blocks: a block runs once for each photo with a variant for each of
its parts, and what follows runs on all variants as one batch.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import DENSE, INPUT, POOLED, PROBABILITIES, Add, Conv, Dense, Plan, Step
from efficientnet_lite.photos.views import Image
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.quantize.clinic.float_twin import dequantized, rounded_alone
from efficientnet_lite.quantize.network_part import NetworkPart
from efficientnet_lite.runtimes.engine import EnginePool
from efficientnet_lite.runtimes.file_answers import FileAnswers
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.tflite.float import output_shape, write_steps
from efficientnet_lite.tflite.int8 import IntegerNetwork
from efficientnet_lite.tflite.quantmath import Scale

PHOTOS_FOR_MEANS = 16
CLEAN = "clean"


@dataclass(frozen=True, slots=True)
class Noises:
    """Noise power at the centred logits (the features of a plan without them), summed over classes."""

    alone: Mapping[NetworkPart, Array]  # part -> (photos,), with this part alone rounded
    weights: Array  # (photos,), with the weights of all layers as the file has them
    activations: Array  # (photos,), with all activations rounded
    true: Array  # (photos, C): what the float twin gives, of which all these are distances

    @property
    def signal(self) -> Array:
        """(photos,) power of the float twin."""
        return centred_power(self.true)


class _Piece(NamedTuple):
    """A run of steps that read one tensor."""

    source: str
    steps: list[Step]


def pieces(plan: Plan) -> list[_Piece]:
    """The network up to its last tensor before any softmax, block by block; the head is the last."""
    ends = {tensor for name, tensor in plan.endpoints.items() if name.startswith("block_")}
    found, source, steps = list[_Piece](), INPUT, list[Step]()
    for step in plan.steps:
        if step.name == PROBABILITIES:
            break
        steps.append(step)
        if step.name in ends:
            found.append(_Piece(source, steps))
            source, steps = step.name, []
    return [*found, _Piece(source, steps)]


def last_tensor(plan: Plan) -> str:
    """Where noise is counted: the logits, or the features of a plan without them."""
    return POOLED if plan.classes is None else DENSE


def centred_power(values: Array) -> Array:
    """Sum of squares of each row of (N, C) about its mean: what softmax sees."""
    centred = values.astype(np.float64) - values.mean(axis=1, keepdims=True, dtype=np.float64)
    power: Array = np.square(centred).sum(axis=1).astype(np.float32)
    return power


def measure_noises(
    plan: Plan,
    twin: Mapping[str, Layer],
    network: IntegerNetwork,
    images: Sequence[Image],
    *,
    workers: int,
    on_progress: OnProgress = lambda done, total: None,
) -> Noises:
    """The noise of each part alone, on `images`, uint8 (S, S, 3)."""
    means = _input_means(plan, twin, images[:PHOTOS_FOR_MEANS], workers)
    alone = rounded_alone(plan, twin, network, means)
    parts = pieces(plan)
    true = last_outputs(plan, twin, images, workers)
    shapes: dict[str, tuple[int, ...]] = {INPUT: (1, plan.size, plan.size, 3)}
    values: list[Array] = [image[None].astype(np.float32) / np.float32(255) for image in images]
    noises: dict[NetworkPart, Array] = {}
    for number, piece in enumerate(parts):
        for step in piece.steps:
            shapes[step.name] = output_shape(step, shapes)
        rest = [step for later in parts[number + 1 :] for step in later.steps]
        bench = _Bench(piece, rest, twin, alone, network.tensors, shapes, workers)
        found, values = bench.run(values)
        difference = found - true[:, None]
        for place, part in enumerate(bench.parts):
            noises[part] = centred_power(difference[:, place])
        on_progress(number + 1, len(parts))
    layers = dequantized(plan, network)
    weights = centred_power(last_outputs(plan, layers, images, workers) - true)
    scales = {name: scale for name, scale in network.tensors.items() if name != INPUT}
    activations = centred_power(last_outputs(plan, twin, images, workers, rounded=scales) - true)
    return Noises(noises, weights, activations, true)


class _Bench:
    """One piece with a variant for each part in it, and all that comes after it."""

    def __init__(
        self,
        piece: _Piece,
        rest: list[Step],
        twin: Mapping[str, Layer],
        alone: Mapping[str, Layer],
        scales: Mapping[str, Scale],
        shapes: Mapping[str, tuple[int, ...]],
        workers: int,
    ) -> None:
        self.parts = [
            *(NetworkPart("weights", step.name) for step in piece.steps if isinstance(step, Conv | Dense)),
            *(NetworkPart("activation", step.name) for step in piece.steps),
        ]
        end = piece.steps[-1].name
        steps, layers, rounded = list(piece.steps), dict(twin), dict[str, Scale]()
        outputs = {CLEAN: end}
        for place, part in enumerate(self.parts):
            for step in _renamed(piece, place):
                steps.append(step)
                if isinstance(step, Conv | Dense):
                    layers[step.name] = twin[_plain(step.name)]
            own = _variant(place, part.name)
            if part.kind == "weights":
                layers[own] = alone[part.name]
            else:
                rounded[own] = scales[part.name]
            outputs[str(place)] = _variant(place, end)
        is_first = piece.source == INPUT
        self._piece = EnginePool(
            LiteRT,
            write_steps(
                steps,
                layers,
                source=piece.source,
                shape=_four(shapes[piece.source]),
                outputs=outputs,
                unit_input=is_first,
                rounded=rounded,
            ),
            workers=workers,
        )
        self._rest = None
        if rest:
            self._rest = EnginePool(
                LiteRT,
                write_steps(
                    rest,
                    twin,
                    source=end,
                    shape=_four((len(self.parts), *shapes[end][1:])),
                    outputs={"last": rest[-1].name},
                ),
                workers=workers,
            )

    def run(self, values: Sequence[Array]) -> tuple[Array, list[Array]]:
        """Last tensor of each photo and part, (photos, parts, C), and what the piece itself makes of each photo."""
        found = list(self._piece.map(lambda engine, value: self._one(engine(value)), values))
        return np.stack([last for last, _ in found]), [clean for _, clean in found]

    def _one(self, made: dict[str, npt.NDArray[np.float32]]) -> tuple[Array, Array]:
        batch = np.concatenate([made[str(place)] for place in range(len(self.parts))])
        if self._rest is not None:
            with self._rest.borrowed() as engine:
                batch = engine(batch)["last"]
        return batch.reshape(len(self.parts), -1), made[CLEAN]


def _four(shape: Sequence[int]) -> tuple[int, int, int, int]:
    batch, height, width, channels = shape
    return batch, height, width, channels


def _variant(place: int, name: str) -> str:
    return f"{place}:{name}"


def _plain(name: str) -> str:
    return name.partition(":")[2]


def _renamed(piece: _Piece, place: int) -> Iterator[Step]:
    """The steps of `piece` under names of their own, which read the same source."""

    def own(name: str) -> str:
        return name if name == piece.source else _variant(place, name)

    for step in piece.steps:
        if isinstance(step, Add):
            yield replace(step, name=own(step.name), source=own(step.source), skip=own(step.skip))
        else:
            yield replace(step, name=own(step.name), source=own(step.source))


def last_outputs(
    plan: Plan,
    layers: Mapping[str, Layer],
    images: Sequence[Image],
    workers: int,
    *,
    on_progress: OnProgress = lambda done, total: None,
    rounded: Mapping[str, Scale] | None = None,
) -> Array:
    """The last tensor of a float network, (photos, C), with the activations of `rounded` rounded."""
    steps = [step for piece in pieces(plan) for step in piece.steps]
    model = write_steps(
        steps,
        layers,
        source=INPUT,
        shape=(1, plan.size, plan.size, 3),
        outputs={"last": steps[-1].name},
        unit_input=True,
        rounded=rounded,
    )
    return FileAnswers(model, workers=workers)(images, on_progress)


def _input_means(
    plan: Plan, layers: Mapping[str, Layer], images: Sequence[Image], workers: int
) -> dict[str, Array]:
    """Tensor that a layer reads -> mean of each channel over pixels and photos, (C,)."""
    steps = [step for piece in pieces(plan) for step in piece.steps]
    read = list(dict.fromkeys(step.source for step in steps if isinstance(step, Conv)))
    model = write_steps(
        steps,
        layers,
        source=INPUT,
        shape=(1, plan.size, plan.size, 3),
        outputs={POOLED: POOLED},
        means={f"mean/{name}": name for name in read},
        unit_input=True,
    )
    pool = EnginePool(LiteRT, model, workers=workers)
    rows = list(pool.map(lambda engine, image: engine(image[None] / np.float32(255)), images))
    means = {name: np.mean([row[f"mean/{name}"][0] for row in rows], axis=0) for name in read}
    return means | {POOLED: np.mean([row[POOLED].ravel() for row in rows], axis=0)}
