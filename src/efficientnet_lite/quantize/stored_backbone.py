"""A quantized backbone as bytes for the cache, and back. NumPy's own container, without pickles."""

import io
import json

import numpy as np

from efficientnet_lite.quantize.stages import QuantizedBackbone
from efficientnet_lite.tflite.int8 import IntegerLayer, IntegerNetwork
from efficientnet_lite.tflite.quantmath import Scale
from efficientnet_lite.zipped import array_names, read_arrays

_PARTS = ("kernel", "scales", "bias")
# What is said of other bytes; a RecursionError is JSON that is nested without end.
_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)


def to_bytes(backbone: QuantizedBackbone) -> bytes:
    """Everything in `backbone`; `from_bytes` gives it back."""
    network = backbone.network
    arrays = {
        f"{name}:{part}": getattr(layer, part) for name, layer in network.layers.items() for part in _PARTS
    }
    scales = {name: [scale.scale, scale.zero_point] for name, scale in network.tensors.items()}
    arrays["scales"] = np.frombuffer(json.dumps(scales).encode(), np.uint8)
    arrays["true_features"], arrays["features"] = backbone.true_features, backbone.features
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def from_bytes(data: bytes) -> QuantizedBackbone | None:
    """What `to_bytes` wrote, or None where it is something else."""
    try:
        arrays = read_arrays(data, array_names(data), limit=len(data))  # `to_bytes` does not compress
        scales = json.loads(arrays["scales"].tobytes())
        names = {key.rpartition(":")[0] for key in arrays if ":" in key}
        layers = {
            name: IntegerLayer(*(arrays[f"{name}:{part}"] for part in _PARTS)) for name in sorted(names)
        }
        tensors = {name: Scale(float(scale), int(zero)) for name, (scale, zero) in scales.items()}
        return QuantizedBackbone(IntegerNetwork(layers, tensors), arrays["true_features"], arrays["features"])
    except _DAMAGE:
        return None
