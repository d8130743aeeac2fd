"""The layer plan and its arrays, written as a Core ML package (an ML Program), and such a package computed in numpy.

Core ML itself runs on Apple's systems alone. So what was written is read back by the library's own loader, and what it
says, operator by operator, with the weights of its file, is computed in numpy.

Source: coremltools 9.0, the MIL builder and `ModelPackage` (the manifest's form); iOS 15 is the first with ML Programs.
"""

import io
import json
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.storage.quiet import only_errors_of

with only_errors_of("coremltools"):  # which warns of what it cannot do on this system
    import coremltools as ct
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil.frontend.milproto.load import load
    from coremltools.libmodelpackage import ModelPackage

from efficientnet_lite import metrics
from efficientnet_lite.arrays import Array
from efficientnet_lite.network.numpy_run import Layer, same_padding
from efficientnet_lite.network.plan import INPUT, PROBABILITIES, Add, Conv, Dense, Plan, Pool, Step
from efficientnet_lite.photos.contract import MEAN, STDDEV
from efficientnet_lite.storage import files
from efficientnet_lite.tflite.float import TENSORS, needed_steps

IMAGE = "image"  # the input: an image, which Vision or the caller has made of the size
LABEL, SHARES = "classLabel", "classLabel_probs"  # what a classifier gives in place of the probabilities
OPSET = ct.target.iOS15
MODEL, WEIGHTS, MANIFEST = "com.apple.CoreML/model.mlmodel", "com.apple.CoreML/weights", "Manifest.json"
DATA = "Data"  # the folder of a package's items
DATE = "com.github.apple.coremltools.conversion_date"


@dataclass(frozen=True)
class PackageText:
    """What a package says of itself."""

    description: str  # Xcode shows it first
    license: str
    metadata: Mapping[str, str]


def write_package(
    place: Path,
    plan: Plan,
    layers: Mapping[str, Layer],
    *,
    outputs: Sequence[str],
    labels: Sequence[str] | None,
    halves: bool,
    text: PackageText,
    items: Mapping[str, str],
) -> None:
    """A package in the folder `place`: an RGB image of the plan's size, its pixels as they are, to `outputs`.

    With `labels` the probabilities are a classifier's: the best label, and label -> probability. Equal arguments give
    equal bytes.

    Args:
        halves: weights, and what is computed with them, are 16 bits.
        items: further files that belong to the package, AUTHOR/NAME -> what it is; they come later.
    """
    with _quiet():
        options: dict[str, Any] = {}
        if labels is not None and PROBABILITIES in outputs:
            named = [str(label) for label in labels]
            options["classifier_config"] = ct.ClassifierConfig(
                named, predicted_probabilities_output=PROBABILITIES
            )
        model = ct.convert(
            _program(plan, layers, outputs),
            inputs=[ct.ImageType(IMAGE, shape=(1, 3, plan.size, plan.size), color_layout=ct.colorlayout.RGB)],
            convert_to="mlprogram",
            minimum_deployment_target=OPSET,
            compute_precision=ct.precision.FLOAT16 if halves else ct.precision.FLOAT32,
            skip_model_load=True,
            **options,
        )
        model.short_description, model.license = text.description, text.license
        model.user_defined_metadata.update(text.metadata)
        spec, weights = model.get_spec(), Path(model.weights_dir)
    del spec.description.metadata.userDefined[DATE]
    for name in (MODEL, f"{WEIGHTS}/weight.bin"):
        (place / DATA / name).parent.mkdir(parents=True, exist_ok=True)
    files.publish(place / DATA / MODEL, spec.SerializeToString(deterministic=True))
    files.publish(place / DATA / WEIGHTS / "weight.bin", (weights / "weight.bin").read_bytes())
    files.publish(place / MANIFEST, _manifest(items))


