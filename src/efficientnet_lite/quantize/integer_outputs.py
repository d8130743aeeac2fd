"""What the file of a network in integers gives, as reals."""

from collections.abc import Collection, Mapping

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import Plan
from efficientnet_lite.photos.views import Image
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.runtimes.file_answers import FileAnswers
from efficientnet_lite.tflite.float import Output
from efficientnet_lite.tflite.int8 import ALL_INT8, IntegerNetwork, write_int8


def last_output(plan: Plan) -> Output:
    """Where noise is counted: the logits, or the features of a plan without a head."""
    return "features" if plan.classes is None else "logits"


def integer_outputs(
    plan: Plan,
    network: IntegerNetwork,
    output: Output,
    images: Collection[Image],
    *,
    workers: int,
    kept: Mapping[str, Layer | None] = ALL_INT8,
    on_progress: OnProgress | None = None,
) -> Array:
    """`output` on LiteRT for each of `images`, uint8 (S, S, 3), as reals, (N, C).

    Args:
        kept: what the file keeps in float, as in `write_int8`.
    """
    return FileAnswers(write_int8(plan, network, kept=kept, outputs=(output,)), workers=workers)(
        images, on_progress
    )
