"""An opened file as a classifier: its own preprocessing, and refusals where a stranger's file does not say."""

import copy
import json
import pickle
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import tiny
from PIL import Image

from efficientnet_lite.errors import (
    ArtifactError,
    EfficientNetLiteError,
    UnreadablePhoto,
    UnusableInput,
    UsageError,
)
from efficientnet_lite.metrics import softmax
from efficientnet_lite.photos.contract import CROP_PADDING, Contract
from efficientnet_lite.photos.images import Refused
from efficientnet_lite.photos.views import prepare_pixels
from efficientnet_lite.runtimes.model_files import model_from_bytes, open_model
from efficientnet_lite.strangers import structure
from efficientnet_lite.tflite.identity import OWN_ENTRY
from efficientnet_lite.tflite.label_files import pack_labels
from efficientnet_lite.tflite.metadata import TEXT_ENTRY

SIZE = tiny.SIZE
PIXELS = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
PRECISIONS = pytest.mark.parametrize("precision", ["float32", "int8"])


@pytest.fixture(scope="module")
def models():
    return {name: model_from_bytes(tiny.tiny(name), where=name, workers=2) for name in ("float32", "int8")}


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def changed(model, change):
    """`model` with `change` applied to its tree; the label files behind it stay."""
    return pack_labels(tiny.changed(model, change), tiny.FILES)


def without(model, *names):
    """`model` without these metadata entries, as a stranger's file is."""

    def drop(tree):
        tree.metadata = [entry for entry in tree.metadata if entry.name.decode() not in names]

    return changed(model, drop)


def with_entry(model, name, content):
    def change(tree):
        (index,) = [entry.buffer for entry in tree.metadata if entry.name.decode() == name]
        tree.buffers[index].data = np.frombuffer(content, np.uint8)

    return changed(model, change)


def opened(data):
    return model_from_bytes(data, where="a stranger's file", workers=1)


# Raw tensors


@PRECISIONS
def test_run_takes_one_image_or_a_batch_in_the_files_own_type(models, precision):
    model = models[precision]
    batch = np.zeros((3, SIZE, SIZE, 3), model.input.dtype)
    batch[1] = 1

    outputs = model.run(batch)["probabilities"]

    assert outputs.shape == (3, tiny.CLASSES)
    assert outputs.dtype == (np.float32 if precision == "float32" else np.uint8)  # codes stay codes
    assert np.array_equal(outputs[1:2], model.run(batch[1])["probabilities"])


@PRECISIONS
def test_a_batch_of_none_gives_none(models, precision):
    model = models[precision]

    assert model.run(np.zeros((0, SIZE, SIZE, 3), model.input.dtype))["probabilities"].shape == (0, 4)
    assert model.predict([]).shape == (0, 4)
    assert model.predict([]).dtype == np.float32


@PRECISIONS
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((1, SIZE, SIZE, 3), np.float64),
        ((1, SIZE, SIZE, 3), np.int8),
        ((1, SIZE, SIZE + 1, 3), None),
        ((1, 3, SIZE, SIZE), None),
        ((SIZE, SIZE), None),
        ((2, 1, SIZE, SIZE, 3), None),
        ((), None),
    ],
)
def test_run_refuses_another_shape_or_type_with_both_named(models, precision, shape, dtype):
    inputs = np.zeros(shape, dtype or models[precision].input.dtype)

    with pytest.raises(ValueError, match=f"expected .*{SIZE}, {SIZE}, 3.*got {inputs.dtype}"):
        models[precision].run(inputs)


# Photos


@PRECISIONS
def test_predict_takes_paths_and_pixels_of_any_size_mixed(models, precision, photo):
    small = PIXELS[:1, :1]

    together = models[precision].predict([photo, PIXELS, str(photo), small, np.repeat(PIXELS, 9, axis=0)])

    assert together.shape == (5, 4)
    assert together.dtype == np.float32
    assert np.array_equal(together[0], together[1])
    assert np.array_equal(together[0], together[2])
    assert np.allclose(together.sum(axis=1), 1, atol=0.02)
    assert np.array_equal(models[precision].predict(small), together[3:4])
    assert np.array_equal(models[precision].predict(photo), together[:1])


