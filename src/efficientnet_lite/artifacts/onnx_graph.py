"""The layer plan and its arrays, written as an ONNX file. No converter is involved.

Opset 13 with IR version 7 is what ONNX Runtime reads since 1.7 (2021), and every operator used has
been the same since.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

from efficientnet_lite.network.numpy_run import Layer, same_padding
from efficientnet_lite.network.plan import (
    FEATURES,
    INPUT,
    POOLED,
    Add,
    Conv,
    Dense,
    Plan,
    Pool,
    Softmax,
    Step,
)
from efficientnet_lite.photos.contract import MEAN, STDDEV
from efficientnet_lite.tflite.float import IMAGES, TENSORS, needed_steps, tensor_name
from efficientnet_lite.version import __version__

OPSET, IR_VERSION = 13, 7
BATCH = "batch"  # what the free first dimension of input and outputs is called
DESCRIPTION = "EfficientNet-Lite, written by efficientnet-lite"


def write_onnx(
    plan: Plan,
    layers: Mapping[str, Layer],
    *,
    outputs: Sequence[str] = ("probabilities",),
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """A float32 file: `images` (batch, S, S, 3) in [0, 1] to each of `outputs`, for any batch.

    `probabilities` and `logits` are (batch, classes), `features` the pooled (batch, 1280). The
    normalisation (255 x - 127) / 128 is two scalar operators in front, then one transposition to
    ONNX's channel order. Equal arguments give equal bytes.

    Args:
        layers: `network.fold.fold` of the parameters.
        outputs: in the file's order, each once.
        metadata: key -> text for the file's `metadata_props`.
    """
    tensors = {name: TENSORS[name] for name in outputs}
    graph = _Graph({tensor: name for name, tensor in tensors.items()})
    graph.normalize()
    for step in needed_steps(plan, list(tensors.values())):
        graph.add(step, plan.sides().get(step.source, 1), layers)
    lengths = {name: FEATURES if name == POOLED else plan.classes for name in outputs}
    model: ModelProto = helper.make_model(
        helper.make_graph(
            graph.nodes,
            f"efficientnet-{plan.variant.name}",
            [helper.make_tensor_value_info(IMAGES, TensorProto.FLOAT, [BATCH, plan.size, plan.size, 3])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, [BATCH, length])
                for name, length in lengths.items()
            ],
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="efficientnet-lite",
        producer_version=__version__,
        doc_string=DESCRIPTION,
    )
    helper.set_model_props(model, dict(sorted((metadata or {}).items())))
    checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


@dataclass(slots=True)
class _Graph:
    """Nodes and arrays while they are being listed."""

    public: Mapping[str, str]  # tensor of the plan -> its name as an output
    nodes: list[Any] = field(default_factory=list)
    initializers: list[Any] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)  # tensor of the plan -> its name in the file

    def array(self, name: str, values: npt.NDArray[np.generic]) -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def normalize(self) -> None:
        """`images`, (N, S, S, 3) in [0, 1], to the tensor that the stem reads, (N, 3, S, S)."""
        scale = self.array("scale", np.array(255 / STDDEV, np.float32))
        offset = self.array("offset", np.array(MEAN / STDDEV, np.float32))
        scaled = self.node("Mul", [IMAGES, scale], "scaled")
        centered = self.node("Sub", [scaled, offset], "centered")
        self.names[INPUT] = self.node("Transpose", [centered], INPUT, perm=[0, 3, 1, 2])
        self.array("relu6/min", np.array(0, np.float32))
        self.array("relu6/max", np.array(6, np.float32))

    def add(self, step: Step, side: int, layers: Mapping[str, Layer]) -> None:
        """The nodes of one step, which reads a tensor of `side` pixels."""
        name, source = tensor_name(step, self.public), self.names[step.source]
        match step:
            case Conv():
                self._convolve(step, name, source, side, layers[step.name])
            case Add():
                self.node("Add", [source, self.names[step.skip]], name)
            case Pool():
                name = self.public.get(step.name, f"{step.name}/flat")
                self.node("GlobalAveragePool", [source], "pooled_features")
                self.node("Flatten", ["pooled_features"], name, axis=1)
            case Dense():
                kernel = self.array(f"{step.name}/kernel", layers[step.name].kernel)
                bias = self.array(f"{step.name}/bias", layers[step.name].bias)
                self.node("Gemm", [source, kernel, bias], name)
            case Softmax():
                self.node("Softmax", [source], name, axis=1)
        self.names[step.name] = name

    def _convolve(self, step: Conv, name: str, source: str, side: int, layer: Layer) -> None:
        """With TensorFlow's SAME padding spelled out: the odd pixel comes behind, as SAME_UPPER has it.

        Spelled out, since not every consumer of ONNX knows `auto_pad`.
        """
        before, after = same_padding(side, step.kernel, step.stride)
        # HWIO and (k, k, C, 1) both to (outputs, inputs of a group, k, k)
        axes = (2, 3, 0, 1) if step.depthwise else (3, 2, 0, 1)
        kernel = self.array(f"{step.name}/kernel", layer.kernel.transpose(axes))
        bias = self.array(f"{step.name}/bias", layer.bias)
        self.node(
            "Conv",
            [source, kernel, bias],
            f"{name}/linear" if step.relu6 else name,
            kernel_shape=[step.kernel, step.kernel],
            strides=[step.stride, step.stride],
            pads=[before, before, after, after],
            group=step.outputs if step.depthwise else 1,
        )
        if step.relu6:
            self.node("Clip", [f"{name}/linear", "relu6/min", "relu6/max"], name)
