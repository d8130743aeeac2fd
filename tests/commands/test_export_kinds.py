"""Every kind of .tflite that `export` writes, opened by LiteRT and held to its float32 parent."""

import numpy as np
import pytest
import scenes

from efficientnet_lite.artifacts import reduced
from efficientnet_lite.commands.export import export
from efficientnet_lite.errors import ArtifactError, VerificationFailed
from efficientnet_lite.proof.golden import golden_path
from efficientnet_lite.proof.parity import fixed_inputs
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.runtimes.model_files import open_model
from efficientnet_lite.strangers.description import describe
from efficientnet_lite.strangers.structure import check_model

pytestmark = pytest.mark.usefixtures("own_cache")
NAME = "lite0@64"
KINDS = [
    {"precision": "float32"},
    {"precision": "float32", "batch": "dynamic"},
    {"precision": "float16"},
    {"precision": "float16", "batch": "dynamic"},
    {"precision": "dynamic"},
    {"precision": "dynamic", "dense": "per-channel"},
    {"precision": "int8"},
    {"precision": "int8", "io": "int8", "dense": "per-channel"},
    {"precision": "int8", "io": "float32"},
    {"precision": "int8", "batch": "dynamic"},
]


def called(value):
    """A test's name for a kind; sets would differ between processes."""
    return "-".join(value.values()) if isinstance(value, dict) else ""


@pytest.fixture(scope="module")
def few_photos(tmp_path_factory):
    return scenes.photograph(tmp_path_factory.mktemp("kinds") / "photos", count=4)


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory):
    return scenes.write_random_weights(tmp_path_factory.mktemp("random") / "lite0.safetensors")


@pytest.fixture
def lenient(monkeypatch):
    """At 64 pixels and with random weights integers cost more than at a real size."""
    for precision in reduced.MIN_SNR_DB:
        monkeypatch.setitem(reduced.MIN_SNR_DB, precision, 3.0)


def made(out, kind, few_photos, random_weights, **options):
    judged = {}
    if kind["precision"] == "int8":  # half of the photos prove it, so that it is quantized once
        judged = {"data": few_photos, "calibration": 6, "min_agreement": 0}
    return export(NAME, out, weights=random_weights, **judged, **kind, **options)


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("kind", KINDS, ids=called)
def test_a_file_of_every_kind_runs_and_gives_its_golden_outputs(tmp_path, few_photos, random_weights, kind):
    found = made(tmp_path / "m.tflite", kind, few_photos, random_weights, outputs=("logits", "features"))

    model = open_model(found.path)
    assert model.precision == found.precision == kind["precision"]
    assert set(model.outputs) == {"logits", "features"}
    with np.load(golden_path(found.path)) as golden:
        images = golden["images"]
        outputs = model.run(np.stack([model.encode(image) for image in images]))
        for name, codes in outputs.items():
            assert golden[name].dtype == codes.dtype
            assert np.abs(golden[name].astype(float) - codes).max() <= (
                1 if codes.dtype.kind in "iu" else 1e-5
            )
    if kind["precision"] == "float32":
        assert found.reduction is None
    else:
        assert 3 < found.reduction.snr_db < 200
        assert found.reduction.cosine > 0.8


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if "batch" in kind], ids=called)
def test_a_dynamic_batch_gives_each_image_what_it_gets_alone(tmp_path, few_photos, random_weights, kind):
    path = made(tmp_path / "m.tflite", kind, few_photos, random_weights, outputs=("logits", "features")).path
    model = open_model(path)
    inputs = np.stack([model.encode(image) for image in fixed_inputs(64)])

    together = LiteRT(path.read_bytes(), batch=3)(inputs)

    assert together["features"].shape == (3, 1280)
    alone = model.run(inputs)
    for name, values in together.items():
        assert np.abs(values.astype(float) - alone[name]).max() <= (1 if values.dtype.kind in "iu" else 1e-4)


def test_a_fixed_batch_cannot_be_changed(tmp_path, few_photos, random_weights):
    path = made(tmp_path / "m.tflite", KINDS[0], few_photos, random_weights).path

    with pytest.raises(ArtifactError, match="cannot open"):
        LiteRT(path.read_bytes(), batch=3)


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize(
    ("kind", "dtypes"),
    [
        ({"precision": "int8"}, ("uint8", "uint8")),
        ({"precision": "int8", "io": "int8"}, ("int8", "int8")),
        ({"precision": "int8", "io": "float32"}, ("float32", "float32")),
        ({"precision": "float16"}, ("float32", "float32")),
    ],
    ids=called,
)
def test_input_and_output_have_the_type_that_was_asked_for(
    tmp_path, few_photos, random_weights, kind, dtypes
):
    path = made(tmp_path / "m.tflite", kind, few_photos, random_weights).path

    info = describe(path.read_bytes())
    assert (info.inputs[0].dtype, info.outputs[0].dtype) == dtypes
    if dtypes[0] == "uint8":
        assert (info.inputs[0].scale, info.inputs[0].zero_point) == (1 / 128, 127)


