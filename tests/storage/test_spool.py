"""Long lists on the disk: their order, what counts once, what is left of them, and a disk without room."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from efficientnet_lite.errors import OutputFailed
from efficientnet_lite.storage import spool as module
from efficientnet_lite.storage.spool import AT_ONCE, Spool


def test_items_come_in_the_order_in_which_they_were_put_and_a_key_counts_once():
    with Spool() as spool:
        spool.append((b"%d" % (n % 1100), None, b"item %d" % n) for n in range(2000))
        spool.append([(b"7", None, b"again"), (b"new", None, b"last")])

        assert len(spool) == 1101
        assert list(spool.items()) == [*(b"item %d" % n for n in range(1100)), b"last"]
        assert list(spool.items(AT_ONCE - 1, AT_ONCE + 2)) == [
            b"item %d" % n for n in range(AT_ONCE - 1, AT_ONCE + 2)
        ]
        assert list(spool.items(1101)) == []


def test_an_item_takes_the_place_of_one_before_it_or_behind_it():
    with Spool() as spool:
        spool.append((b"%d" % n, None, b"item %d" % n) for n in range(1200))
        spool.append((b"new %d" % n, b"%d" % n, b"better %d" % n) for n in (3, 700, 1300))
        spool.append([(b"1300", None, b"late")])
        spool.leave_out_replaced()

        assert len(spool) == 1201
        kept = [b"item %d" % n for n in range(1200) if n not in (3, 700)]
        assert list(spool.items()) == [*kept, *(b"better %d" % n for n in (3, 700, 1300))]
        spool.append([(b"last", None, b"last"), (b"5", None, b"again")])
        assert list(spool.items(1200)) == [b"better 1300", b"last"]


def test_pairs_are_sorted_byte_by_byte_and_in_the_midst_of_others():
    names = [f"{n * 7919 % 1500:d}é\udcff".encode("utf-8", "surrogatepass") for n in range(1500)]

    with Spool() as spool:
        found = []
        for name, _ in spool.in_order((name, b"") for name in names):
            if len(found) < 3:
                assert list(spool.in_order([(b"b", b"1"), (b"a", b"2")])) == [(b"a", b"2"), (b"b", b"1")]
            found.append(name)
            spool.append([(name, None, name)])

    assert found == sorted(names)


def test_a_disk_without_room_is_one_error_that_says_what_to_do(monkeypatch):
    monkeypatch.setattr(module, "_SCHEMA", f"PRAGMA max_page_count = 40;{module._SCHEMA}")

    with Spool() as spool, pytest.raises(OutputFailed, match="cannot be kept") as caught:
        spool.append((b"%d" % n, None, bytes(1000)) for n in range(1000))

    assert "TMPDIR" in caught.value.fix


@pytest.mark.skipif(os.name == "nt", reason="a file that is open has a name there")
def test_nothing_is_left_of_a_list_whose_process_is_killed(tmp_path):
    program = (
        "import os; from efficientnet_lite.storage.spool import Spool; spool = Spool()\n"
        "spool.append((b'%d' % n, None, bytes(1000)) for n in range(20000)); os.kill(os.getpid(), 9)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "SQLITE_TMPDIR": str(tmp_path)}, timeout=60
    )

    assert done.returncode == -9
    assert list(Path(tmp_path).iterdir()) == []
