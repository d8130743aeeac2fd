"""Everything that a training goes on from, as one value that becomes flat arrays and comes back bit for bit.

Random choices are no part of it: they follow from the recipe's seed and the step.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

RMS_START = 1.0  # not zero, as Keras and torch begin. Source: TensorFlow, `RMSPropOptimizer._create_slots`
STATISTICS = ("/moving_mean", "/moving_variance")
STEP = "step"

Tensors = dict[str, Any]  # by the layer plan's names; arrays of numpy, TensorFlow or JAX, float32


@dataclass(frozen=True, slots=True)
class TrainState:
    """The state behind `step` steps. Five groups of tensors, all of them float32."""

    step: int
    parameters: Tensors  # what gradients change
    statistics: Tensors  # moving means and variances of batch norm
    accumulators: Tensors  # of squared gradients, one for each parameter
    momentum: Tensors  # one for each parameter; the learning rate is inside
    averages: Tensors  # moving averages of parameters and statistics: what is evaluated and exported

    @property
    def weights(self) -> Tensors:
        """Parameters and statistics as they are, not averaged."""
        return self.parameters | self.statistics


def start_state(parameters: Mapping[str, NDArray[np.float32]]) -> TrainState:
    """Step 0 from the weights of a model, moving statistics among them: averages equal the weights."""
    weights = {name: np.array(values, np.float32) for name, values in parameters.items()}
    trained = {name: values for name, values in weights.items() if not name.endswith(STATISTICS)}
    return TrainState(
        step=0,
        parameters=trained,
        statistics={name: values for name, values in weights.items() if name.endswith(STATISTICS)},
        accumulators={name: np.full_like(values, RMS_START) for name, values in trained.items()},
        momentum={name: np.zeros_like(values) for name, values in trained.items()},
        averages={name: values.copy() for name, values in weights.items()},
    )


def to_arrays(state: TrainState) -> dict[str, NDArray[Any]]:
    """ "parameters/stem/conv/kernel" and so on -> copies of the tensors; "step" is an int64 scalar."""
    arrays: dict[str, NDArray[Any]] = {STEP: np.array(state.step, np.int64)}
    for group in _groups():
        arrays |= {f"{group}/{name}": np.array(value) for name, value in getattr(state, group).items()}
    return arrays


def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> TrainState:
    """The state that `to_arrays` made arrays of.

    Raises ValueError, which says what is wrong, where they are not of one state: a name of no group,
    a parameter without its accumulator, another shape, numbers other than float32.
    """
    groups: dict[str, Tensors] = {group: {} for group in _groups()}
    for name, array in arrays.items():
        group, _, tensor = name.partition("/")
        if name != STEP and (group not in groups or not tensor):
            raise ValueError(f"{name} is no part of a training state")
        if name != STEP and array.dtype != np.float32:
            raise ValueError(f"{name} is {array.dtype}, expected float32")
        if name != STEP:
            groups[group][tensor] = array
    state = TrainState(step=_step(arrays), **groups)
    _check(state)
    return state


def _groups() -> list[str]:
    return [entry.name for entry in fields(TrainState) if entry.name != STEP]


def _step(arrays: Mapping[str, NDArray[Any]]) -> int:
    array = arrays.get(STEP)
    if array is None or array.shape != () or array.dtype != np.int64 or array < 0:
        raise ValueError("the training state has no step count")
    return int(array)


def _check(state: TrainState) -> None:
    """Raise ValueError where a group has other names or shapes than it must."""
    for group, expected in (
        ("accumulators", state.parameters),
        ("momentum", state.parameters),
        ("averages", state.weights),
    ):
        found = getattr(state, group)
        for name in expected.keys() | found.keys():
            if name not in found or name not in expected:
                raise ValueError(f"{group}/{name} is {'left over' if name in found else 'missing'}")
            if found[name].shape != expected[name].shape:
                shapes = f"{found[name].shape}, expected {expected[name].shape}"
                raise ValueError(f"{group}/{name} has shape {shapes}")
