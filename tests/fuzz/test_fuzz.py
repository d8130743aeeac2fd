"""A small campaign in the default group, and that a campaign would notice what it looks for."""

import random

import campaign
import flatbuffers
import graphs
import pytest
from ai_edge_litert import schema_py_generated as schema

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.strangers.structure import check_model

FILES = 200
TYPES = [code for code in vars(schema.TensorType).values() if isinstance(code, int)]


def test_nobody_dies_of_a_file_that_passes():
    tally = campaign.campaign(0, 0, FILES)

    assert tally.killed == []
    assert tally.files == FILES
    assert tally.invoked > FILES // 3
    assert sum(tally.refused.values()) > FILES // 8


def test_without_the_check_somebody_dies():
    """About one file in a hundred kills LiteRT, so that far fewer than these 2,000 are opened."""
    parts = range(0, 2000, 50)

    assert any(campaign.campaign(0, first, first + 50, unchecked=True).killed for first in parts)


def test_a_file_depends_on_the_seed_and_its_number_alone():
    assert graphs.make(7, 3) == graphs.make(7, 3)
    assert len({graphs.make(number, seed) for number in (7, 8) for seed in (3, 4)}) == 4


def alone(number: int) -> bytes:
    """A sound file of one operator in form `number` of the list, with what that form needs."""
    for attempt in range(100):
        maker = graphs.Maker(random.Random(f"alone:{number}:{attempt}"))
        try:
            return maker.model(*graphs.FORMS[number], more=False)
        except graphs.Unfit:
            continue
    raise AssertionError("no such file comes about")


@pytest.mark.parametrize(
    "number", range(len(graphs.FORMS)), ids=lambda number: "-".join(graphs.FORMS[number])
)
def test_every_form_passes_and_its_result_has_one_type(number):
    model = alone(number)
    check_model(model)
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    result = tree.subgraphs[0].tensors[tree.subgraphs[0].operators[-1].outputs[0]]
    eight_bits = {schema.TensorType.INT8, schema.TensorType.UINT8}
    allowed = eight_bits if graphs.FORMS[number][0] == "QUANTIZE" else {result.type}

    for kind in set(TYPES) - allowed:
        result.type = kind
        builder = flatbuffers.Builder()
        builder.Finish(tree.Pack(builder), b"TFL3")
        with pytest.raises(ArtifactError):
            check_model(bytes(builder.Output()))
