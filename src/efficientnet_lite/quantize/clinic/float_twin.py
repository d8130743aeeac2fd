"""The float network behind an int8 file, in the form that the file has: what its integers stand for before rounding.

Quantization first changes the float network without changing what it computes: channels of linear tensors are
multiplied on their way in and divided on their way out, some ReLU6 tensors are stretched towards 6, and dead
channels of the stem become copies of others. A file does not say by how much; its integers do. Each factor is the
least-squares slope of hundreds of integer weights on float ones, so rounding hardly moves it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from efficientnet_lite.arrays import Array, Float64s
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import POOLED, Conv, Dense, Plan
from efficientnet_lite.quantize.copied_channels import shared
from efficientnet_lite.quantize.linear_tensors import is_linear, residual_groups
from efficientnet_lite.tflite.int8 import IntegerLayer, IntegerNetwork
from efficientnet_lite.tflite.quantmath import RELU6_SCALE

SWEEPS = 3  # over all tensors: a factor is told by the layers on both sides, which have factors on their other sides
SURE = 3.0  # standard deviations from 1 at which a factor of a ReLU6 channel counts as one
FEW_TAPS = (
    3.0  # times the noise of a depthwise kernel: what its outer taps become in small maps tells nothing
)
ALIKE = 0.98  # cosine of the weights of a channel and of that which it copies
LIMITS = (-14.0, 14.0)  # of a factor's logarithm


def dequantized(plan: Plan, network: IntegerNetwork) -> dict[str, Layer]:
    """The layers that the integers stand for: `network` without the rounding of its activations."""
    layers = {}
    for step in plan.steps:
        if isinstance(step, Conv | Dense):
            own = network.layers[step.name]
            along = own.scales[:, None] if _is_depthwise(step) else own.scales
            scales = own.scales.astype(np.float64) * network.tensors[step.source].scale
            layers[step.name] = Layer(
                (own.kernel * along).astype(np.float32), (own.bias * scales).astype(np.float32)
            )
    return layers


def float_twin(plan: Plan, layers: Mapping[str, Layer], network: IntegerNetwork) -> dict[str, Layer]:
    """`layers`, the float network that `network` was made of, in its form: the function is unchanged."""
    found = dequantized(plan, network)
    factors = _Factors(plan, layers, found, network).fitted()
    copied = _with_copies(plan, layers, found, factors)
    factors = _Factors(plan, copied, found, network).fitted()
    twin = {}
    for name, layer in copied.items():
        step = next(step for step in plan.steps if step.name == name)
        assert isinstance(step, Conv | Dense)
        into, out = np.exp(factors[step.source]), np.exp(factors[name])
        along = (out / into)[:, None] if _is_depthwise(step) else out / into[:, None]
        kernel = layer.kernel * along
        twin[name] = Layer(kernel.astype(np.float32), (layer.bias * out).astype(np.float32))
    return twin


def rounded_alone(
    plan: Plan, twin: Mapping[str, Layer], network: IntegerNetwork, means: Mapping[str, Array]
) -> dict[str, Layer]:
    """Each layer of `twin` as the rounding of its own weights leaves it, and nothing else.

    A file's gains, slopes and biases also take back what earlier layers do. Alone they would be noise, so slopes that
    rounding cannot explain are taken out, and the bias is the one that takes back the mean of this layer's rounding.

    Args:
        means: tensor that a layer reads -> mean of each channel over pixels and photos, (C,).
    """
    found, layers = dequantized(plan, network), {}
    for step in plan.steps:
        if not isinstance(step, Conv | Dense):
            continue
        own = twin[step.name]
        true, rounded = (each[step.name].kernel.astype(float) for each in (twin, found))
        noise = _noise(network, step)
        if isinstance(step, Dense):
            rounded /= _surely(_slopes((true / noise).T, (rounded / noise).T, np.ones(1)))[:, None]
        else:
            columns = [each.reshape(-1, step.outputs) for each in (true, rounded)]
            slopes = _surely(_slopes(columns[0], columns[1], noise))
            rounded /= slopes[:, None] if step.depthwise else slopes
        lost = (true - rounded).reshape(-1, *true.shape[-2:]).sum(0)  # over the kernel's positions
        mean = means[step.source].astype(float)
        shift = lost[:, 0] * mean if _is_depthwise(step) else mean @ lost
        layers[step.name] = Layer(rounded.astype(np.float32), (own.bias + shift).astype(np.float32))
    return layers


def excess(true: Layer, found: Layer, integers: IntegerLayer) -> float:
    """What the kernel `found` lost against `true`, in that which rounding to the nearest codes loses: 1 or more."""
    scales = integers.scales.astype(float)
    along = scales[:, None] if integers.kernel.shape[-1] == 1 < scales.size else scales
    expected = np.broadcast_to(np.square(along) / 12, true.kernel.shape).sum()
    lost = np.square(found.kernel.astype(float) - true.kernel).sum()
    return float(lost / expected)


def _surely(told: "_Told") -> Float64s:
    """Slopes where they are surely not 1, else 1."""
    slopes: Float64s = np.exp(np.where(np.abs(told.value) * np.sqrt(told.weight) > SURE, told.value, 0.0))
    return slopes


def _noise(network: IntegerNetwork, step: Conv | Dense) -> Float64s:
    """Standard deviation of the rounding of a weight, for each output channel, or one for all."""
    scales: Float64s = np.maximum(network.layers[step.name].scales.astype(float), 1e-30) / np.sqrt(12)
    return scales


@dataclass(frozen=True, slots=True)
class _Told:
    """What one layer says of the logarithms of a tensor's factors, and how surely: inverse variances."""

    value: Float64s  # (C,)
    weight: Float64s


