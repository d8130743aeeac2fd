"""The one bridge between a Keras model and arrays by the layer plan's names, strict in both directions."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.naming import plan_layer
from efficientnet_lite.network.plan import DENSE


def read_parameters(model: keras.Model, *, own_head: bool = False) -> dict[str, Array]:
    """A copy of every parameter of `model`, moving statistics included, by the plan's names; float32.

    `model` is one of `build.build_model`, or one that has such a model among its layers. With `own_head` a dense
    layer of another name behind a network without one is the plan's; its bias is 0 where it has none.
    Raises ValueError where the model has other weights besides, since they would be lost, or where that layer has
    another activation than softmax.
    """
    head = _own_head(model) if own_head else None
    inner = {id(variable) for variable in head.weights} if head is not None else set()
    found = {
        name: np.array(variable.numpy(), np.float32)
        for name, variable in named_variables(model, but=inner).items()
    }
    if head is not None:
        kernel = np.array(head.kernel.numpy(), np.float32)
        bias = np.zeros(head.units) if head.bias is None else head.bias.numpy()
        found |= {f"{DENSE}/kernel": kernel, f"{DENSE}/bias": np.array(bias, np.float32)}
    return found


def assign_parameters(model: keras.Model, parameters: Mapping[str, npt.NDArray[np.floating]]) -> None:
    """Give `model` the values of `parameters`: the same names, no more and no fewer, and the same shapes.

    Raises ValueError where that is not so; then no variable has changed.
    """
    variables = named_variables(model)
    faults = [f"{name} is missing" for name in variables if name not in parameters]
    faults += [f"{name} is left over" for name in parameters if name not in variables]
    faults += [
        f"{name} has shape {parameters[name].shape}, expected {tuple(variable.shape)}"
        for name, variable in variables.items()
        if name in parameters and parameters[name].shape != tuple(variable.shape)
    ]
    if faults:
        raise ValueError(f"{len(faults)} parameters do not fit the model: {'; '.join(faults[:3])}")
    for name, variable in variables.items():
        variable.assign(parameters[name])


def named_variables(model: keras.Model, *, but: Collection[int] = ()) -> dict[str, Any]:
    """Plan name -> variable, in the order of the layers; every weight of the model has to be there.

    `but` are ids of variables that are left out.
    """
    found: dict[str, Any] = {}
    for layer in _layers(model):
        for variable in layer.weights:
            found[f"{plan_layer(layer.name)}/{variable.name}"] = variable
    known = {id(variable) for variable in found.values()}.union(but)
    strange = [variable.path for variable in model.weights if id(variable) not in known]
    if strange:
        raise ValueError(f"{len(strange)} weights are no part of the layer plan: {', '.join(strange[:3])}")
    return found


def _own_head(model: keras.Model) -> Any:
    """The only dense layer of `model` where none is called as the plan's is, else None."""
    dense = [layer for layer in _flat(model) if isinstance(layer, keras.layers.Dense)]
    if len(dense) != 1 or plan_layer(dense[0].name) is not None:
        return None
    if dense[0].activation not in (keras.activations.linear, keras.activations.softmax):
        raise ValueError(f"the dense layer {dense[0].name} has another activation than softmax")
    return dense[0]


def _layers(model: keras.Model) -> Iterator[Any]:
    """Every layer that is named after a step of the plan and has weights, those of inner models too."""
    return (layer for layer in _flat(model) if layer.weights and plan_layer(layer.name) is not None)


def _flat(model: keras.Model) -> Iterator[Any]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _flat(layer)
        else:
            yield layer