@pytest.mark.usefixtures("lenient")
def test_float_input_gives_the_codes_of_raw_pixels(tmp_path, few_photos, random_weights):
    models = [
        open_model(
            made(tmp_path / f"{io}.tflite", {"precision": "int8", "io": io}, few_photos, random_weights).path
        )
        for io in ("uint8", "int8", "float32")
    ]
    images = fixed_inputs(64)

    codes, signed, reals = (
        model.run(np.stack([model.encode(image) for image in images]))["probabilities"] for model in models
    )

    assert np.array_equal(codes, signed.astype(np.int16) + 128)
    assert np.array_equal(codes, np.rint(reals * 256))


def versions(path):
    checked = check_model(path.read_bytes(), where=path)
    return {(each.name, each.version) for each in checked.operators}


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ({"precision": "float16"}, {("DEQUANTIZE", 3), ("CONV_2D", 1), ("FULLY_CONNECTED", 1)}),
        ({"precision": "dynamic"}, {("CONV_2D", 5), ("DEPTHWISE_CONV_2D", 6), ("FULLY_CONNECTED", 9)}),
        ({"precision": "dynamic", "dense": "per-channel"}, {("FULLY_CONNECTED", 12)}),
        (
            {"precision": "int8", "io": "float32"},
            {("MUL", 1), ("SUB", 1), ("QUANTIZE", 1), ("DEQUANTIZE", 2)},
        ),
    ],
    ids=called,
)
def test_operator_versions_are_the_lowest_that_know_the_kind(
    tmp_path, few_photos, random_weights, kind, wanted
):
    assert wanted <= versions(made(tmp_path / "m.tflite", kind, few_photos, random_weights).path)


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("precision", ["float32", "float16", "dynamic", "int8"])
def test_an_endpoint_of_the_reference_is_an_output(tmp_path, few_photos, random_weights, precision):
    kind = {"precision": precision}

    found = made(
        tmp_path / "m.tflite",
        kind,
        few_photos,
        random_weights,
        outputs=(),
        endpoints=("reduction_4", "features"),
    )

    assert found.outputs == ("efficientnet-lite0/reduction_4", "efficientnet-lite0/features")
    shapes = {name: tensor.shape for name, tensor in open_model(found.path).outputs.items()}
    assert shapes == {found.outputs[0]: (1, 4, 4, 112), found.outputs[1]: (1, 2, 2, 320)}
    assert any("feature maps" in note or "every output" in note for note in found.notes)
    with pytest.raises(ArtifactError, match="feature vectors"):
        open_model(found.path).check_classes()


@pytest.mark.parametrize(("precision", "bar"), [("float16", 90.0), ("dynamic", 60.0)])
def test_a_smaller_file_that_is_too_far_from_float_is_not_published(
    tmp_path, few_photos, random_weights, monkeypatch, precision, bar
):
    monkeypatch.setitem(reduced.MIN_SNR_DB, precision, bar)

    with pytest.raises(VerificationFailed, match="nothing is published"):
        made(tmp_path / "m.tflite", {"precision": precision}, few_photos, random_weights, outputs=("logits",))

    assert scenes.names(tmp_path) == []


def test_photos_with_the_classes_of_the_run_tell_the_drop(trained, tmp_path):
    few_photos = scenes.photograph(tmp_path / "photos", count=6, first=50)

    found = export(trained.run, tmp_path / "m.tflite", precision="float16", data=few_photos)

    assert found.comparison.count == 18
    assert found.comparison.drop == 0.0
    assert found.to_json()["drop"] == 0.0


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize(
    ("kind", "outputs", "says"),
    [
        ({"precision": "int8", "io": "int8"}, ("probabilities",), "int8 input"),
        ({"precision": "float32", "batch": "dynamic"}, ("probabilities",), "batch"),
        ({"precision": "float32"}, ("probabilities", "features"), "every output"),
    ],
)
def test_what_a_consumer_would_misread_is_said(tmp_path, few_photos, random_weights, kind, outputs, says):
    found = made(tmp_path / "m.tflite", kind, few_photos, random_weights, outputs=outputs)

    assert [note for note in found.notes if says in note]
