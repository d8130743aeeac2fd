"""A quantized network as bytes for the cache, and back. NumPy's own container, without pickles."""

import io
import json
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.quantize.method import Gain, Quantized
from efficientnet_lite.tflite.int8 import IntegerLayer, IntegerNetwork
from efficientnet_lite.tflite.quantmath import Scale
from efficientnet_lite.zipped import array_names, read_arrays

_INTEGER, _FLOAT = ("kernel", "scales", "bias"), ("kernel", "bias")
_DOCUMENT = "document"
# What is said of other bytes; a RecursionError is JSON that is nested without end.
_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)


def to_bytes(quantized: Quantized) -> bytes:
    """Everything in `quantized`; `from_bytes` gives it back."""
    network, arrays = quantized.network, dict[str, Any]()
    for kind, layers, parts in (
        ("integer", network.layers, _INTEGER),
        ("float", quantized.prepared, _FLOAT),
    ):
        for name, layer in layers.items():
            arrays |= {f"{kind}:{name}:{part}": getattr(layer, part) for part in parts}
    document = {
        "scales": {name: [scale.scale, scale.zero_point] for name, scale in network.tensors.items()},
        "gains": [asdict(gain) for gain in quantized.gains],
    }
    arrays[_DOCUMENT] = np.frombuffer(json.dumps(document).encode(), np.uint8)
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def from_bytes(data: bytes) -> Quantized | None:
    """What `to_bytes` wrote, or None where it is something else."""
    try:
        arrays = read_arrays(data, array_names(data), limit=len(data))  # `to_bytes` does not compress
        document = json.loads(arrays[_DOCUMENT].tobytes())
        layers = {
            name: IntegerLayer(*(arrays[f"integer:{name}:{part}"] for part in _INTEGER))
            for name in _names(arrays, "integer")
        }
        prepared = {
            name: Layer(*(arrays[f"float:{name}:{part}"] for part in _FLOAT))
            for name in _names(arrays, "float")
        }
        scales = document["scales"]
        tensors = {name: Scale(float(scale), int(zero)) for name, (scale, zero) in scales.items()}
        gains = tuple(
            Gain(str(gain["stage"]), float(gain["snr_db"]), float(gain["seconds"]))
            for gain in document["gains"]
        )
        return Quantized(IntegerNetwork(layers, tensors), prepared, gains)
    except _DAMAGE:
        return None


def _names(arrays: dict[str, npt.NDArray[Any]], kind: str) -> list[str]:
    return sorted({key.split(":")[1] for key in arrays if key.startswith(f"{kind}:")})
