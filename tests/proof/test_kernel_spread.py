"""How far apart LiteRT's kernels are on a file, measured on the file itself, and what would end the process."""

from dataclasses import replace

import numpy as np
import pytest
from rounded_network import coarse_images, float_tensors, random_layers, rounded_network

from efficientnet_lite.figures import within
from efficientnet_lite.network.plan import DENSE, VARIANTS, make_plan
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.proof.kernel_spread import KernelSpread, kernel_spread
from efficientnet_lite.runtimes.model_files import model_from_bytes
from efficientnet_lite.tflite.artifact import About, Form, int8_artifact
from efficientnet_lite.tflite.int8 import IntegerNetwork
from efficientnet_lite.tflite.integer_run import answers
from efficientnet_lite.tflite.quantmath import Scale


def made(classes, io="uint8", outputs=("probabilities",), flat=False):
    """A file of random weights at 32 pixels as a model, its images, its plan and its integers."""
    plan = make_plan(VARIANTS["lite0"], size=32, classes=classes)
    layers, images = random_layers(plan), coarse_images(plan, 3)
    network = rounded_network(plan, layers, float_tensors(plan, layers, images))
    if flat:
        dense = network.layers[DENSE]
        still = replace(dense, kernel=np.zeros_like(dense.kernel), bias=np.zeros_like(dense.bias))
        network = IntegerNetwork({**network.layers, DENSE: still}, {**network.tensors, DENSE: Scale(0.1, 0)})
    about = About(Contract(32), "1" * 64, "none", outputs)
    data = int8_artifact(plan, network, about, Form("int8", io))
    return model_from_bytes(data, where="file", workers=1), images, plan, network


def test_it_is_the_largest_difference_from_the_default_kernels_and_of_the_reference_ones_as_numpy_knows_them():
    model, images, plan, network = made(5)
    found = model.run(images)

    spread = kernel_spread(model, images, found)

    assert spread.inputs == 3
    assert spread.codes.keys() == {"xnnpack, 2 threads", "optimized", "reference"}
    assert spread.codes["xnnpack, 2 threads"] == 0
    true = answers(plan, network, images)["probabilities"].astype(int)
    assert spread.codes["reference"] == np.abs(true - found["probabilities"]).max()
    assert spread.most == max(spread.codes.values())


def test_outputs_that_were_changed_are_seen():
    model, images, _, _ = made(5)
    found = {name: values.astype(int) - 100 for name, values in model.run(images).items()}

    assert kernel_spread(model, images, found).codes["xnnpack, 2 threads"] == 100


def test_reference_kernels_are_left_out_where_their_softmax_would_end_the_process():
    model, images, _, _ = made(1000, flat=True)

    spread = kernel_spread(model, images, model.run(images))

    assert spread.codes.keys() == {"xnnpack, 2 threads", "optimized"}
    assert spread.where == "all kernels but the reference ones"


def test_a_file_that_gives_reals_has_no_codes():
    model, images, _, _ = made(5, io="float32")
    inputs = images / np.float32(255)

    assert kernel_spread(model, inputs, model.run(inputs)) is None


@pytest.mark.parametrize(("codes", "said"), [(0, "to the code"), (1, "within 1 code"), (9, "within 9 codes")])
def test_it_is_said_as_people_say_it(codes, said):
    assert within(KernelSpread(5, {"reference": codes}).most) == said
