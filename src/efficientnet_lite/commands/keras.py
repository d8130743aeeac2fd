"""Weights -> a Keras model to train further, and a trained model -> weights that every other command takes."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np

from efficientnet_lite import extras
from efficientnet_lite import labels as class_names
from efficientnet_lite.arguments import called
from efficientnet_lite.errors import UsageError
from efficientnet_lite.network.plan import DENSE, make_plan, model_name
from efficientnet_lite.storage import files
from efficientnet_lite.weights.fit import fit
from efficientnet_lite.weights.read import load_weights
from efficientnet_lite.weights.safetensors import FORMAT, SCHEMA, write_safetensors
from efficientnet_lite.weights.stored_tensors import FLOAT32, Stored

KerasModel = Any  # keras.Model; whoever has none imports this all the same


@called
def create_model(
    name: str,
    *,
    weights: str | Path | None = "imagenet",
    num_classes: int | None = None,
    input_size: int | Literal["any"] | None = None,
    endpoints: Sequence[str] = (),
) -> KerasModel:
    """A plain Keras model of the network, for the JAX or the TensorFlow backend.

    It takes images in [0, 1], float32 (N, height, width, 3), and normalizes
    them itself. It gives logits (N, num_classes), no softmax, or features (N,
    1280) where `num_classes` is None. Save it with `save_weights`, and
    `export`, `load` and `verify` take it, without Keras.

    Args:
        name: "lite0" to "lite4", also with a size ("lite4@300").
        weights: "imagenet", "hub", a checkpoint or a run; None for a fresh
            network.
        num_classes: where the weights have another number of classes, the last
            layer is a fresh one.
        input_size: height and width in pixels; None for those of `name`, "any"
            for open ones.
        endpoints: layers to give besides, by the reference's names ("stem",
            "block_3", "reduction_4", "features", "head_1x1",
            "pooled_features"). The output is then a dictionary: "logits" or
            "features", and "efficientnet-lite1/reduction_4" for each endpoint.

    Raises:
        UsageError: no such model, size or endpoint, or Keras is not installed.
        CheckpointError, WeightsMissing: the weights are damaged, of another
            variant, or not to be had.

    Example, which needs the extra "train":
        >>> import efficientnet_lite as el
        >>> network = el.create_model("lite1", num_classes=3)
        >>> network.output_shape
        (None, 3)
    """
    model = model_name(name)
    if isinstance(input_size, int):
        model = model_name(f"{model.variant.name}@{input_size}")
    if num_classes is not None and num_classes < 1:
        raise UsageError(f"num_classes is {num_classes}", where=name, fix="give at least 1, or None")
    build, parameters = _keras()
    plan = make_plan(model.variant, size=model.size, classes=num_classes)
    network = build.build_model(plan, side=None if input_size == "any" else model.size, endpoints=endpoints)
    if weights is not None:
        found = load_weights(model.variant, weights)
        dense = {name for name in plan.parameter_shapes() if name.startswith(DENSE)}
        values = {name: value for name, value in found.parameters.items() if not name.startswith(DENSE)}
        last = found.parameters if found.classes == num_classes else parameters.read_parameters(network)
        parameters.assign_parameters(network, values | {name: last[name] for name in dense})
    return network


@called
def save_weights(
    model: KerasModel,
    path: str | Path,
    *,
    labels: Sequence[str] | None = None,
    source: str = "a Keras model",
    license: str = "unknown",
) -> None:
    """Write the weights of a Keras model as a .safetensors file.

    The model is one that `create_model` made; the file is there whole or not at
    all.
    Every command and function that takes a checkpoint takes the file, none of
    them needs Keras for it.

    Args:
        model: also one with such a model among its layers, as long as it has no
            other weights than those of one dense layer, which is the head then.
        path: the file to write; an earlier .safetensors file is replaced.
        labels: names of the classes, in the order of the logits.
        source, license: what the file says of the weights; `export` hands both
            on.

    Raises:
        ValueError: the model has other weights besides, or its head another
            activation than softmax.
        CheckpointError: a weight is not finite, or the layers are not those of
            one variant.
        UsageError: the labels do not fit the logits, or one cannot be a class
            name; or a file lies there that is no .safetensors file, nor named
            as one.
        OutputFailed: the file cannot be written.

    Example, which needs the extra "train":
        >>> import efficientnet_lite as el
        >>> network = el.create_model("lite1", num_classes=3)
        >>> labels = ["shirt", "shoes", "trousers"]
        >>> el.save_weights(network, "mine.safetensors", labels=labels)
        >>> el.export("mine.safetensors", "mine.tflite").path.name
        'mine.tflite'
    """
    path = Path(path)
    if path.suffix.lower() != ".safetensors" and files.is_file(path) and files.beginning(path, 9)[8:] != b"{":
        raise UsageError(
            "what lies here is no .safetensors file, nor named as one, so it is never replaced",
            where=path,
            fix="end the name in .safetensors, or move it away",
        )
    _, parameters = _keras()
    found = parameters.read_parameters(model, own_head=True)
    stored = {name: Stored(FLOAT32, array.shape, partial(np.asarray, array)) for name, array in found.items()}
    fitted = fit(stored, where="the Keras model", variant=None, ema=False)
    metadata = {
        "format": FORMAT,
        "schema": SCHEMA,
        "variant": fitted.variant.name,
        "license": license,
        "source": source,
    }
    if labels is not None:
        _check_labels(labels, fitted.classes)
        metadata["labels"] = json.dumps(list(labels), ensure_ascii=False)
    write_safetensors(path, fitted.parameters, metadata)


def _check_labels(labels: Sequence[str], classes: int | None) -> None:
    if len(labels) != (classes or 0):
        raise UsageError(
            f"{len(labels)} labels for {classes or 0} classes",
            where="labels",
            fix="give one name for each logit",
        )
    for label in labels:
        if fault := class_names.fault(label):
            raise UsageError(f"a label cannot be used: {fault}", where=label, fix="rename the class")


def _keras() -> tuple[ModuleType, ModuleType]:
    """What builds the network in Keras, and what reads and assigns its weights."""
    with extras.needed("Keras is not installed, or its backend is not", where="keras", saying_why=True):
        from efficientnet_lite.network import keras_arrays, keras_model
    return keras_model, keras_arrays
