"""What the configuration of a Keras model says of its last layer; nothing in it is built or called.

Source: keras, layers/core/dense.py (`Dense.get_config`), activations/__init__.py (`serialize`).
"""

from pathlib import Path

from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import CheckpointError

SOFTMAX_OR_NONE = (None, "linear", "softmax", "log_softmax")  # all of which our files leave to the end


def check_head(config: bytes | str, layer: str, where: Path | str) -> None:
    """Raise CheckpointError where the dense layer `layer` has an activation that no classifier of ours has.

    A configuration that cannot be read says nothing.
    """
    try:
        waiting = [json_value(config)]
    except ValueError:
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
            inner = value.get("config")
            if value.get("class_name") == "Dense" and isinstance(inner, dict) and inner.get("name") == layer:
                activation = inner.get("activation")
                if activation not in SOFTMAX_OR_NONE:
                    raise CheckpointError(
                        f"its head {layer} has the activation {str(activation)[:40]}, expected softmax or none",
                        where=where,
                        fix="train it with softmax or without activation: the classes exclude each other here",
                    )
        elif isinstance(value, list):
            waiting += value
