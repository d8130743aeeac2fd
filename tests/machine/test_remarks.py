"""What is said of what does not work: nothing where all is well, one remark for one cause, and what to do about it."""

from pathlib import Path

import pytest

from efficientnet_lite.machine import remarks
from efficientnet_lite.machine.checkup import Cores, LibraryState, Memory, extra_state
from efficientnet_lite.machine.libraries import Library

GIGABYTE = 10**9
ROOMY = Memory(16 * GIGABYTE, 8 * GIGABYTE, None, None)


def library(folder, *also):
    return Library("quince", ">=2", "2.1", True, "quince", folder, also)


def state(name, what, through=""):
    return LibraryState(name, name, ">=2", "2.1" if what != "missing" else None, what, "rotten", through)


def test_of_a_sound_installation_nothing_is_said():
    here = Path("/venv/lib/python3.12/site-packages")

    assert list(remarks.of_libraries([state("quince", "good")], [])) == []
    assert list(remarks.of_folders([library(here)], "3.12")) == []
    assert list(remarks.of_record(library(here))) == []
    assert list(remarks.of_memory(ROOMY, trains=True)) == []
    assert list(remarks.of_cores(Cores(4, 8, None, 1.0))) == []
    assert list(remarks.of_encodings({"output": "UTF-8", "names of files": "utf_8"})) == []
    assert list(remarks.of_variables({"KERAS_BACKEND": "jax", "OMP_NUM_THREADS": "1"})) == []
    assert list(remarks.of_cache("", 10 * GIGABYTE)) == []
    assert list(remarks.of_package("0.1.0", "0.1.0", [])) == []
    assert list(remarks.of_tested("3.12", ("3.11", "3.12"), "Linux", ("Linux",))) == []


def test_what_rests_on_a_broken_library_is_not_blamed_as_well():
    base = [state("quince", "broken"), state("jam", "broken", "quince"), state("tart", "broken", "apple")]

    said = [each.what for each in remarks.of_libraries(base, [])]

    assert [each.partition(" ")[0] for each in said] == ["quince", "tart"]


def test_an_extra_that_is_missing_is_no_fault_and_one_that_does_not_work_is():
    extras = [
        extra_state("jam", [state("quince", "missing")]),
        extra_state("tart", [state("apple", "broken")]),
    ]

    said = list(remarks.of_libraries([], extras))

    assert len(said) == 1
    assert "apple 2.1 cannot be imported: rotten" in said[0].what
    assert [each.state for each in extras] == ["missing", "broken"]


def test_libraries_of_another_python_are_told_once_for_their_folder():
    folder = Path("/venv/lib/python3.11/site-packages")

    (remark,) = remarks.of_folders([library(folder), library(folder), library(None)], "3.13")

    assert "Python 3.11" in remark.what
    assert "3.13" in remark.what


@pytest.mark.parametrize(
    ("memory", "trains", "said"),
    [
        (Memory(None, None, None, None), True, 0),
        (Memory(GIGABYTE, GIGABYTE, None, None), True, 1),
        (Memory(GIGABYTE, GIGABYTE, None, None), False, 0),
        (Memory(16 * GIGABYTE, 8 * GIGABYTE, GIGABYTE // 4, None), False, 1),
        (Memory(16 * GIGABYTE, 8 * GIGABYTE, None, GIGABYTE // 4), True, 1),
    ],
)
def test_too_little_memory_is_told_by_what_it_is_for(memory, trains, said):
    assert len(list(remarks.of_memory(memory, trains=trains))) == said


def test_a_container_that_allows_less_than_its_cores_is_told_with_how_many_threads_to_use():
    (remark,) = remarks.of_cores(Cores(8, 8, 1.5, None))

    assert "1.5 of 8 cores" in remark.what
    assert "`workers=1`" in remark.fix


def test_what_is_not_tested_and_what_is_stale_is_told():
    assert len(list(remarks.of_tested("3.15", ("3.11",), "Plan9", ("Linux",)))) == 2
    assert "of version 0.2.0" in next(remarks.of_package("0.2.0", "0.1.0", [])).what
    assert "the extra jam" in next(remarks.of_package("0.1.0", "0.1.0", ["jam"])).what
