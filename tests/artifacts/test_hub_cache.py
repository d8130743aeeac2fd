"""The published addresses, found in tensorflow_hub's cache without a network; other people's entries are safe there."""

import json
import shutil
import socket
import warnings
from pathlib import Path

import numpy as np
import pytest
import scenes

from efficientnet_lite.artifacts import hub_modules
from efficientnet_lite.artifacts.hub_modules import Address, place_modules, remove_modules
from efficientnet_lite.cli.app import run
from efficientnet_lite.errors import UsageError
from efficientnet_lite.network.plan import FEATURES, VARIANTS
from efficientnet_lite.proof.parity import Parity
from efficientnet_lite.run.source import open_origin
from efficientnet_lite.weights.safetensors import write_safetensors

REASON = "TensorFlow is in an extra: make test-all"
FIRST = "https://tfhub.dev/tensorflow/efficientnet/lite0/feature-vector/1"
ADDRESSES = [
    f"https://tfhub.dev/tensorflow/efficientnet/{variant}/{kind}/{version}"
    for variant in VARIANTS
    for kind in ("feature-vector", "classification")
    for version in (1, 2)
]
KEY = "65565c66ae904d02270941b33d610d3db1fc551f"  # printf %s "$FIRST" | sha1sum


@pytest.fixture(scope="module")
def hub():
    pytest.importorskip("tensorflow", reason=REASON)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports pkg_resources, which says that it is deprecated
        return pytest.importorskip("tensorflow_hub", reason=REASON)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return scenes.write_random_weights(tmp_path_factory.mktemp("weights") / "lite0.safetensors")


@pytest.fixture(scope="module")
def cache(hub, weights, tmp_path_factory):
    """The four modules of lite0; not to be changed."""
    folder = tmp_path_factory.mktemp("hub") / "made" / "cache"  # which is made, as tensorflow_hub makes it
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        scenes.photograph(Path("lite0"))  # a folder of that name is not what `lite0` means here
        place_modules(["lite0"], folder, weights=weights)
    return folder


@pytest.fixture
def copied(cache, tmp_path):
    """A copy of that cache, to be changed."""
    return shutil.copytree(cache, tmp_path / "cache")


@pytest.fixture
def made(cache, monkeypatch):
    """Writing takes what was written for `cache`, and no further half a minute."""

    def copy(making, kind, folder, *, where):
        shutil.copytree(Address(making.origin.plan.variant, kind, 1).entry(cache), folder, dirs_exist_ok=True)
        return Parity(0, 1, 99, None)

    monkeypatch.setattr(hub_modules, "write_module", copy)
    monkeypatch.setattr(hub_modules, "run_in_numpy", lambda making: None)


@pytest.fixture
def no_network(monkeypatch):
    """Every way to another machine raises."""

    def refuse(*arguments, **options):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def stranger(cache, address=FIRST):
    """An entry as tensorflow_hub makes it of a download."""
    entry = cache / KEY
    entry.mkdir(parents=True)
    (entry / "tfhub_module.pb").write_bytes(b"\x08\x03")
    (entry / "saved_model.pb").write_bytes(b"somebody's")
    (cache / f"{KEY}.descriptor.txt").write_text(f"Module: {address}\nDownload Time: 2021-03-01")
    return entry


def test_the_addresses_are_the_twenty_published_ones():
    made = [
        str(Address(variant, kind, version))
        for variant in VARIANTS.values()
        for kind in ("feature-vector", "classification")
        for version in (1, 2)
    ]

    assert made == ADDRESSES


def test_a_key_is_the_one_under_which_tensorflow_hub_looks(hub, tmp_path, monkeypatch):
    from tensorflow_hub import compressed_module_resolver

    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    for variant in VARIANTS.values():
        for kind in ("feature-vector", "classification"):
            for version in (1, 2):
                address = Address(variant, kind, version)
                assert str(address.entry(tmp_path)) == compressed_module_resolver._module_dir(str(address))


def test_a_key_is_the_sha1_of_the_address_as_it_is_written(tmp_path):
    assert Address(VARIANTS["lite0"], "feature-vector", 1).entry(tmp_path) == tmp_path / KEY


def test_published_addresses_work_again_without_a_network(hub, cache, no_network, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(cache))
    images = np.random.default_rng(0).random((2, 64, 48, 3), np.float32)

    assert {hub.resolve(address) for address in ADDRESSES[:4]} == {
        str(path) for path in cache.iterdir() if path.is_dir()
    }
    signatures = hub.load(ADDRESSES[2]).signatures
    assert signatures["default"](hub.module_v2.tf.constant(images))["default"].shape == (2, 1000)
    vectors = hub.KerasLayer(ADDRESSES[1], input_shape=(64, 48, 3), signature="image_feature_vector")
    assert vectors(images).shape == (2, FEATURES)


def test_an_address_that_is_not_in_the_cache_would_ask_the_network(hub, cache, no_network, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(cache))

    with pytest.raises(AssertionError, match="the network was asked"):
        hub.resolve(ADDRESSES[4])


