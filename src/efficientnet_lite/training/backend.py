"""What Keras has no word for and each backend has its own: gradients of a function, and compiling one."""

from collections.abc import Callable
from typing import Any

import keras

from efficientnet_lite.errors import UsageError

BACKENDS = ("tensorflow", "jax")

Differentiated = Callable[..., tuple[tuple[Any, Any], Any]]


def value_and_gradients(function: Callable[..., tuple[Any, Any]]) -> Differentiated:
    """Makes of `function`, (tensors, *others) -> (loss, more), one that gives ((loss, more), gradients).

    `tensors` is a dictionary, and so are the gradients with respect to it.
    """
    if backend_name() == "jax":
        import jax

        return jax.value_and_grad(function, has_aux=True)  # type: ignore[no-any-return]  # jax is not checked
    import tensorflow as tf

    def differentiated(tensors: dict[str, Any], *others: Any) -> tuple[tuple[Any, Any], Any]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(tensors)
            loss, more = function(tensors, *others)
        return (loss, more), tape.gradient(loss, tensors)

    return differentiated


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of nested dictionaries of tensors, compiled when it is first called with their shapes."""
    if backend_name() == "jax":
        import jax

        return jax.jit(function)  # type: ignore[no-any-return]  # jax is not checked
    import tensorflow as tf

    return tf.function(function)  # type: ignore[no-any-return]  # TensorFlow is not checked


def on_accelerator() -> bool:
    """Whether the backend computes on a GPU or TPU."""
    if backend_name() == "jax":
        import jax

        return bool(jax.default_backend() != "cpu")
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def backend_name() -> str:
    """Of Keras: "tensorflow" or "jax"; raises UsageError for another."""
    backend = str(keras.backend.backend())
    if backend not in BACKENDS:
        raise UsageError(
            f"training has no way to compute gradients with the Keras backend {backend}",
            where="KERAS_BACKEND",
            fix=f"set it to {' or '.join(BACKENDS)}",
        )
    return backend
