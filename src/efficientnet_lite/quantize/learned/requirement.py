"""TensorFlow, the extra `train`, which is loaded when something is about to be learned."""

from efficientnet_lite import extras
from efficientnet_lite.errors import CALL


def require_learned() -> None:
    """Raise UsageError where TensorFlow is missing; loads it."""
    with extras.needed("`effort='best'` needs TensorFlow", where=CALL, saying_why=True):
        import tensorflow  # noqa: F401