def _manifest(items: Mapping[str, str]) -> bytes:
    """The list of a package's parts; the library makes random names for them, and these are always the same."""
    parts = {MODEL: "CoreML Model Specification", WEIGHTS: "CoreML Model Weights", **items}
    names = {path: str(uuid.uuid5(uuid.NAMESPACE_URL, path)) for path in parts}
    entries = {
        names[path]: {
            "author": path.partition("/")[0],
            "description": said,
            "name": path.partition("/")[2],
            "path": path,
        }
        for path, said in parts.items()
    }
    document = {"fileFormatVersion": "1.0.0", "itemInfoEntries": entries, "rootModelIdentifier": names[MODEL]}
    return json.dumps(document, indent=4).encode()


def _program(plan: Plan, layers: Mapping[str, Layer], outputs: Sequence[str]) -> Any:
    tensors = {name: TENSORS[name] for name in outputs}
    public = {tensor: name for name, tensor in tensors.items()}
    steps, sides = needed_steps(plan, list(tensors.values())), plan.sides()

    @Builder.program(  # type: ignore[untyped-decorator]
        input_specs=[Builder.TensorSpec(shape=(1, 3, plan.size, plan.size))], opset_version=OPSET
    )
    def program(image: Any) -> Any:
        centered = Builder.sub(x=image, y=np.float32(MEAN))
        made = {INPUT: Builder.mul(x=centered, y=np.float32(1 / STDDEV), name=INPUT)}
        for step in steps:
            name = public.get(step.name, step.name.replace("/", "_"))
            made[step.name] = _operator(step, made, layers.get(step.name), sides, name)
        return tuple(made[tensor] for tensor in tensors.values())

    return program


def _operator(
    step: Step, made: Mapping[str, Any], layer: Layer | None, sides: Mapping[str, int], name: str
) -> Any:
    x = made[step.source]
    match step:
        case Conv():
            assert layer is not None
            before, after = same_padding(sides[step.source], step.kernel, step.stride)
            # HWIO and (k, k, C, 1) both to (outputs, inputs of a group, k, k)
            axes = (2, 3, 0, 1) if step.depthwise else (3, 2, 0, 1)
            y = Builder.conv(
                x=x,
                weight=np.ascontiguousarray(layer.kernel.transpose(axes)),
                bias=layer.bias,
                strides=[step.stride, step.stride],
                pad_type="custom",
                pad=[before, after, before, after],
                groups=step.outputs if step.depthwise else 1,
                name=f"{name}_linear" if step.relu6 else name,
            )
            return Builder.relu6(x=y, name=name) if step.relu6 else y
        case Add():
            return Builder.add(x=x, y=made[step.skip], name=name)
        case Pool():
            return Builder.reduce_mean(x=x, axes=[2, 3], keep_dims=False, name=name)
        case Dense():
            assert layer is not None
            return Builder.linear(
                x=x, weight=np.ascontiguousarray(layer.kernel.T), bias=layer.bias, name=name
            )
        case _:
            return Builder.softmax(x=x, axis=-1, name=name)


@dataclass(frozen=True)
class ReadBack:
    """What the library's loader finds in a written package."""

    image: tuple[int, int]  # width, height
    rgb: bool
    outputs: tuple[str, ...]
    labels: tuple[str, ...] | None
    description: str
    metadata: Mapping[str, str]
    compute: Callable[[npt.NDArray[np.uint8]], dict[str, Array]]  # images (N, S, S, 3) to outputs, (N, C)


def read_package(place: Path) -> ReadBack:
    """Open a package that was just written; not for a stranger's.

    Raises ValueError where it is no package of this form.
    """
    if not ModelPackage.isValid(str(place)):
        raise ValueError("the library does not take it for a package")
    with _quiet():
        spec = ct.models.MLModel(
            str(place), skip_model_load=True, weights_dir=str(place / DATA / WEIGHTS)
        ).get_spec()
        program = load(spec, spec.specificationVersion, str(place / DATA / WEIGHTS))
    (taken,) = spec.description.input
    image = taken.type.imageType
    block = program.functions["main"]
    labels = [each.inputs["classes"].val for each in block.operations if each.op_type == "classify"]
    return ReadBack(
        image=(image.width, image.height),
        rgb=image.colorSpace == image.RGB,
        outputs=tuple(each.name for each in spec.description.output),
        labels=tuple(str(label) for label in labels[0]) if labels else None,
        description=spec.description.metadata.shortDescription,
        metadata=dict(spec.description.metadata.userDefined),
        compute=lambda images: _computed(block, images),
    )


