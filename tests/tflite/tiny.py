"""Two small classifiers, float and full-int8, and ways to spoil them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.tflite.container import Graph, Quantization
from efficientnet_lite.tflite.identity import OWN_ENTRY, Identity
from efficientnet_lite.tflite.label_files import label_files, pack_labels
from efficientnet_lite.tflite.metadata import TEXT_ENTRY, build_metadata

SIZE, CLASSES = 32, 4
LABELS = ("apple", "pear", "plum", "quince")
GERMAN = ("Apfel", "Birne", "Pflaume", "Quitte")
FILES = label_files(LABELS, {"de": GERMAN})
IDENTITY = Identity(
    variant="lite0",
    contract=Contract(SIZE),
    precision="float32",
    outputs=("probabilities",),
    classes=CLASSES,
    labels_sha256="1" * 64,
    weights_sha256="2" * 64,
    package_version="0.1.0",
)


def tiny(precision: Literal["float32", "int8"] = "float32", *, labels: bool = True) -> bytes:
    """`images` (1, 32, 32, 3), a convolution, the mean, a dense layer, softmax; with metadata and labels.

    The float file takes [0, 1], the int8 file raw uint8 pixels; both give (1, 4).
    """
    metadata = {
        TEXT_ENTRY: build_metadata(
            Contract(SIZE),
            name="tiny",
            description="a classifier of fruit",
            version="1",
            outputs=["probabilities"],
            input_range="codes" if precision == "int8" else "unit",
            files=list(FILES),
            license="Apache-2.0",
        ),
        OWN_ENTRY: replace(IDENTITY, precision=precision).to_bytes(),
    }
    model = _float_model(metadata) if precision == "float32" else _int8_model(metadata)
    return pack_labels(model, FILES) if labels else model


def changed(model: bytes, change: Callable[[Any], None]) -> bytes:
    """`model` with `change` applied to its ModelT, written anew; files behind it are lost."""
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    change(tree)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _float_model(metadata: dict[str, bytes]) -> bytes:
    random, graph = np.random.default_rng(0), Graph()

    def weights(name: str, *shape: int) -> int:
        return graph.tensor(name, shape, "float32", data=random.normal(size=shape).astype(np.float32))

    image = graph.tensor("images", (1, SIZE, SIZE, 3), "float32")
    convolved = graph.tensor("convolved", (1, SIZE // 2, SIZE // 2, 8), "float32")
    graph.operator(
        "CONV_2D",
        [image, weights("kernel", 8, 3, 3, 3), weights("bias", 8)],
        [convolved],
        schema.Conv2DOptionsT(
            strideH=2, strideW=2, fusedActivationFunction=schema.ActivationFunctionType.RELU6
        ),
    )
    pooled = graph.tensor("pooled", (1, 8), "float32")
    axes = graph.tensor("axes", (2,), "int32", data=np.array([1, 2], np.int32))
    graph.operator("MEAN", [convolved, axes], [pooled], schema.ReducerOptionsT())
    logits = graph.tensor("logits", (1, CLASSES), "float32")
    dense = [pooled, weights("dense/kernel", CLASSES, 8), weights("dense/bias", CLASSES)]
    graph.operator("FULLY_CONNECTED", dense, [logits], schema.FullyConnectedOptionsT())
    result = graph.tensor("probabilities", (1, CLASSES), "float32")
    graph.operator("SOFTMAX", [logits], [result], schema.SoftmaxOptionsT(beta=1.0))
    return graph.finish(
        inputs={"images": image}, outputs={"probabilities": result}, description="tiny", metadata=metadata
    )


def _int8_model(metadata: dict[str, bytes]) -> bytes:
    random, graph = np.random.default_rng(0), Graph()
    kernel_scales = np.linspace(0.01, 0.02, 8).astype(np.float32)

    def tensor(name: str, shape: tuple[int, ...], scale: float, zero_point: int, dtype: Any = "int8") -> int:
        quantization = Quantization(np.array([scale], np.float32), zero_point)
        return graph.tensor(name, shape, dtype, quantization=quantization)

    def weights(name: str, shape: tuple[int, ...], scales: Any) -> int:
        data = random.integers(-127, 128, shape).astype(np.int8)
        return graph.tensor(name, shape, "int8", quantization=Quantization(scales), data=data)

    def bias(name: str, scales: Any) -> int:
        data = random.integers(-99, 99, scales.shape).astype(np.int32)
        return graph.tensor(name, scales.shape, "int32", quantization=Quantization(scales), data=data)

    image = tensor("images", (1, SIZE, SIZE, 3), 1 / 128, 127, "uint8")
    codes = tensor("codes", (1, SIZE, SIZE, 3), 1 / 128, -1)
    graph.operator("QUANTIZE", [image], [codes], schema.QuantizeOptionsT())
    convolved = tensor("convolved", (1, SIZE // 2, SIZE // 2, 8), 6 / 255, -128)
    graph.operator(
        "CONV_2D",
        [
            codes,
            weights("kernel", (8, 3, 3, 3), kernel_scales),
            bias("bias", kernel_scales / np.float32(128)),
        ],
        [convolved],
        schema.Conv2DOptionsT(
            strideH=2, strideW=2, fusedActivationFunction=schema.ActivationFunctionType.RELU6
        ),
        version=3,
    )
    pooled = tensor("pooled", (1, 8), 6 / 255, -128)
    axes = graph.tensor("axes", (2,), "int32", data=np.array([1, 2], np.int32))
    graph.operator("MEAN", [convolved, axes], [pooled], schema.ReducerOptionsT(), version=2)
    dense_scale = np.array([0.02], np.float32)
    logits = graph.tensor(
        "logits", (1, CLASSES), "int8", quantization=Quantization(np.array([0.1], np.float32))
    )
    dense_scales = dense_scale.repeat(CLASSES)
    dense = [
        pooled,
        weights("dense/kernel", (CLASSES, 8), dense_scales),
        bias("dense/bias", dense_scales * np.float32(6 / 255)),
    ]
    graph.operator("FULLY_CONNECTED", dense, [logits], schema.FullyConnectedOptionsT(), version=4)
    chances = tensor("chances", (1, CLASSES), 1 / 256, -128)
    graph.operator("SOFTMAX", [logits], [chances], schema.SoftmaxOptionsT(beta=1.0), version=2)
    result = tensor("probabilities", (1, CLASSES), 1 / 256, 0, "uint8")
    graph.operator("QUANTIZE", [chances], [result], schema.QuantizeOptionsT())
    return graph.finish(
        inputs={"images": image}, outputs={"probabilities": result}, description="tiny", metadata=metadata
    )
