"""The float network to integers: the order of the stages, and what each hands to the next.

look at the tensors, and at what noise in each costs -> change the network, but not what it computes, so that rounding
costs less (copied channels, factors) -> choose the activations' scales -> round the weights -> the head, which takes
back what is left in the features -> the logits' range -> with the effort "best", biases learned together. How near to
float the integers are is
measured after each.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.metrics import snr_db
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import DENSE, INPUT, POOLED, Plan
from efficientnet_lite.photos.views import Image
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.quantize.activation_scales import full_scales, least_noise_scales
from efficientnet_lite.quantize.alike import alike_sums
from efficientnet_lite.quantize.copied_channels import copy_channels
from efficientnet_lite.quantize.dense_head import full_range, least_noise_range, regressed, rounded_head
from efficientnet_lite.quantize.factors import equalize
from efficientnet_lite.quantize.integer_layers import compensated_layers, nearest_layers, require_room
from efficientnet_lite.quantize.integer_outputs import integer_outputs, last_output
from efficientnet_lite.quantize.method import STANDARD, Gain, Method, OnStage, Quantized
from efficientnet_lite.quantize.moments import moments
from efficientnet_lite.quantize.observed import Observed, observe, with_costs
from efficientnet_lite.quantize.sensitivity import costs
from efficientnet_lite.tflite.int8 import IntegerLayer, IntegerNetwork
from efficientnet_lite.tflite.quantmath import INPUT_SCALE, Scale

WALKS, LEARNING_WALKS = 3, 9  # over all photos, as long as they take
GAIN_PHOTOS = 24  # of the calibration set, on which the stages are measured
_Tensors = Mapping[str, Observed]
_Change = Callable[[Plan, Mapping[str, Layer], _Tensors], tuple[dict[str, Layer], dict[str, Observed]]]


def quantize(
    plan: Plan,
    layers: Mapping[str, Layer],
    images: Sequence[Image],
    *,
    method: Method = STANDARD,
    workers: int,
    on_progress: OnProgress | None = None,
    on_stage: OnStage | None = None,
) -> Quantized:
    """Every layer of `plan` in integers.

    Args:
        layers: the float network, batch norm folded in.
        images: uint8 (S, S, 3), unlabelled.
        on_stage: is told each stage's gain as soon as it is there; the first is the state before any stage. Where
            nobody listens, nothing is measured.

    Raises CheckpointError where the weights give no finite numbers, ArtifactError where they are too large for int8.
    """
    learns = method.effort == "best" and method.biases
    making = _Making(plan, layers, images, workers, on_progress, on_stage, WALKS + LEARNING_WALKS * learns)
    seen: _Tensors = observe(plan, layers, images, workers=workers, on_progress=making.shown_from(0))
    making.true_features = seen[POOLED].sample
    making.measure("nearest codes", lambda: making.plain(layers, seen, full_scales(plan, seen)))
    if method.sensitivity:
        seen = with_costs(seen, costs(plan, layers, images, workers=workers))
    prepared = dict(layers)
    for name, is_wanted, change in _changes(method):
        if is_wanted:
            prepared, seen = change(plan, prepared, seen)
            making.measure(name, partial(making.plain, prepared, seen, full_scales(plan, seen)))
    scales = full_scales(plan, seen)
    if method.scales:
        scales = least_noise_scales(plan, seen)
        making.measure("activation scales", lambda: making.plain(prepared, seen, scales))
    if method.alike:
        scales = alike_sums(plan, scales)
    tensors = {INPUT: INPUT_SCALE} | scales
    if method.rounding:
        layered = compensated_layers(
            plan,
            prepared,
            tensors,
            moments(plan, prepared, images, seen, workers=workers, on_progress=making.shown_from(1)),
            alike=method.alike,
        )
        network = IntegerNetwork(layered, tensors)
        making.measure("rounding", lambda: making.plain_head(network))
    else:
        network = IntegerNetwork(nearest_layers(plan, prepared, tensors, seen, alike=method.alike), tensors)
    if plan.classes is not None:
        network = making.with_head(network, method)
    if learns:
        from efficientnet_lite.quantize.learned.biases import learned_biases

        network = learned_biases(
            plan,
            layers,
            network,
            images,
            workers=workers,
            on_progress=making.shown_from(WALKS, LEARNING_WALKS),
        )
        making.measure("learned biases", lambda: network)
    return Quantized(network, prepared, tuple(making.gains))


def _changes(method: Method) -> list[tuple[str, bool, _Change]]:
    """The stages that change the float network and not what it computes."""
    return [
        ("copied channels", method.copied, copy_channels),
        ("factors", method.factors, equalize),
    ]


@dataclass(slots=True)
class _Making:
    """What the stages have in common: the photos, what the float network makes of them, and the gains so far."""

    plan: Plan
    layers: Mapping[str, Layer]
    images: Sequence[Image]
    workers: int
    on_progress: OnProgress | None
    on_stage: OnStage | None
    walks: int  # over all photos that the progress counts
    true_features: Array = field(default_factory=lambda: np.empty((0, 0), np.float32))  # (N, 1280)
    gains: list[Gain] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def shown_from(self, done: int, walks: int = 1) -> OnProgress | None:
        """Progress of what takes the time of `walks` over all photos, with `done` of them before."""
        show, count = self.on_progress, len(self.images)
        if show is None:
            return None
        return lambda now, total: show(done * count + now * walks * count // total, self.walks * count)

    def measure(self, stage: str, make: Callable[[], IntegerNetwork]) -> None:
        """Tell who listens what the network that `make` gives is worth, and the time since the last stage."""
        if self.on_stage is None:
            return
        seconds = time.monotonic() - self.begun
        output = last_output(self.plan)
        network = make()
        some = slice(0, len(self.images), max(1, len(self.images) // GAIN_PHOTOS))
        found = integer_outputs(self.plan, network, output, self.images[some], workers=self.workers)
        true = self.true_features[some] if output == POOLED else self.true_logits[some]
        self.gains.append(Gain(stage, snr_db(true, found), seconds))
        self.on_stage(self.gains[-1])
        self.begun = time.monotonic()

    @property
    def true_logits(self) -> Array:
        head = self.layers[DENSE]
        return self.true_features @ head.kernel + head.bias

    def plain(
        self, layers: Mapping[str, Layer], seen: _Tensors, scales: Mapping[str, Scale]
    ) -> IntegerNetwork:
        """Everything that has no stage yet done in the plain way."""
        tensors = {INPUT: INPUT_SCALE, **scales}
        return self.plain_head(IntegerNetwork(nearest_layers(self.plan, layers, tensors, seen), tensors))

    def plain_head(self, network: IntegerNetwork) -> IntegerNetwork:
        """`network` with the head as it is, where the plan has one."""
        if self.plan.classes is None:
            return network
        dense = rounded_head(self.layers[DENSE], self.true_features, network.tensors[POOLED], "per-tensor")
        return _joined(network, dense, full_range(self.true_logits))

    def with_head(self, network: IntegerNetwork, method: Method) -> IntegerNetwork:
        """`network` with a head that knows its features."""
        features = integer_outputs(
            self.plan, network, POOLED, self.images, workers=self.workers, on_progress=self.shown_from(2)
        )
        head, source = self.layers[DENSE], network.tensors[POOLED]
        if method.head:
            head = regressed(head, self.true_features, features)
        dense = rounded_head(head, features, source, method.dense)
        logits = features @ (dense.kernel * dense.scales) + dense.bias * (
            dense.scales * np.float32(source.scale)
        )
        whole = _joined(network, dense, full_range(logits))
        if method.head:
            self.measure("head", lambda: whole)
        if method.logits:
            whole = _joined(network, dense, least_noise_range(logits, self.true_logits))
            self.measure("logits range", lambda: whole)
        return whole


def _joined(network: IntegerNetwork, dense: IntegerLayer, made: Scale) -> IntegerNetwork:
    require_room(DENSE, dense.scales, network.tensors[POOLED], made)
    return IntegerNetwork({**network.layers, DENSE: dense}, {**network.tensors, DENSE: made})