@PRECISIONS
def test_predict_is_run_on_the_prepared_image(models, precision):
    model = models[precision]
    (image,) = prepare_pixels(PIXELS, ["crop"], Contract(SIZE))
    raw = image[None] / np.float32(255) if precision == "float32" else image[None]

    codes = model.run(raw)["probabilities"]

    expected = codes if precision == "float32" else codes * np.float32(1 / 256)
    assert np.allclose(model.predict(PIXELS), expected, atol=1e-6)


def test_a_view_looks_at_the_photo_in_its_own_way(models):
    model = models["float32"]
    crop, squash = (model.predict(PIXELS, view=view) for view in ("crop", "squash"))

    assert np.array_equal(crop, model.predict(PIXELS))
    assert not np.array_equal(crop, squash)


@PRECISIONS
def test_the_overshoot_of_the_reference_view_is_cut_off_for_integers_alone(models, precision):
    model = models[precision]
    image = np.full((SIZE, SIZE, 3), 300.6, np.float32)
    image[0] = -20.4

    found = model.encode(image)

    ends = (300.6 / 255, -20.4 / 255) if precision == "float32" else (255, 0)
    assert np.allclose((found.max(), found.min()), ends)


def test_an_unknown_view_is_refused_with_those_that_there_are(models):
    with pytest.raises(UsageError, match="view='fisheye'") as refused:
        models["float32"].predict(PIXELS, view="fisheye")
    assert "mediapipe" in refused.value.fix


