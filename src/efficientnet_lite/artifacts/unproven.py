"""An int8 file of a network that nobody has shown a photo: for questions of memory and time, never to be published.

Where its tensors lie, how its weights compress and which operators it has hang on weights and shapes; the scales of
its activations, which photos would set, change none of it.
"""

from efficientnet_lite.artifacts.origin import Origin
from efficientnet_lite.proof.parity import fixed_inputs
from efficientnet_lite.quantize.method import PLAIN
from efficientnet_lite.quantize.stages import quantize
from efficientnet_lite.tflite.artifact import INT8, About, int8_artifact


def unproven_int8(origin: Origin) -> bytes:
    """The int8 file of `origin` as `export` would write it, but for its scales, which fixed noise has set.

    Raises CheckpointError or ArtifactError where the weights cannot be had in int8.
    """
    layers, outputs = origin.layers(), ("features",) if origin.plan.classes is None else ("probabilities",)
    made = quantize(origin.plan, layers, list(fixed_inputs(origin.plan.size)), method=PLAIN, workers=1)
    about = About(
        origin.contract,
        origin.weights.sha256,
        origin.weights.license,
        outputs,
        origin.labels_of(outputs),
        origin.translations,
    )
    return int8_artifact(origin.plan, made.network, about, INT8)