def _computed(block: Any, images: npt.NDArray[np.uint8]) -> dict[str, Array]:
    """The program in float32, whatever precision it asks for; the probabilities of a classifier as an array."""
    values: dict[str, Array] = {IMAGE: images.astype(np.float32).transpose(0, 3, 1, 2)}
    shares = None

    def value(variable: Any) -> Array:
        if variable.name in values:
            return values[variable.name]
        array: Array = np.asarray(variable.val).astype(np.float32)
        return array

    for operation in block.operations:
        if operation.op_type == "const":
            continue
        if operation.op_type == "classify":
            shares = value(operation.inputs["probabilities"])
            continue
        values[operation.outputs[0].name] = _OPERATORS[operation.op_type](operation, value)
    found = {each.name: values[each.name] for each in block.outputs if each.name in values}
    return found if shares is None else {PROBABILITIES: shares, **found}


Reading = Callable[[Any], Array]


def _conv(operation: Any, value: Reading) -> Array:
    """A convolution with the padding, stride and groups that stand in the file; NCHW."""
    x, kernel = value(operation.inputs["x"]), value(operation.inputs["weight"])
    top, bottom, left, right = (int(each) for each in operation.inputs["pad"].val)
    stride, groups = (
        (int(each) for each in operation.inputs["strides"].val),
        int(operation.inputs["groups"].val),
    )
    down, across = stride
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    height, width = kernel.shape[2:]
    rows, columns = (padded.shape[2] - height) // down + 1, (padded.shape[3] - width) // across + 1
    total = np.zeros((len(x), kernel.shape[0], rows, columns), np.float32)
    for i in range(height):
        for j in range(width):
            window = padded[
                :, :, i : i + (rows - 1) * down + 1 : down, j : j + (columns - 1) * across + 1 : across
            ]
            if groups == 1:
                total += (kernel[:, :, i, j] @ window.reshape(*window.shape[:2], -1)).reshape(total.shape)
            else:  # one input channel each
                total += window * kernel[:, 0, i, j][:, None, None]
    return total + value(operation.inputs["bias"])[:, None, None]


def _mean(operation: Any, value: Reading) -> Array:
    axes = tuple(int(axis) for axis in operation.inputs["axes"].val)
    mean: Array = value(operation.inputs["x"]).mean(
        axis=axes, keepdims=bool(operation.inputs["keep_dims"].val)
    )
    return mean


def _linear(operation: Any, value: Reading) -> Array:
    x, kernel, bias = (value(operation.inputs[name]) for name in ("x", "weight", "bias"))
    logits: Array = x @ kernel.T + bias
    return logits


def _both(operation: Any, value: Reading) -> tuple[Array, Array]:
    return value(operation.inputs["x"]), value(operation.inputs["y"])


_OPERATORS: Mapping[str, Callable[[Any, Reading], Array]] = {
    "sub": lambda operation, value: np.subtract(*_both(operation, value)),
    "mul": lambda operation, value: np.multiply(*_both(operation, value)),
    "add": lambda operation, value: np.add(*_both(operation, value)),
    "cast": lambda operation, value: value(operation.inputs["x"]),
    "conv": _conv,
    "relu6": lambda operation, value: np.clip(value(operation.inputs["x"]), 0, 6),
    "reduce_mean": _mean,
    "linear": _linear,
    "softmax": lambda operation, value: metrics.softmax(value(operation.inputs["x"])),
}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the bars and warnings of the library; its errors come as exceptions."""
    with ExitStack() as stack:
        stack.enter_context(only_errors_of("coremltools"))
        stack.enter_context(redirect_stderr(io.StringIO()))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield
