"""A SavedModel or Hub module is a model for every command, as the checkpoint or run that it was made of is."""

import json
import shutil

import numpy as np
import pytest
import scenes
from checkpoint_files import bundle, write_saved_model

import efficientnet_lite as el
from efficientnet_lite.cli.app import run as command
from efficientnet_lite.errors import UsageError
from efficientnet_lite.labels import digest
from efficientnet_lite.network.naming import tf1_variables
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.weights.read import read_checkpoint


@pytest.fixture(scope="module", params=["SavedModel", "TF1 Hub module"])
def folder(request, trained, tmp_path_factory):
    """The run's network as such a folder; not to be changed."""
    found = read_checkpoint(trained.run / "weights.safetensors")
    place = tmp_path_factory.mktemp("folders") / "model"
    card = {"variant": "lite0", "contract": Contract(scenes.SIZE).to_json(), "classes": found.classes}
    card |= {"labels_sha256": digest(found.labels), "source": "here", "license": "CC0-1.0"}
    if request.param == "SavedModel":
        write_saved_model(place, found.parameters, **card)
        (place / "assets").mkdir()
    else:
        names = tf1_variables(make_plan(VARIANTS["lite0"], classes=found.classes))
        index, (data,) = bundle({names[name]: array for name, array in found.parameters.items()})
        for name, content in (
            ("variables/variables.index", index),
            ("variables/variables.data-00000-of-00001", data),
            ("tfhub_module.pb", b"\x08\x03"),
            ("saved_model.pb", b"\x08\x01"),
            ("assets/efficientnet_lite.json", json.dumps({"schema": 1} | card).encode()),
        ):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(content)
    (place / "assets/labels.txt").write_text("\n".join(found.labels) + "\n")
    return place


def said(capsys, *arguments):
    capsys.readouterr()
    assert command([*map(str, arguments), "--json", "--quiet"]) == 0
    return json.loads(capsys.readouterr().out)


def test_info_says_what_it_is(folder, request, capsys):
    document = said(capsys, "info", folder)

    assert document["format"] == request.node.callspec.params["folder"]
    assert (document["model"], document["size"], document["classes"]) == ("lite0", scenes.SIZE, 3)
    assert tuple(document["labels"]) == scenes.LABELS


def test_it_predicts_and_is_measured_as_the_run_is(folder, trained, photos):
    model, run = el.load(folder), el.load(trained.run, precision="float32")
    paths = sorted(photos.rglob("*.png"))

    np.testing.assert_allclose(model.predict(paths), run.predict(paths), atol=1e-5)
    assert model.labels == run.labels
    assert model.contract == run.contract
    measured = [
        el.evaluate(each, photos, precision="float32").evaluations[0] for each in (folder, trained.run)
    ]
    assert measured[0].top1 == measured[1].top1 > 0.8


def test_its_vectors_are_those_of_the_run_to_the_bit(folder, trained, photos):
    found, wanted = el.embed(folder, photos).features, el.embed(trained.run, photos).features

    assert found.tobytes() == wanted.tobytes()


def test_files_are_made_of_it(folder, trained, photos, tmp_path, capsys):
    out = tmp_path / "model.tflite"

    document = said(capsys, "export", folder, "--out", out)

    assert document["outputs"] == ["probabilities"]
    model = el.load(out)
    assert (model.labels, model.identity.contract.size) == (scenes.LABELS, scenes.SIZE)
    np.testing.assert_allclose(
        model.predict(sorted(photos.rglob("*.png"))[:4]),
        el.load(trained.run, precision="float32").predict(sorted(photos.rglob("*.png"))[:4]),
        atol=1e-5,
    )


def test_a_head_is_trained_on_it(folder, photos, tmp_path):
    trained = el.train(photos, tmp_path / "run", model=scenes.MODEL, weights=folder, calibration=8, workers=2)

    assert el.load(trained.run).labels == scenes.LABELS


def test_it_has_its_own_weights_and_nothing_is_written_into_it(folder, photos, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "model")
    before = scenes.contents(copy)

    with pytest.raises(UsageError, match="has its own weights"):
        el.embed(copy, photos, weights="hub")
    with pytest.raises(UsageError, match="the model"):
        el.embed(copy, photos, copy, overwrite=True)
    with pytest.raises(UsageError, match="the model"):
        el.embed(copy, photos, tmp_path, overwrite=True)

    assert scenes.contents(copy) == before
