"""What LiteRT's reference kernels give for every tensor of a file: the other side of `tflite/integer_run.py`."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from efficientnet_lite.network.plan import Pool
from efficientnet_lite.tflite.int8 import write_int8


def differing(plan, network, tensors, pixels):
    """The steps whose codes in a written file are not those of `tensors`, with the largest difference.

    `pixels` are uint8 (1, S, S, 3).
    """
    interpreter = Interpreter(
        model_content=write_int8(plan, network),
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
    interpreter.invoke()
    index = {detail["name"]: detail["index"] for detail in interpreter.get_tensor_details()}
    found = {}
    for step in plan.steps:
        name = "pooled_features" if isinstance(step, Pool) else f"{step.name}/int8"
        gap = np.abs(interpreter.get_tensor(index[name]).astype(int) - tensors[step.name])
        if gap.any():
            found[step.name] = int(gap.max())
    return found