FORMS = {
    "str": lambda path: str(path),
    "path": lambda path: path,
    "bytes": lambda path: path.read_bytes(),
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "memoryview": lambda path: memoryview(path.read_bytes()),
    "file": lambda path: BytesIO(path.read_bytes()),
    "pillow": Image.open,
    "pixels": lambda path: PIXELS,
    "floats": lambda path: PIXELS / 255,
    "float32": lambda path: PIXELS.astype(np.float32) / 255,
    "float16": lambda path: (PIXELS / 255).astype(np.float16),
    "opaque": lambda path: np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)]),
    "list": lambda path: [path],
    "generator": lambda path: (each for each in [path]),
    "batch": lambda path: PIXELS[None],
    "batch in a list": lambda path: [PIXELS[None]],
    "objects": lambda path: np.array([path], object),
    "texts": lambda path: np.array([str(path)]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_photo_gives_the_same_row(models, photo, form):
    found = models["float32"].predict(FORMS[form](photo))

    assert np.array_equal(found, models["float32"].predict(photo))


@PRECISIONS
def test_classify_names_the_best_classes_of_one_photo_or_of_several(models, precision, photo):
    model = models[precision]
    (row,) = model.predict(photo)

    one, (first, second) = model.classify(photo, k=2), model.classify([photo, PIXELS], 99)

    assert [each.index for each in one] == np.argsort(-row, kind="stable")[:2].tolist()
    assert [each.label for each in one] == [tiny.LABELS[each.index] for each in one]
    assert [each.probability for each in one] == [float(row[each.index]) for each in one]
    assert one[0].synset is None
    assert dict(one) == {each.label: each.probability for each in one}
    assert first[:2] == one
    assert first == second
    assert len(first) == tiny.CLASSES
    assert model.classify(PIXELS[None])[0] == first
    assert model.classify([]) == []


@pytest.mark.parametrize(
    ("k", "error"), [(0, UsageError), (-1, UsageError), (2.0, TypeError), (True, TypeError)]
)
def test_classify_refuses_a_number_of_classes_that_is_none(models, photo, k, error):
    with pytest.raises(error, match="k"):
        models["int8"].classify(photo, k=k)


def test_a_bad_array_is_refused_with_its_place_and_the_others_go_on(models, photo):
    given = [photo, np.full((8, 8, 3), np.nan), PIXELS]

    with pytest.raises(UnreadablePhoto, match="finite") as failure:
        models["int8"].predict(given)
    each = list(models["int8"].predict_each(given))

    assert failure.value.where == "photos[1]"
    assert failure.value.fix == each[1].fix != Refused("", "").fix
    assert [isinstance(one, Refused) for one in each] == [False, True, False]


@pytest.mark.parametrize(
    "wrong", [None, 3, 1.5, {"a": 1}, {"a.jpg"}, object(), [None], [["a.jpg"]], [float("nan")]]
)
def test_what_is_no_photo_is_a_type_error_and_one_of_ours(models, wrong):
    for call in (
        models["int8"].predict,
        models["int8"].classify,
        lambda one: list(models["int8"].predict_each(one)),
    ):
        with pytest.raises(TypeError) as refused:
            call(wrong)
        assert isinstance(refused.value, EfficientNetLiteError)
        assert "Pillow" in refused.value.fix


def test_predict_stops_at_a_bad_photo_and_predict_each_goes_on(models, photo, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    sources = [photo, tmp_path / "bad.jpg", tmp_path / "missing.png", photo]

    with pytest.raises(UnreadablePhoto) as failure:
        models["int8"].predict(sources)
    each = list(models["int8"].predict_each(sources))

    assert failure.value.where == str(tmp_path / "bad.jpg")
    assert [isinstance(one, Refused) for one in each] == [False, True, True, False]
    assert each[1].where == str(tmp_path / "bad.jpg")
    assert all(one.reason for one in each[1:3])
    assert np.array_equal(each[0], each[3])


def test_memory_does_not_grow_with_the_number_of_photos(models):
    taken = 0

    def sources():
        nonlocal taken
        while True:
            taken += 1
            yield PIXELS

    endless = models["int8"].predict_each(sources())
    for _ in range(5):
        next(endless)
    endless.close()

    assert taken <= 5 + 4 * models["int8"].workers


# Files of ours


def test_a_model_survives_a_process_and_a_copy_with_runners_of_its_own(models, photo):
    model = models["int8"]
    found = model.predict(photo)

    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert other.pool is not model.pool
        assert np.array_equal(other.predict(photo), found)


def test_a_model_shows_itself_in_one_line(models):
    shown = repr(replace(models["int8"], labels=tuple(map(str, range(1000)))))

    assert shown == "<Model int8: 32 pixels, crop, 1,000 classes: 0, 1, 2, ...>"
    assert "classes without names" in repr(replace(models["int8"], labels=None))


@PRECISIONS
def test_a_file_of_ours_says_what_it_is(tmp_path, precision):
    (tmp_path / "m.tflite").write_bytes(tiny.tiny(precision))

    model = open_model(tmp_path / "m.tflite")

    assert model.labels == tiny.LABELS
    assert model.translations == {"de": tiny.GERMAN}
    assert model.contract == Contract(SIZE)
    assert model.identity.variant == "lite0"
    assert model.precision == precision
    assert model.classes == 4


def test_logits_alone_become_probabilities():
    def cut(tree):
        (graph,) = tree.subgraphs
        graph.operators = graph.operators[:-1]
        graph.outputs = graph.operators[-1].outputs
        for output in tree.signatureDefs[0].outputs:
            output.name, output.tensorIndex = b"logits", graph.outputs[0]

    model = opened(changed(tiny.tiny(), cut))
    whole = opened(tiny.tiny())

    assert list(model.outputs) == ["logits"]
    assert model.classes == 4
    assert np.allclose(model.predict(PIXELS), whole.predict(PIXELS), atol=1e-6)
    (outputs,) = next(model.look(PIXELS, ["crop"]))
    assert np.array_equal(model.scores(outputs), outputs["logits"])
    assert np.array_equal(model.probabilities(outputs), softmax(outputs["logits"]))


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (b"nonsense", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'{"schema": 2}', "does not know"),
        (json.dumps(json.loads(tiny.IDENTITY.to_bytes()) | {"contract": {}}).encode(), "size"),
        (tiny.IDENTITY.to_bytes().replace(b'"size":32', b'"size":64'), "64 pixels, its input takes 32"),
    ],
)
def test_an_identity_that_lies_is_refused(entry, says):
    with pytest.raises(ArtifactError, match=says):
        opened(with_entry(tiny.tiny(), OWN_ENTRY, entry))


def test_labels_of_another_number_than_the_outputs_are_refused():
    model = opened(pack_labels(tiny.tiny(labels=False), tiny.FILES | {"labels.txt": b"apple\npear\n"}))

    with pytest.raises(ArtifactError, match="2 labels for 4 classes"):
        model.predict(PIXELS)


# A stranger's files


def test_uint8_input_needs_no_metadata():
    model = opened(without(tiny.tiny("int8"), OWN_ENTRY, TEXT_ENTRY))

    assert model.identity is None
    assert model.labels == tiny.LABELS  # a labels.txt behind it is the custom
    assert model.contract == Contract(SIZE, crop_padding=CROP_PADDING)
    assert np.array_equal(model.predict(PIXELS), opened(tiny.tiny("int8")).predict(PIXELS))


