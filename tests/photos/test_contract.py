"""The preprocessing contract: its geometry against the reference's arithmetic, and what it refuses to read."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.photos import contract
from efficientnet_lite.photos.contract import Contract, center_crop, reference_padding

sides = st.integers(1, 20_000)
sizes = st.integers(1, 2048)
paddings = st.integers(0, 512)
contracts = st.builds(
    Contract,
    size=st.integers(1, 4096),
    view=st.sampled_from(contract.VIEWS),
    crop_padding=st.integers(0, 4096),
    mean=st.integers(0, 255),
    stddev=st.integers(1, 255),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)


@given(sides, sides, sizes, paddings)
def test_the_crop_is_a_square_inside_the_photo_and_centered(height, width, size, padding):
    box = center_crop(height, width, size, padding)

    assert box.height == box.width >= 1
    assert box.top >= 0
    assert box.left >= 0
    below, right = height - box.top - box.height, width - box.left - box.width
    assert 0 <= box.top - below <= 1  # an odd pixel goes above and to the left, as in the reference
    assert 0 <= box.left - right <= 1


@given(sides, sides, sizes, paddings)
def test_the_crop_does_not_depend_on_which_side_is_which(height, width, size, padding):
    box = center_crop(height, width, size, padding)
    turned = center_crop(width, height, size, padding)

    assert (turned.left, turned.top, turned.height) == (box.top, box.left, box.height)


@given(sides, sizes)
def test_without_padding_the_whole_short_side_is_kept(side, size):
    assert center_crop(side, 2 * side, size, 0).height == side


@pytest.mark.parametrize("size", [224, 240, 260, 280, 300, 380])
@pytest.mark.parametrize("padding", [lambda size: contract.CROP_PADDING, reference_padding])
def test_the_crop_has_the_side_that_the_reference_computes_in_float32(size, padding):
    fraction = np.float32(size / (size + padding(size)))

    ours = [center_crop(side, side, size, padding(size)).height for side in range(1, 6001)]

    reference = np.maximum(1, (fraction * np.arange(1, 6001, dtype=np.float32)).astype(np.int32))
    np.testing.assert_array_equal(ours, reference)


@pytest.mark.parametrize(
    ("size", "padding"), [(224, 32), (240, 34), (260, 37), (280, 40), (300, 43), (380, 54)]
)
def test_the_references_padding_is_a_seventh_of_the_size(size, padding):
    assert reference_padding(size) == padding


@pytest.mark.parametrize("arguments", [(0, 5, 5), (5, 0, 5), (5, 5, 0), (-1, 5, 5), (5, 5, 5, -1)])
def test_a_crop_of_nothing_is_a_callers_bug(arguments):
    with pytest.raises(ValueError, match="at least 1 pixel"):
        center_crop(*arguments)


@given(contracts)
def test_a_contract_survives_json(value):
    text = json.dumps(value.to_json())

    assert Contract.from_json(json.loads(text), where="card.json") == value


def test_a_field_of_a_later_version_is_passed_over():
    fields = Contract(240).to_json() | {"invented_later": [1]}

    assert Contract.from_json(fields, where="card.json") == Contract(240)


@given(contracts, st.sampled_from(list(asdict(Contract(1)))), json_values)
def test_a_damaged_field_gives_a_sound_contract_or_an_error_that_names_it(value, field, damage):
    fields = value.to_json() | {field: damage}

    try:
        found: Contract | ArtifactError = Contract.from_json(fields, where="model.tflite")
    except ArtifactError as error:
        found = error

    if isinstance(found, Contract):
        assert found == replace(value, **{field: damage})
        assert type(damage) is type(getattr(value, field))
    else:
        assert repr(field) in found.what
        assert found.where == "model.tflite"


@pytest.mark.parametrize("field", list(asdict(Contract(1))))
def test_a_missing_field_is_an_error_that_names_it(field):
    fields = Contract(240).to_json()
    del fields[field]

    with pytest.raises(ArtifactError, match=f"no usable '{field}'"):
        Contract.from_json(fields, where="card.json")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", 0),
        ("size", 10**9),
        ("size", True),
        ("size", 224.0),
        ("size", "224"),
        ("stddev", 0),
        ("mean", -1),
        ("mean", 256),
        ("crop_padding", -1),
        ("view", "Crop"),
        ("view", None),
        ("view", ["crop"]),
    ],
)
def test_a_value_outside_its_range_or_of_another_kind_is_refused(field, value):
    with pytest.raises(ArtifactError, match=field):
        Contract.from_json(Contract(240).to_json() | {field: value}, where="card.json")


@given(json_values)
def test_what_is_no_contract_at_all_is_refused(value):
    with pytest.raises(ArtifactError, match="no usable"):
        Contract.from_json(value, where="card.json")
