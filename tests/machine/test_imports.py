"""Libraries are imported in other processes: a broken one is blamed with its words, and ends none but its own."""

import sys

import pytest
from installed import install

from efficientnet_lite.machine import imports
from efficientnet_lite.machine.imports import tried
from efficientnet_lite.progress import silent

HANG = "import time\ntime.sleep(100)"
BROKEN = {
    "quince": (
        "raise ImportError('libquince.so.1: cannot open')",
        "ImportError: libquince.so.1: cannot open",
    ),
    "rowan": (
        "try:\n    import nowhere_at_all\nexcept ImportError as e:\n    raise ImportError('READ THIS:' * 99) from e",
        "ModuleNotFoundError: No module named 'nowhere_at_all'",
    ),
    "medlar": ("import os\nos.kill(os.getpid(), 11)", "it died of it (SIGSEGV)"),
    "damson": ("import os\nos._exit(0)", "it ended the process"),
    "sloe": ("raise SystemExit('bye')", "SystemExit: bye"),
    "bullace": (
        "print('x' * 10**5)\nraise RuntimeError('\\x1b[31mred\\n\\n' * 9)",
        "RuntimeError: \\x1b[31mred",
    ),
}
SOUND = "print('hello')\nimport sys\nsys.stdout.flush()"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_each_of_a_chain_is_judged_whatever_became_of_those_before_it(folder):
    install(folder, "apple", "1.0", SOUND)
    install(folder, "cherry", "1.0", SOUND)
    for name, (code, _) in BROKEN.items():
        install(folder, name, "1.0", code)
    chain = ["apple", *BROKEN, "cherry"]

    (found,) = tried([chain], lambda done, total: None)

    assert [trial.module for trial in found] == chain
    assert [trial.wrong for trial in found] == ["", *(said for _, said in BROKEN.values()), ""]
    assert found[0].file == folder / "apple/__init__.py"
    assert not set(chain) & set(sys.modules)


def test_one_that_hangs_is_ended(folder, monkeypatch):
    monkeypatch.setattr(imports, "SECONDS", 1)
    install(folder, "quince", "1.0", HANG)

    with silent("") as on_progress:
        ((trial,),) = tried([["quince"]], on_progress)

    assert "more than 1 s" in trial.wrong


def test_the_package_that_raised_is_named_and_not_the_one_that_rests_on_it(folder):
    install(folder, "quince", "1.0", "raise ImportError('rotten')")
    install(folder, "jam", "1.0", "import quince")

    (found,) = tried([["jam", "quince"]], lambda done, total: None)

    assert [(each.wrong, each.through) for each in found] == [("ImportError: rotten", "quince")] * 2


def test_a_package_without_the_module_that_runs_its_native_part_is_imported_itself(folder):
    install(folder, "quince", "1.0", SOUND)
    install(folder, "jam", "1.0", "import quince.nowhere")

    (found,) = tried([["quince.native", "jam.native"]], lambda done, total: None)

    assert [each.wrong for each in found] == ["", "ModuleNotFoundError: No module named 'quince.nowhere'"]
