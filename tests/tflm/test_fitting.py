"""What `info RUN` says of boards without asking anybody is what TFLite Micro measures."""

import numpy as np
import pytest

from efficientnet_lite.chips import micro
from efficientnet_lite.chips.fitting import needs_of
from efficientnet_lite.chips.sizes import blank_file
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.strangers.structure import check_model

pytest.importorskip("tflite_micro", reason="needs TFLite Micro: make test-tflm", exc_type=ImportError)


@pytest.mark.parametrize(("name", "size"), [("lite0", 96), ("lite0", 192), ("lite1", 96), ("lite4", 64)])
def test_the_estimated_arena_is_the_one_that_is_found(name, size):
    plan = make_plan(VARIANTS[name], size=size, classes=10)
    data = blank_file(plan)

    found = micro.measured(data, np.zeros((1, size, size, 3), np.uint8), where=name)

    estimated = needs_of(check_model(data), len(data))
    assert estimated.tensors == found.activation_bytes
    needed = found.arena_bytes + found.scratch_bytes
    assert needed <= estimated.arena <= 1.02 * needed
