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
    from efficientnet_lite.commands.check import check
    from efficientnet_lite.commands.export import export
    from efficientnet_lite.commands.keras import create_model, save_weights
    from efficientnet_lite.commands.train import train
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
    from efficientnet_lite.run.source import open_source as load
    from efficientnet_lite.runtimes.model import Model

from efficientnet_lite.version import __version__ as __version__

_ERRORS = "errors"
_HOMES = {  # public name -> module, and its name there where that differs
    "ArtifactError": _ERRORS,
    "CheckpointError": _ERRORS,
    "EfficientNetLiteError": _ERRORS,
    "Model": "runtimes.model",
    "OutputFailed": _ERRORS,
    "UnreadablePhoto": _ERRORS,
    "UnusableDataset": _ERRORS,
    "UnusableInput": _ERRORS,
    "UsageError": _ERRORS,
    "VARIANTS": "network.plan",
    "VerificationFailed": _ERRORS,
    "WeightsMissing": _ERRORS,
    "WrongType": _ERRORS,
    "check": "commands.check",
    "create_model": "commands.keras",
    "export": "commands.export",
    "load": "run.source:open_source",
    "save_weights": "commands.keras",
    "train": "commands.train",
    "verify": "commands.verify",
}

__all__ = [
    "VARIANTS",
    "ArtifactError",
    "CheckpointError",
    "EfficientNetLiteError",
    "Model",
    "OutputFailed",
    "UnreadablePhoto",
    "UnusableDataset",
    "UnusableInput",
    "UsageError",
    "VerificationFailed",
    "WeightsMissing",
    "WrongType",
    "__version__",
    "check",
    "create_model",
    "export",
    "load",
    "save_weights",
    "train",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, other = _HOMES[name].partition(":")
    return getattr(import_module(f"{__name__}.{module}"), other or name)


def __dir__() -> list[str]:
    return sorted(__all__)
