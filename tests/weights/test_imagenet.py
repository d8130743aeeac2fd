"""The names of ImageNet's classes, and which weights have them: the published ones in any format, and no others."""

import csv

import numpy as np
import pytest
from checkpoint_files import random_parameters, to_dialect

from efficientnet_lite.errors import WeightsMissing
from efficientnet_lite.labels import ClassNames, fault
from efficientnet_lite.network.plan import DENSE, VARIANTS, make_plan
from efficientnet_lite.weights import imagenet
from efficientnet_lite.weights.read import load_weights, read_checkpoint
from efficientnet_lite.weights.safetensors import FORMAT, SCHEMA, write_safetensors

CRANES, MAILLOTS = (134, 517), (638, 639)


@pytest.fixture(scope="module")
def official():
    try:
        return load_weights(VARIANTS["lite0"])
    except WeightsMissing as error:
        pytest.skip(f"no weights of lite0: {error.fix}")


def saved(path, weights, **changed):
    arrays = weights.parameters | {f"{DENSE}/{part}": array for part, array in changed.items()}
    metadata = {"format": FORMAT, "schema": SCHEMA, "variant": "lite0", "license": "", "source": "mine"}
    write_safetensors(path, arrays, metadata)
    return path


def test_there_are_a_thousand_classes_in_the_order_of_their_synsets():
    classes = imagenet.classes()

    assert [each.index for each in classes] == list(range(1000))
    assert [each.synset for each in classes] == sorted({each.synset for each in classes})
    assert (classes[388].name, classes[388].synset) == ("giant panda", "n02510455")
    assert not any(fault(each.label) for each in classes)


def test_no_two_labels_are_equal_though_two_pairs_of_names_are():
    classes, labels = imagenet.classes(), imagenet.labels()

    assert len(set(labels)) == 1000
    assert {each.index for each in classes if each.label != each.name} == {*CRANES, *MAILLOTS}
    assert labels[134] == "crane (n02012849)"
    assert (labels[264], labels[474]) == ("Cardigan", "cardigan")


def test_names_and_synsets_are_those_of_the_shared_data_by_index(shared):
    names = (shared / "data/imagenet_labels.txt").read_text(encoding="utf-8").splitlines()
    with (shared / "data/imagenet-300/labels.csv").open(encoding="utf-8") as file:
        synsets = {int(row["index"]): row["synset"] for row in csv.DictReader(file)}
    ours = imagenet.classes()

    assert [each.name for each in ours] == names
    assert {index: ours[index].synset for index in synsets} == synsets


def test_the_published_weights_have_names_and_so_has_the_same_network_in_another_format(
    official, shared, tmp_path
):
    others = (saved(tmp_path / "w.safetensors", official), shared / "reference/efficientnet-lite0")

    assert official.labels == imagenet.labels()
    assert [read_checkpoint(path).labels for path in others] == [imagenet.labels()] * 2
    assert read_checkpoint(others[1], ema=False).labels == imagenet.labels()  # the raw weights beside them
    assert read_checkpoint(official.path).labels == imagenet.labels()


def test_weights_that_are_asked_for_by_name_have_names_wherever_they_come_from(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFICIENTNET_LITE_CACHE", str(tmp_path / "cache"))
    plan = make_plan(VARIANTS["lite0"])
    path = tmp_path / "model.safetensors"
    write_safetensors(path, to_dialect(random_parameters(VARIANTS["lite0"], classes=1000), plan, "timm"), {})

    named = load_weights(VARIANTS["lite0"], "hub", download=lambda source, *, offline: path)

    assert named.labels == imagenet.labels()
    assert (
        load_weights(VARIANTS["lite0"], path).labels is None
    )  # the same file by its path says nothing of itself


def test_a_thousand_classes_of_somebody_elses_have_no_names(official, tmp_path):
    bias = np.float32(1) + official.parameters[f"{DENSE}/bias"]
    kernel = np.ascontiguousarray(official.parameters[f"{DENSE}/kernel"][:, ::-1])

    other = saved(tmp_path / "b.safetensors", official, kernel=kernel)

    assert read_checkpoint(saved(tmp_path / "a.safetensors", official, bias=bias)).labels is None
    assert load_weights(VARIANTS["lite0"], other).labels is None
    assert imagenet.synsets_of([str(index) for index in range(1000)]) is None
    assert imagenet.synsets_of(imagenet.labels()[::-1]) is None


@pytest.mark.parametrize(
    "name",
    [
        "giant panda",
        "n02510455",
        "giant_panda",
        "giant panda (n02510455)",
        "n02510455 giant panda",
        "n02510455_giant_panda",
    ],
)
def test_a_class_is_found_by_every_way_of_writing_it(name):
    assert imagenet.class_names(imagenet.labels()).places(name) == (388,)


def test_a_name_of_two_classes_is_said_to_mean_two_and_never_one_of_them():
    names = imagenet.class_names(imagenet.labels())

    assert names.places("crane") == CRANES
    assert names.places("maillot") == MAILLOTS
    assert names.places("crane (n03126707)") == names.places("n03126707") == (517,)
    assert names.ambiguous(["tench", "crane"]) == [
        "crane (class 134, crane (n02012849) or class 517, crane (n03126707))"
    ]


def test_a_strangers_list_of_the_bare_names_is_imagenets_too():
    bare = [each.name for each in imagenet.classes()]

    assert imagenet.synsets_of(bare) == imagenet.synsets_of(imagenet.labels())
    assert imagenet.class_names(bare).places("n03126707") == (517,)
    assert "n03126707" in imagenet.class_names(bare).ambiguous(["crane"])[0]


def test_a_model_of_other_classes_knows_no_synset():
    names = imagenet.class_names(["giant panda", "tench"])

    assert (names.places("giant panda"), names.places("n02510455")) == ((0,), ())
    assert ClassNames(["é"]).places("e\u0301") == (0,)
