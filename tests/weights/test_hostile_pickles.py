"""Pickles from attackers: nothing is executed, nothing grows without bound, and the user hears why."""

import io
import os
import pickle
import subprocess
import sys
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from checkpoint_files import (
    LEGACY_PREFIX,
    Raw,
    View,
    instructions,
    legacy_pth,
    name,
    pickled,
    pth_bytes,
    zip_pth,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pth_tensors import read_pth

from efficientnet_lite.errors import CheckpointError
from efficientnet_lite.weights import unpickle
from efficientnet_lite.weights.torch_objects import Unknown
from efficientnet_lite.weights.unpickle import load

SMALL = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "b.bias": np.ones(2, np.float32)}
GOOD = View("0", 6, (2, 3), (3, 1))


class Reduced:
    """Pickles itself as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def read(root, counts=None):
    """Read a legacy stream with `root` as its state dict and one storage of six numbers."""
    return read_pth(legacy_pth(root, {"0": bytes(24)}, counts or {"0": 6}), where="x.pth")


def test_an_attack_that_works_on_pickle_does_nothing_here(tmp_path):
    loot = tmp_path / "loot"
    attack = pickle.dumps(Reduced(os.system, f"echo taken > '{loot}'"), protocol=2)
    subprocess.run([sys.executable, "-c", f"import pickle; pickle.loads({attack!r})"], check=True)
    assert loot.read_text() == "taken\n"  # so the attack is real
    loot.unlink()

    heads = [pickled(0x1950A86A20F9469CFC6C), pickled(1001), pickled({"little_endian": True})]
    for data in (b"".join([*heads, attack, pickled([])]), zip_pth(Raw(attack[2:-1]), {})):
        with pytest.raises(CheckpointError, match=r"system.*was not executed"):
            read_pth(data, where="x.pth")
    beside = {"args": Raw(attack[2:-1]), "state_dict": {"w": GOOD}}
    assert set(read_pth(zip_pth(beside, {"0": bytes(24)}), where="x.pth")) == {"w"}

    assert not loot.exists()


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (pickle.INST + b"os\nsystem\n", "instruction"),
        (pickle.MARK + name("torch", "FloatStorage") + pickle.OBJ, "instruction"),
        (name("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.NEWOBJ, "instruction"),
        (pickle.EXT1 + b"\x01", "instruction"),
        (pickle.PERSID + b"0\n", "instruction"),
        (pickle.DUP, "instruction"),
        (name("collections", "OrderedDict") + instructions(([["a", 1]],)) + pickle.REDUCE, "OrderedDict"),
        (instructions("text") + pickle.EMPTY_TUPLE + pickle.REDUCE, "no function"),
        (name("torch", "FloatStorage") + pickle.EMPTY_TUPLE + pickle.REDUCE, "no function"),
        (instructions(1) + instructions({"__class__": 1}) + pickle.BUILD, "attributes"),
        (pickle.PROTO + b"\x06", "protocol 6"),
        (pickle.PROTO + b"\x01", "protocol 1"),
        (pickle.NEXT_BUFFER, "instruction"),
        (pickle.DICT, "instruction"),
        (pickle.INT + b"1\n", "instruction"),
    ],
)
def test_whatever_a_state_dict_does_not_need_is_refused_by_name(attack, message):
    with pytest.raises(CheckpointError, match=message) as refused:
        load(b"\x80\x02" + attack + b".", 0, "x.pth")

    assert "not executed" in str(refused.value)


SYSTEM = name("posix", "system")


@pytest.mark.parametrize(
    ("attack", "what"),
    [
        (SYSTEM, "posix system"),
        (SYSTEM + instructions(("true",)) + pickle.REDUCE, "posix system"),
        (SYSTEM + instructions("true") + pickle.REDUCE, "posix system"),
        (SYSTEM + instructions(("true",)) + pickle.NEWOBJ, "posix system"),
        (SYSTEM + instructions(("true",)) + instructions({"a": 1}) + pickle.NEWOBJ_EX, "posix system"),
        (SYSTEM + instructions({"__class__": 1}) + pickle.BUILD, "posix system"),
        (SYSTEM + instructions("a") + instructions(1) + pickle.SETITEM, "posix system"),
        (SYSTEM + pickle.MARK + instructions("a") + instructions(1) + pickle.SETITEMS, "posix system"),
        (SYSTEM + instructions(1) + pickle.APPEND, "posix system"),
        (SYSTEM + pickle.MARK + instructions(1) + pickle.APPENDS, "posix system"),
        (SYSTEM + pickle.MARK + instructions(1) + pickle.ADDITEMS, "posix system"),
        (SYSTEM + 3 * (instructions(("true",)) + pickle.REDUCE), "posix system"),
        (instructions("os") + instructions("system") + pickle.STACK_GLOBAL, "os system"),
        (name("builtins", "eval") + instructions(("1",)) + pickle.REDUCE, "builtins eval"),
        (name("builtins", "getattr") + instructions(({}, "clear")) + pickle.REDUCE, "builtins getattr"),
        (
            name("copyreg", "_reconstructor") + instructions((1, 2, 3)) + pickle.REDUCE,
            "copyreg _reconstructor",
        ),
        (name("torch", "load"), "torch load"),
        (name("torch._utils", "_rebuild_tensor_v3"), "torch._utils _rebuild_tensor_v3"),
        (name("os\x1b[31m", "x"), r"os\x1b[31m x"),
        (pickle.SHORT_BINBYTES + b"\1a", "builtins bytes"),
        (pickle.EMPTY_SET, "builtins set"),
        (pickle.MARK + instructions(1) + pickle.FROZENSET, "builtins frozenset"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_object_of_any_other_name_is_an_inert_placeholder(monkeypatch, attack, what):
    for function in ("system", "popen", "execv"):
        monkeypatch.setattr(os, function, lambda *arguments: pytest.fail("it was called"))
    program = b"\x80\x04" + pickle.FRAME + bytes(8) + attack + b"."

    assert load(program, 0, "x.pth").value == Unknown(what)

    with pytest.raises(CheckpointError, match=r"which was not executed, expected a state dict"):
        read_pth(zip_pth(Raw(attack), {}), where="x.pth")
    for beside in ({"args": Raw(attack), "state_dict": {"w": GOOD}}, {"w": GOOD, "args": Raw(attack)}):
        assert set(read(beside)) == {"w"}


def test_no_module_is_imported_for_a_name(tmp_path, monkeypatch):
    (tmp_path / "loot_of_a_pickle.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))

    found = read({"w": GOOD, "args": Raw(name("loot_of_a_pickle", "x") + pickle.EMPTY_TUPLE + pickle.NEWOBJ)})

    assert set(found) == {"w"}
    assert "loot_of_a_pickle" not in sys.modules


@pytest.mark.parametrize(
    "key",
    [pickle.NONE, instructions((1, 2)), instructions(0.5), pickle.NEWTRUE, SYSTEM, pickle.EMPTY_LIST],
    ids=repr,
)
def test_a_key_of_another_kind_beside_the_weights_is_passed_over(key):
    neighbour = Raw(pickle.EMPTY_DICT + key + instructions(1) + pickle.SETITEM)

    assert set(read({"state_dict": {"w": GOOD}, "scheduler": neighbour})) == {"w"}


def test_tensors_within_a_placeholder_still_count_among_the_storages():
    hidden = Raw(SYSTEM + instructions({"moments": View("1", 6, (6,), (1,))}) + pickle.BUILD)
    root = {"state_dict": {"w": GOOD}, "args": hidden}
    data = legacy_pth(root, {"0": bytes(24), "1": bytes(24)}, {"0": 6, "1": 6})

    assert set(read_pth(data, where="x.pth")) == {"w"}
    with pytest.raises(CheckpointError, match="does not fit its 2 storages"):
        read_pth(legacy_pth(root, {"0": bytes(24)}, {"0": 6}), where="x.pth")


def test_numbers_of_a_type_that_torch_does_not_have_are_refused_by_name():
    with pytest.raises(CheckpointError, match="numbers of the unknown type 'torch StrangeStorage'"):
        read({"w": View("0", 6, (2, 3), (3, 1), storage="StrangeStorage")})


@pytest.mark.parametrize(
    "view",
    [
        View("0", 6, (2, 3), (3, 1), offset=1),
        View("0", 6, (2, 3), (4, 1)),
        View("0", 6, (2, 3), (-3, 1), offset=5),
        View("0", 6, (2, 3), (3, 1), offset=-1),
        View("0", 6, (-2, -3), (3, 1)),
        View("0", 6, (2**62, 2**62, 2**62), (0, 0, 0)),
        View("0", 6, (2**23 + 1,), (0,)),
        View("0", 0, (7,), (0,)),
        View("0", 6, (2, 3), (3,)),
        View("0", 6, (1,) * 9, (1,) * 9),
        View("0", 6, (True, True), (1, 1)),
        View("0", 6, (2.0, 3.0), (3, 1)),
        View("0", 6, [2, 3], [3, 1]),
        View("0", 6, (2**1000,), (1,)),
        View("0", 6, (2, 3), (3, 1), offset=None),
        View("0", -6, (2, 3), (3, 1)),
        View("0", 2**64, (2, 3), (3, 1)),
        View("0", "6", (2, 3), (3, 1)),
        View(0, 6, (2, 3), (3, 1)),
        View("0", 6, (2, 3), (3, 1), location=None),
        View("0", 6, (2, 3), (3, 1), tag="module"),
        View("1", 6, (2, 3), (3, 1)),
        View("0", 7, (2, 3), (3, 1)),
    ],
    ids=repr,
)
def test_a_tensor_that_lies_about_its_storage_is_refused(view):
    assert set(read({"w": GOOD})) == {"w"}  # the same file is sound with honest numbers

    with pytest.raises(CheckpointError, match="damaged"):
        read({"w": view})


@pytest.mark.parametrize(
    "persistent",
    [
        instructions("storage") + pickle.BINPERSID,
        instructions(()) + pickle.BINPERSID,
        instructions(("storage", 1, "0", "cpu", 6)) + pickle.BINPERSID,
        pickle.BINPERSID,
        name("torch._utils", "_rebuild_tensor_v2") + instructions((1, 2)) + pickle.REDUCE,
        name("torch._utils", "_rebuild_tensor_v2")
        + instructions((1, 0, (), (), False, None))
        + pickle.REDUCE,
        name("torch._utils", "_rebuild_parameter") + instructions((1, True, None)) + pickle.REDUCE,
    ],
    ids=repr,
)
def test_nonsense_in_place_of_a_storage_is_refused(persistent):
    with pytest.raises(CheckpointError, match="damaged"):
        read({"w": Raw(persistent)})


def test_one_storage_described_in_two_ways_is_refused():
    with pytest.raises(CheckpointError, match="two ways"):
        read({"a": GOOD, "b": View("0", 6, (2,), (1,), storage="LongStorage")})


def test_the_raw_part_must_repeat_the_count_and_end_with_the_file():
    data = legacy_pth({"w": GOOD}, {"0": bytes(24)}, {"0": 6})

    with pytest.raises(CheckpointError, match="5 numbers, expected 6"):
        read({"w": GOOD}, counts={"0": 5})
    with pytest.raises(CheckpointError, match="1 bytes are left over"):
        read_pth(data + b"\0", where="x.pth")
    with pytest.raises(CheckpointError, match="expected at least"):
        read_pth(data[:-1], where="x.pth")


def test_a_zip_record_of_another_length_is_refused():
    with pytest.raises(CheckpointError, match="20 bytes, expected 24"):
        read_pth(zip_pth({"w": GOOD}, {"0": bytes(20)}), where="x.pth")
    with pytest.raises(CheckpointError, match="storage 0 is missing"):
        read_pth(zip_pth({"w": GOOD}, {"1": bytes(24)}), where="x.pth")


@settings(deadline=None)
@given(st.data())
def test_a_file_cut_anywhere_is_refused(draw):
    form = draw.draw(st.sampled_from(["legacy", "zip"]))
    data = pth_bytes(SMALL, form=form)
    cut = data[: draw.draw(st.integers(20, len(data) - 1))]

    with pytest.raises(CheckpointError):
        read_pth(cut, where="x.pth")


@settings(deadline=None)
@given(st.data())
def test_changed_bytes_give_an_error_or_tensors_and_never_a_crash(draw):
    form = draw.draw(st.sampled_from(["legacy", "zip"]))
    data = bytearray(pth_bytes(SMALL, form=form))
    start = len(LEGACY_PREFIX) if form == "legacy" else 4
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(start, len(data) - 1))] = draw.draw(st.integers(0, 255))

    try:
        found = read_pth(bytes(data), where="x.pth")
    except CheckpointError:
        return

    for tensor in found.values():
        assert tensor.load().shape == tensor.shape


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_random_instructions_give_a_value_or_an_error(program):
    try:
        end = load(b"\x80\x02" + program + b".", 0, "x.pth").end
    except CheckpointError:
        return

    assert 3 <= end <= len(program) + 3


def test_a_hundred_thousand_nested_containers_do_not_overflow_the_stack():
    deep = Raw(pickle.EMPTY_TUPLE + pickle.TUPLE1 * 100_000)

    with pytest.raises(CheckpointError, match="no tensors"):
        read_pth(legacy_pth({"w": deep}, {}, {}), where="x.pth")


def test_a_tuple_that_doubles_thirty_times_is_never_hashed_compared_or_printed():
    bomb = pickle.EMPTY_TUPLE + b"".join(
        pickle.BINPUT + bytes([n]) + pickle.BINGET + bytes([n]) + pickle.TUPLE2 for n in range(60)
    )
    started = time.process_time()

    for root in (
        {"w": Raw(bomb)},
        Raw(bomb),
        Raw(instructions({}) + bomb + instructions(1) + pickle.SETITEM),
    ):
        with pytest.raises(CheckpointError):
            read_pth(legacy_pth(root, {}, {}), where="x.pth")
    with pytest.raises(CheckpointError):
        read_pth(
            LEGACY_PREFIX + b"." + b"\x80\x02" + bomb + b"." + pickled({"little_endian": True}), where="x"
        )

    assert time.process_time() - started < 5  # 2 ** 60 steps otherwise


def test_a_dict_that_holds_itself_is_refused():
    cycle = pickle.EMPTY_DICT + pickle.BINPUT + b"\0" + instructions("state_dict") + pickle.BINGET + b"\0"

    with pytest.raises(CheckpointError, match="no tensors"):
        read_pth(legacy_pth(Raw(cycle + pickle.SETITEM), {}, {}), where="x.pth")


def test_a_wild_memo_place_costs_no_memory():
    program = b"\x80\x02" + pickle.NONE + pickle.LONG_BINPUT + b"\xff\xff\xff\xff."
    tracemalloc.start()

    load(program, 0, "x.pth")

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


def test_endless_instructions_are_refused(monkeypatch):
    monkeypatch.setattr(unpickle, "MAX_INSTRUCTIONS", 1000)

    with pytest.raises(CheckpointError, match="more than 1,000 instructions"):
        load(b"\x80\x02" + pickle.MARK * 1000 + b".", 0, "x.pth")


def test_a_zip_of_endless_or_compressed_records_is_refused_before_it_is_read():
    many = zip_pth({}, {}) + b"PK\x01\x02" * 10_001

    with pytest.raises(CheckpointError, match="entries"):
        read_pth(many, where="x.pth")
    with pytest.raises(CheckpointError, match="compressed"):
        read_pth(compressed_zip(), where="x.pth")


def compressed_zip():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weights/data.pkl", pickled({"w": GOOD}))
        archive.writestr("weights/data/0", bytes(10**7))
    return buffer.getvalue()


def test_a_zip_that_is_no_checkpoint_says_so():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("photo.txt", "no weights")

    with pytest.raises(CheckpointError, match="no checkpoint of torch"):
        read_pth(buffer.getvalue(), where="x.zip")