def test_float_input_is_normalized_as_its_metadata_say():
    """Our own metadata are MediaPipe's, mean 0 and std 255 for an input in [0, 1]."""
    model = opened(without(tiny.tiny(), OWN_ENTRY))

    assert model.identity is None
    assert model.normalization is not None
    assert np.allclose(model.predict(PIXELS), opened(tiny.tiny()).predict(PIXELS), atol=1e-6)


def test_a_mean_and_std_for_each_channel_are_applied(monkeypatch):
    monkeypatch.setattr(
        "efficientnet_lite.runtimes.model_files.read_normalization",
        lambda *_, **__: ((1.0, 2.0, 3.0), (2.0, 4.0, 8.0)),
    )
    model = opened(without(tiny.tiny(), OWN_ENTRY))

    encoded = model.encode(np.full((SIZE, SIZE, 3), 11, np.uint8))

    assert encoded.dtype == np.float32
    assert encoded[0, 0].tolist() == [5.0, 2.25, 1.0]


def test_float_input_without_metadata_is_refused_and_not_guessed():
    with pytest.raises(ArtifactError, match="which range of values"):
        opened(without(tiny.tiny(), OWN_ENTRY, TEXT_ENTRY))


def test_int8_input_gets_the_pixels_less_128():
    def take_codes(tree):
        (graph,) = tree.subgraphs
        codes = graph.operators[0].outputs[0]
        graph.operators, graph.inputs = graph.operators[1:], [codes]
        tree.signatureDefs[0].inputs[0].tensorIndex = codes

    model = opened(changed(without(tiny.tiny("int8"), OWN_ENTRY, TEXT_ENTRY), take_codes))

    assert model.input.dtype == np.int8
    assert model.encode(np.array([[[0, 128, 255]]], np.uint8)).tolist() == [[[-128, 0, 127]]]
    assert np.array_equal(model.predict(PIXELS), opened(tiny.tiny("int8")).predict(PIXELS))


def test_an_output_of_any_name_is_the_one_over_classes():
    def rename(tree):
        tree.signatureDefs[0].outputs[0].name = b"StatefulPartitionedCall:0"

    model = opened(without(changed(tiny.tiny("int8"), rename), OWN_ENTRY, TEXT_ENTRY))

    assert model.classes == 4
    assert np.array_equal(model.predict(PIXELS), opened(tiny.tiny("int8")).predict(PIXELS))


def test_an_output_that_is_no_list_of_scores_is_refused():
    def segment(tree):
        (graph,) = tree.subgraphs
        graph.operators = graph.operators[:1]
        graph.outputs = graph.operators[-1].outputs
        tree.signatureDefs[0].outputs[0].tensorIndex = graph.outputs[0]

    model = opened(changed(without(tiny.tiny(), OWN_ENTRY), segment))

    with pytest.raises(ArtifactError, match="expected \\(1, classes\\)"):
        model.predict(PIXELS)


@pytest.mark.parametrize("shape", [(2, SIZE, SIZE, 3), (1, SIZE, SIZE, 1), (1, SIZE, SIZE // 2, 3)])
def test_an_input_that_is_no_single_square_photo_is_refused(monkeypatch, shape):
    checked = model_input(monkeypatch, shape=shape)

    with pytest.raises(ArtifactError, match="one square RGB image"):
        opened(checked)


@pytest.mark.parametrize("dtype", ["int32", "float16", "bool"])
def test_an_input_of_a_type_that_no_photo_has_is_refused(monkeypatch, dtype):
    checked = model_input(monkeypatch, dtype=dtype)

    with pytest.raises(ArtifactError, match=dtype):
        opened(checked)


def model_input(monkeypatch, **changes):
    """A file whose check says that its input is another; files that really are so fail the check first."""
    whole = structure.check_model

    def check(data, *, where):
        found = whole(data, where=where)
        tensors = list(found.tensors)
        tensors[found.inputs[0]] = replace(tensors[found.inputs[0]], **changes)
        return replace(found, tensors=tuple(tensors))

    monkeypatch.setattr(structure, "check_model", check)
    return tiny.tiny()


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\x1c\x00\x00\x00TFL3" + b"\xff" * 500, b"PK\x03\x04" * 99])
def test_bytes_that_are_no_model_are_refused(tmp_path, data):
    (tmp_path / "m.tflite").write_bytes(data)

    with pytest.raises(ArtifactError):
        open_model(tmp_path / "m.tflite")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UnusableInput, match="no such file"):
        open_model(tmp_path / "m.tflite")
