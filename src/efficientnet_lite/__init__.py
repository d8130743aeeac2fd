"""EfficientNet-Lite: from a folder of photos to a verified int8 file, without TensorFlow.

    import efficientnet_lite as el

    trained = el.train("photos/", "runs/clothing", model="lite1")
    model = el.load("runs/clothing")
    model.labels, model.predict(["a.jpg", "b.jpg"])
    el.export("lite0", "lite0.tflite", outputs=["features"])

Public names are resolved on first use, so that `import efficientnet_lite` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from efficientnet_lite.commands.cache import cache_clear, cache_list
    from efficientnet_lite.commands.check import check
    from efficientnet_lite.commands.doctor import doctor
    from efficientnet_lite.commands.duplicates import duplicates
    from efficientnet_lite.commands.embed import embed
    from efficientnet_lite.commands.embedder import Embedder
    from efficientnet_lite.commands.evaluate import evaluate
    from efficientnet_lite.commands.export import export
    from efficientnet_lite.commands.hub_cache import hub_cache
    from efficientnet_lite.commands.index import index
    from efficientnet_lite.commands.info import info
    from efficientnet_lite.commands.keras import create_model, save_weights
    from efficientnet_lite.commands.load import load
    from efficientnet_lite.commands.map import map
    from efficientnet_lite.commands.models import models
    from efficientnet_lite.commands.predict import predict
    from efficientnet_lite.commands.quantize_report import quantize_report
    from efficientnet_lite.commands.report import report
    from efficientnet_lite.commands.search import Vectors, search
    from efficientnet_lite.commands.shards import shards
    from efficientnet_lite.commands.train import train
    from efficientnet_lite.commands.transformer import EfficientNetLiteFeatures
    from efficientnet_lite.commands.verify import verify
    from efficientnet_lite.errors import (
        ArtifactError,
        CheckpointError,
        EfficientNetLiteError,
        OutputFailed,
        UnreadablePhoto,
        UnusableDataset,
        UnusableInput,
        UsageError,
        VerificationFailed,
        WeightsMissing,
        WrongType,
    )
    from efficientnet_lite.network.plan import VARIANTS
    from efficientnet_lite.runtimes.model import Model
    from efficientnet_lite.runtimes.prediction import Prediction

from efficientnet_lite.version import __version__ as __version__

_ERRORS = "errors"
_HOMES = {  # public name -> module
    "ArtifactError": _ERRORS,
    "CheckpointError": _ERRORS,
    "EfficientNetLiteError": _ERRORS,
    "EfficientNetLiteFeatures": "commands.transformer",
    "Embedder": "commands.embedder",
    "Model": "runtimes.model",
    "OutputFailed": _ERRORS,
    "Prediction": "runtimes.prediction",
    "UnreadablePhoto": _ERRORS,
    "UnusableDataset": _ERRORS,
    "UnusableInput": _ERRORS,
    "UsageError": _ERRORS,
    "VARIANTS": "network.plan",
    "Vectors": "commands.search",
    "VerificationFailed": _ERRORS,
    "WeightsMissing": _ERRORS,
    "WrongType": _ERRORS,
    "cache_clear": "commands.cache",
    "cache_list": "commands.cache",
    "check": "commands.check",
    "create_model": "commands.keras",
    "doctor": "commands.doctor",
    "duplicates": "commands.duplicates",
    "embed": "commands.embed",
    "evaluate": "commands.evaluate",
    "export": "commands.export",
    "hub_cache": "commands.hub_cache",
    "index": "commands.index",
    "info": "commands.info",
    "load": "commands.load",
    "map": "commands.map",
    "models": "commands.models",
    "predict": "commands.predict",
    "quantize_report": "commands.quantize_report",
    "report": "commands.report",
    "save_weights": "commands.keras",
    "search": "commands.search",
    "shards": "commands.shards",
    "train": "commands.train",
    "verify": "commands.verify",
}

__all__ = [
    "VARIANTS",
    "ArtifactError",
    "CheckpointError",
    "EfficientNetLiteError",
    "EfficientNetLiteFeatures",
    "Embedder",
    "Model",
    "OutputFailed",
    "Prediction",
    "UnreadablePhoto",
    "UnusableDataset",
    "UnusableInput",
    "UsageError",
    "Vectors",
    "VerificationFailed",
    "WeightsMissing",
    "WrongType",
    "__version__",
    "cache_clear",
    "cache_list",
    "check",
    "create_model",
    "doctor",
    "duplicates",
    "embed",
    "evaluate",
    "export",
    "hub_cache",
    "index",
    "info",
    "load",
    "map",
    "models",
    "predict",
    "quantize_report",
    "report",
    "save_weights",
    "search",
    "shards",
    "train",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