def test_a_text_beside_each_entry_says_that_it_was_made_anew(cache):
    names = scenes.names(cache)

    assert len(names) == 8
    for name in names:
        if name.endswith(".descriptor.txt"):
            text = (cache / name).read_text()
            assert text.startswith("Module: https://tfhub.dev/tensorflow/efficientnet/lite0/")
            assert "Made anew by efficientnet-lite" in text
            assert "--remove" in text


def test_an_entry_that_we_did_not_write_stops_everything_before_it_begins(hub, tmp_path, weights):
    entry = stranger(tmp_path / "cache")
    before = scenes.contents(tmp_path / "cache")

    with pytest.raises(UsageError, match="we did not write") as caught:
        place_modules(["lite0"], tmp_path / "cache", weights=weights)

    assert caught.value.where == entry
    assert "move it away" in caught.value.fix
    assert scenes.contents(tmp_path / "cache") == before


def test_an_entry_of_ours_that_a_stranger_has_replaced_is_no_longer_ours(copied):
    for spoil in (b"", b"{}", b"[" * 100_000, bytes(100_000)):
        (copied / KEY / "assets/efficientnet_lite.json").write_bytes(spoil)
        assert remove_modules(["lite0"], copied).kept == (FIRST,)
        assert (copied / KEY).is_dir()


def test_an_entry_of_ours_is_replaced_and_what_somebody_put_into_it_stays(made, copied, weights):
    (copied / KEY / "extra").write_text("mine")
    (copied / KEY / "saved_model.pb").write_bytes(b"no longer ours")

    place_modules([FIRST], copied, weights=weights)

    assert (copied / KEY / "saved_model.pb").stat().st_size > 1_000_000
    assert (copied / KEY / "saved_model.pb.kept").read_bytes() == b"no longer ours"
    assert (copied / KEY / "extra").read_text() == "mine"
    assert remove_modules([FIRST], copied).kept == (FIRST,)  # since not all of it is ours
    assert (copied / KEY / "extra").read_text() == "mine"


def test_remove_takes_out_ours_and_nothing_else(copied):
    shutil.rmtree(copied / KEY)
    (copied / f"{KEY}.descriptor.txt").unlink()
    stranger(copied)
    (copied / "notes.txt").touch()

    removed = remove_modules(["lite0", "lite1"], copied)

    assert (removed.removed, removed.kept) == (tuple(ADDRESSES[1:4]), (FIRST,))
    assert scenes.names(copied) == [KEY, f"{KEY}.descriptor.txt", "notes.txt"]
    assert remove_modules(["all"], copied).removed == ()


def test_an_interrupted_command_leaves_nothing_half_written(hub, tmp_path, weights, monkeypatch):
    def interrupted(making, kind, folder, *, where):
        (folder / "saved_model.pb").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(hub_modules, "write_module", interrupted)
    with pytest.raises(KeyboardInterrupt):
        place_modules(["lite0"], tmp_path / "cache", weights=weights)

    assert scenes.names(tmp_path / "cache") == []


@pytest.mark.parametrize(
    ("models", "reason"),
    [
        ([], "no model is named"),
        (["lite9"], "no such model"),
        (["lite1@300"], "their own input sizes"),
        (["https://tfhub.dev/tensorflow/efficientnet/b0/feature-vector/1"], "no such model"),
    ],
)
def test_what_names_no_published_module_is_refused(tmp_path, models, reason):
    for do in (place_modules, remove_modules):
        with pytest.raises(UsageError, match=reason):
            do(models, tmp_path)


def test_a_cache_on_another_machine_is_refused():
    with pytest.raises(UsageError, match="this machine"):
        place_modules(["lite0"], "gs://bucket/cache")


def test_weights_that_end_at_the_features_are_refused_before_anything_is_written(hub, tmp_path, weights):
    parameters = open_origin(weights).weights.parameters
    headless = tmp_path / "headless.safetensors"
    write_safetensors(headless, {name: v for name, v in parameters.items() if "dense" not in name}, {})

    with pytest.raises(UsageError, match="end at the features"):
        place_modules(["lite0"], tmp_path / "cache", weights=headless)

    assert not (tmp_path / "cache").exists()


def test_without_a_place_the_command_asks_for_one(monkeypatch, capsys):
    for empty in (None, ""):
        monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)
        if empty is not None:
            monkeypatch.setenv("TFHUB_CACHE_DIR", empty)
        for arguments in (["hub-cache", "lite0"], ["hub-cache", "lite0", "--remove"]):
            assert run(arguments) == 2
            assert "give --dir FOLDER" in capsys.readouterr().err


def test_the_command_places_and_removes(made, tmp_path, weights, monkeypatch, capfd):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))

    assert run(["hub-cache", "lite0", "--weights", str(weights), "--json", "--quiet"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert [each["address"] for each in document["modules"]] == ADDRESSES[:4]
    assert {each["path"] for each in document["modules"]} == {
        str(path) for path in (tmp_path / "cache").iterdir() if path.is_dir()
    }
    assert run(["hub-cache", "lite0", "--remove"]) == 0
    assert capfd.readouterr().out.splitlines() == [f"removed {address}" for address in ADDRESSES[:4]]
    assert scenes.names(tmp_path / "cache") == []
    assert run(["hub-cache", "all", "--remove", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["removed"] == []
