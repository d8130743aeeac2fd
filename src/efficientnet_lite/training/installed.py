"""The libraries of the extra `train`, which are loaded when something is about to learn by them."""

from collections.abc import Iterator
from contextlib import contextmanager

from efficientnet_lite.errors import CALL, UsageError

INSTALL = "pip install 'efficientnet-lite[train]'"


@contextmanager
def needed(by: str, what: str, *, install: str = INSTALL) -> Iterator[None]:
    """Imports in the block are of libraries that the argument `by` needs; raises UsageError where one is missing."""
    try:
        yield
    except ImportError as error:
        raise UsageError(f"`{by}=` needs {what}: {error}", where=CALL, fix=install) from error


def require_fine_tuning() -> None:
    """Raise UsageError where a fine-tuning has no Keras; loads it and its backend."""
    with needed("fine_tuning", "Keras and TensorFlow"):
        from efficientnet_lite.training import fine_tuned  # noqa: F401


def require_recipe() -> None:
    """Raise UsageError where a training by a recipe has no Keras, no backend or no Grain; loads them."""
    with needed("recipe", "Keras, TensorFlow or JAX, and Grain"):
        from efficientnet_lite.training import devices, pretraining  # noqa: F401


def require_tensorboard() -> None:
    """Raise UsageError where TensorBoard's library is not installed."""
    with needed("tensorboard", "the library", install=f"{INSTALL} tensorboard"):
        from efficientnet_lite.training import tensorboard  # noqa: F401
