"""On which boards a file fits: the arithmetic here, the tools' own figures in tests/vela and tests/tflm."""

import pytest

from efficientnet_lite.chips.boards import BOARDS, KIB, MIB, Board
from efficientnet_lite.chips.fitting import (
    PROGRAM_FLASH,
    PROGRAM_RAM,
    Needs,
    fits_on,
    needs_of,
    planned_bytes,
)
from efficientnet_lite.chips.sizes import blank_file
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.strangers.structure import check_model
from efficientnet_lite.vocabulary import ETHOS_U_TARGETS

PLAN = make_plan(VARIANTS["lite0"], size=96, classes=10)


def board(flash, ram, more=0, npus=()):
    return Board("B", "C", npus, flash, ram, more, "here", seen=True)


@pytest.mark.parametrize(("size", "found"), [(96, 276_480), (224, 1_505_280)])
def test_the_tensors_take_what_tflite_micro_plans_for_them(size, found):
    assert planned_bytes(make_plan(VARIANTS["lite0"], size=size)) == found


def test_a_plan_and_a_file_of_it_take_the_same():
    assert needs_of(check_model(blank_file(PLAN)), 7).tensors == planned_bytes(PLAN)


@pytest.mark.parametrize(
    ("there", "way", "short", "size"),
    [
        (board(4 * MIB, 600 * KIB), "cpu", (0, 0), None),
        (board(4 * MIB, 400 * KIB, 600 * KIB), "cpu, arena outside of the chip", (0, 0), None),
        (board(4 * MIB, 400 * KIB, npus=("ethos-u55-64",)), "npu", (0, 0), None),
        (board(4 * MIB, 200 * KIB, npus=("ethos-u55-64",)), "npu, compiled for size", (0, 0), None),
        (board(4 * MIB, 50 * KIB, 9 * MIB, npus=("ethos-u65-256",)), "npu", (0, 0), None),
        (board(4 * MIB, 50 * KIB, 9 * MIB, npus=("ethos-u55-64",)), "too large", (0, 138_752), None),
        (board(3 * MIB, 600 * KIB), "too large", (PROGRAM_FLASH, 0), None),
        (board(4 * MIB, 470 * KIB), "too large", (0, 276_480 + 200_000 + PROGRAM_RAM - 470 * KIB), 64),
        (board(4 * MIB, 200 * KIB), "too large", (0, 276_480 + 200_000 + PROGRAM_RAM - 200 * KIB), None),
    ],
)
def test_a_file_fits_where_flash_and_one_piece_of_ram_suffice(there, way, short, size):
    (fit,) = fits_on(Needs(flash=3 * MIB, tensors=276_480, kept=200_000), PLAN, [there])

    assert fit.way == way
    assert (fit.flash_short, fit.ram_short) == pytest.approx(short, abs=2)
    assert fit.size == size


def test_of_another_network_no_size_is_named():
    (fit,) = fits_on(Needs(3 * MIB, 276_480, 200_000), None, [board(4 * MIB, 470 * KIB)])

    assert (fit.fits, fit.size) == (False, None)


def test_the_boards_are_told_apart_and_each_has_its_source():
    assert len({each.name for each in BOARDS}) == len(BOARDS)
    for each in BOARDS:
        assert each.source
        assert set(each.npus) <= set(ETHOS_U_TARGETS)
        assert each.seen == (" memory" not in each.source)
        assert each.flash_bytes >= MIB
