"""The libraries of the extra `train`, which are loaded when something is about to learn by them."""

from efficientnet_lite import extras
from efficientnet_lite.errors import CALL


def require_fine_tuning(*, quantization_aware: bool = False) -> None:
    """Raise UsageError where a fine-tuning has no Keras, or what follows it no TensorFlow; loads it and its backend."""
    with extras.needed("`fine_tune=True` needs Keras and TensorFlow", where=CALL, saying_why=True):
        from efficientnet_lite.training import fine_tuned  # noqa: F401
    if quantization_aware:
        with extras.needed("`quantization_aware=True` needs TensorFlow", where=CALL, saying_why=True):
            from efficientnet_lite.training import quantization_aware as _  # noqa: F401


def require_recipe() -> None:
    """Raise UsageError where a training by a recipe has no Keras, no backend or no Grain; loads them."""
    with extras.needed("`recipe=` needs Keras, TensorFlow or JAX, and Grain", where=CALL, saying_why=True):
        from efficientnet_lite.training import devices, pretraining  # noqa: F401


def require_tensorboard() -> None:
    """Raise UsageError where TensorBoard's library is not installed."""
    install = f"{extras.TRAIN} tensorboard"
    with extras.needed("`tensorboard=` needs the library", where=CALL, install=install, saying_why=True):
        from efficientnet_lite.training import tensorboard  # noqa: F401