class _Factors:
    """The logarithm of the factor of each channel of each tensor."""

    def __init__(
        self, plan: Plan, layers: Mapping[str, Layer], found: Mapping[str, Layer], network: IntegerNetwork
    ) -> None:
        self.steps = [step for step in plan.steps if isinstance(step, Conv | Dense)]
        self.layers, self.found, self.network = layers, found, network
        groups = residual_groups(plan)
        single = [{step.name} for step in self.steps if isinstance(step, Conv) and step.relu6]
        self.groups = [
            *groups,
            *({name, POOLED} if name == "head/conv" else {name} for name in map(min, single)),
        ]
        order = {step.name: place for place, step in enumerate(plan.steps)}
        self.groups.sort(key=lambda group: min(order[name] for name in group))
        self.linear = {step.name for step in plan.steps if is_linear(step)}
        self.value: dict[str, Float64s] = {self.steps[0].source: np.zeros(3)}
        for step in plan.steps:
            channels = self.value[step.source].size if not isinstance(step, Conv | Dense) else step.outputs
            self.value[step.name] = np.zeros(channels)

    def fitted(self) -> dict[str, Float64s]:
        linear = [group for group in self.groups if group & self.linear]
        others = [group for group in self.groups if not group & self.linear]
        for group in linear:  # what reads them may be stretched, what makes them hardly ever is
            self._fit(group, readers=False)
        for _ in range(SWEEPS):
            for group in (*others, *linear):
                self._fit(group)
        return self.value

    def _fit(self, group: set[str], *, readers: bool = True) -> None:
        told = [self._as_maker(step) for step in self.steps if step.name in group]
        if readers:
            told += [self._as_reader(step) for step in self.steps if step.source in group]
        weight = np.sum([each.weight for each in told], axis=0)
        value = np.sum([each.weight * each.value for each in told], axis=0) / np.maximum(weight, 1e-12)
        if POOLED in group:  # the head's slopes take back what the features lack, and are no factors
            value = np.zeros_like(value)
        elif not group & self.linear:
            value = np.where(np.abs(value) * np.sqrt(weight) > SURE, value, 0.0)
        for name in group:
            self.value[name] = np.clip(np.where(weight > 0, value, 0.0), *LIMITS)

    def _as_maker(self, step: Conv | Dense) -> _Told:
        """The factors of what `step` makes: slopes of the columns of its kernel."""
        kernel, own = self._kernels(step)
        into = np.exp(self.value[step.source])
        if not _is_depthwise(step):  # the stem has a row for each position, and its input has no factors
            into = into[:, None] if len(into) == len(kernel) else np.ones(1)
        return _slopes(
            kernel / into, own, _noise(self.network, step) * (FEW_TAPS if _is_depthwise(step) else 1)
        )

    def _as_reader(self, step: Conv | Dense) -> _Told:
        """The factors of what `step` reads: inverse slopes of the rows of its kernel."""
        kernel, own = self._kernels(step)
        expected, noise = kernel * np.exp(self.value[step.name]), _noise(self.network, step)
        if _is_depthwise(step):
            told = _slopes(expected, own, noise * FEW_TAPS)
        else:
            told = _slopes((expected / noise).T, (own / noise).T, np.ones(1))
        return _Told(-told.value, told.weight)

    def _kernels(self, step: Conv | Dense) -> tuple[Float64s, Float64s]:
        """Float and integer kernel of `step`, (rows, output channels)."""
        channels = step.outputs
        own, found = (each[step.name].kernel.astype(float) for each in (self.layers, self.found))
        return own.reshape(-1, channels), found.reshape(-1, channels)


