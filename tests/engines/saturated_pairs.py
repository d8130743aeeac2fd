"""What a 1x1 convolution gives where every two products are added in 16 bits, and OpenVINO beside it.

AVX2 and AVX-512 without VNNI multiply unsigned by signed bytes and add pairs of products with VPMADDUBSW, which
saturates at 16 bits: 2 x 255 x 127 does not fit. VNNI adds four products in 32 bits.
Source: Intel's and oneDNN's "Nuances of int8 computations"; the order of pairs was found by trying.

    python saturated_pairs.py NETWORK.pickle        a JSON document: layer -> how far OpenVINO is from both

A script, since oneDNN reads ONEDNN_MAX_CPU_ISA when it is first used.
"""

import json
import pickle
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # benchmarks/ is run from the root

from benchmarks.kernels import operator_file

from efficientnet_lite.network.plan import INPUT, PROBABILITIES, Conv
from efficientnet_lite.tflite.integer_run import clamp, conv_factor, run_integers
from efficientnet_lite.tflite.quantmath import INPUT_SCALE, SOFTMAX_SCALE

INT16 = (-(2**15), 2**15 - 1)


def saturated(x, step, layer, read, made):
    """The codes of the 1x1 convolution `step` of `x`, int8 (N, H, W, C), with sums of pairs cut to 16 bits."""
    kernel = layer.kernel[0, 0].astype(np.int64)  # (inputs, outputs)
    unsigned = x.reshape(-1, x.shape[-1]).astype(np.int64) + 128
    if odd := unsigned.shape[1] % 2:
        unsigned, kernel = np.pad(unsigned, ((0, 0), (0, odd))), np.pad(kernel, ((0, odd), (0, 0)))
    pairs = unsigned[:, 0::2, None] * kernel[0::2] + unsigned[:, 1::2, None] * kernel[1::2]
    total = pairs.clip(*INT16).sum(axis=1) - (read.zero_point + 128) * kernel.sum(axis=0) + layer.bias
    low, high = clamp(made, relu6=step.relu6)
    codes = conv_factor(layer, read, made).times(total) + made.zero_point
    return codes.clip(low, high).reshape(*x.shape[:3], -1)


def of_openvino(data, x, place):
    """What OpenVINO gives for the one-operator file `data` and the codes `x`."""
    import openvino as ov

    place.write_bytes(data)  # it opens .tflite files by their paths alone
    core = ov.Core()
    options = {"INFERENCE_NUM_THREADS": 1, "EXECUTION_MODE_HINT": "ACCURACY"}
    return np.asarray(core.compile_model(core.read_model(place), "CPU", options)([x])[0])


def gaps(plan, network, image, folder):
    """Step -> shares of codes that differ, and largest differences, from the exact and the saturated sums."""
    tensors = run_integers(plan.steps, network, image[None])
    scales = {INPUT: INPUT_SCALE, PROBABILITIES: SOFTMAX_SCALE, **network.tensors}
    shapes = {name: codes.shape for name, codes in tensors.items()}
    found = {}
    for step in plan.steps:
        if not isinstance(step, Conv) or step.kernel != 1:
            continue
        x = tensors[step.source]
        _, data = operator_file(step, network, scales, shapes)
        given = of_openvino(data, x, folder / "one.tflite").astype(int)
        cut = saturated(x, step, network.layers[step.name], scales[step.source], scales[step.name])
        found[step.name] = {
            said: {"share": float((given != codes).mean()), "codes": int(np.abs(given - codes).max())}
            for said, codes in (("exact", tensors[step.name]), ("saturated", cut))
        }
    return found


if __name__ == "__main__":
    plan, network, image = pickle.loads(Path(sys.argv[1]).read_bytes())
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(gaps(plan, network, image, Path(folder))))
