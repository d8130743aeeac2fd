"""Libraries of the extras, which not everybody has: what is said where one is missing."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path

from efficientnet_lite.errors import UsageError
from efficientnet_lite.progress import ShowStage

TRAIN, ONNX = "pip install 'efficientnet-lite[train]'", "pip install 'efficientnet-lite[onnx]'"
EMBED = "pip install 'efficientnet-lite[embed]'"
RAY = "pip install 'efficientnet-lite[ray]'"
MAP = "pip install 'efficientnet-lite[map]'"
SEARCH = "pip install 'efficientnet-lite[search]'"
TFLM = "pip install 'efficientnet-lite[tflm]'"


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