def _is_depthwise(step: Conv | Dense) -> bool:
    return isinstance(step, Conv) and step.depthwise


def _slopes(expected: Float64s, found: Float64s, noise: Float64s) -> _Told:
    """Of each column of `found`, which has that noise, on the one of `expected`."""
    square, product = np.square(expected).sum(0), (expected * found).sum(0)
    slope = np.divide(product, square, out=np.ones_like(square), where=square > 0)
    usable = slope > 1e-6
    weight = np.where(usable, square * np.square(slope) / np.square(noise), 0.0)
    return _Told(np.log(np.where(usable, slope, 1.0)), weight)


def _with_copies(
    plan: Plan,
    layers: Mapping[str, Layer],
    found: Mapping[str, Layer],
    factors: Mapping[str, Float64s],
) -> dict[str, Layer]:
    """`layers` with the dead channels of stem and expansions as copies of others, where they are that in `found`."""
    copied, convs = dict(layers), {step.name: step for step in plan.convs}
    for project in plan.convs:
        if project.relu6:
            continue
        depthwise = convs[project.source]
        wide = convs[depthwise.source]
        into = 1.0 if wide.kernel > 1 else np.exp(factors[wide.source])[:, None]
        sources = _copied_channels(layers[wide.name].kernel, found[wide.name].kernel * into)
        dead = np.flatnonzero(sources != np.arange(len(sources)))
        if not len(dead):
            continue
        first, second, third = (layers[step.name] for step in (wide, depthwise, project))
        shares, shifts = shared(sources)
        inner = shifts * np.float32(RELU6_SCALE.scale)
        back = inner - second.kernel[..., 0].sum((0, 1))[sources] * inner
        rows = third.kernel[0, 0]
        bias = third.bias + np.clip(second.bias[dead], 0, 6) @ rows[dead]
        copied[wide.name] = Layer(first.kernel[..., sources], first.bias[sources] + inner)
        copied[depthwise.name] = Layer(second.kernel[:, :, sources], second.bias[sources] + back)
        copied[project.name] = Layer((rows[sources] * shares[:, None])[None, None], bias)
    return copied


def _copied_channels(kernel: Array, found: Array) -> npt.NDArray[np.intp]:
    """For each output channel of `found` the one of `kernel` that it is, itself or that which it copies."""

    def directions(kernel: Array) -> Float64s:
        flat = kernel.reshape(-1, kernel.shape[-1]).astype(float)
        length = np.sqrt(np.square(flat).sum(0))
        unit: Float64s = np.divide(flat, length, out=np.zeros_like(flat), where=length > 0)
        return unit

    cosines = directions(found).T @ directions(kernel)
    own, best = np.arange(len(cosines)), cosines.argmax(axis=1)
    is_copy = (cosines[own, own] < ALIKE) & (cosines[own, best] >= ALIKE)
    sources: npt.NDArray[np.intp] = np.where(is_copy, best, own)
    return sources
