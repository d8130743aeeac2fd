"""Photos as torch, TensorFlow and pandas hand them over: read by the array protocol, and refused in one message.

In environments that have them, see requirements.txt; `make test-all` has TensorFlow too.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from efficientnet_lite.errors import EfficientNetLiteError, UnreadablePhoto, WrongType
from efficientnet_lite.runtimes.model_files import model_from_bytes

sys.path.insert(0, str(Path(__file__).parent.parent / "tflite"))
import tiny

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 50, 70, 3), np.uint8)
REASON = "in an environment of its own: tests/peers/requirements.txt"


@pytest.fixture(scope="module")
def model():
    return model_from_bytes(tiny.tiny(), where="tiny", workers=2)


@pytest.fixture(scope="module")
def rows(model):
    return model.predict(PIXELS)


@pytest.fixture
def paths(tmp_path):
    for number, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return sorted(tmp_path.iterdir())


def test_torch_tensors_are_photos(model, rows):
    torch = pytest.importorskip("torch", reason=REASON)
    tensor = torch.from_numpy(PIXELS)

    for batch in (tensor, tensor / 255, tensor.double() / 255, (tensor / 255).half(), list(tensor)):
        assert np.array_equal(model.predict(batch), rows)
    assert np.array_equal(model.predict(tensor[0]), rows[:1])
    assert len(model.classify(tensor[0], k=1)) == 1


def test_torch_tensors_that_give_no_photo_say_what_to_call(model):
    torch = pytest.importorskip("torch", reason=REASON)
    tensor = torch.from_numpy(PIXELS) / 255

    for first, fix in (
        (tensor.permute(0, 3, 1, 2), "permute(0, 2, 3, 1)"),
        (tensor[0].permute(2, 0, 1), "permute(1, 2, 0)"),
    ):
        with pytest.raises(UnreadablePhoto, match="channels first") as refused:
            model.predict(first)
        assert fix in refused.value.fix
    for wrong in (
        tensor.clone().requires_grad_(),
        tensor.to(torch.bfloat16),
        tensor.to("meta"),
        tensor.to_sparse(),
    ):
        with pytest.raises(WrongType, match=r"torch\.Tensor gives no array") as refused:
            model.predict(wrong)
        assert "detach().cpu()" in refused.value.fix
    with pytest.raises(WrongType, match="int64"):
        model.predict(torch.from_numpy(PIXELS).long())
    with pytest.raises(UnreadablePhoto, match="float"):
        model.predict(torch.from_numpy(PIXELS).float())


def test_tensorflow_tensors_are_photos(model, rows, paths):
    tf = pytest.importorskip("tensorflow", reason=REASON)
    tensor = tf.constant(PIXELS)

    for batch in (tensor, tf.cast(tensor, tf.float32) / 255, tf.Variable(tensor), list(tensor)):
        assert np.array_equal(model.predict(batch), rows)
    assert np.array_equal(model.predict(tf.image.convert_image_dtype(tensor[0], tf.float16)), rows[:1])
    assert np.array_equal(model.predict(tf.io.read_file(str(paths[0]))), rows[:1])


def test_a_symbolic_tensor_of_tensorflow_is_one_message(model):
    tf = pytest.importorskip("tensorflow", reason=REASON)

    @tf.function
    def traced(photo):
        with pytest.raises(WrongType, match="gives no array"):
            model.predict(photo)
        return photo

    traced(tf.constant(PIXELS))


def test_columns_of_a_table_are_photos(model, rows, paths):
    pandas = pytest.importorskip("pandas", reason=REASON)
    texts, files = list(map(str, paths)), list(paths)
    table = pandas.DataFrame({"path": texts, "label": ["a", "b"]}, index=[7, 3])

    for column in (
        table["path"],
        pandas.Series(files),
        pandas.Index(texts),
        pandas.Series(texts, dtype="string"),
        pandas.Series([path.read_bytes() for path in paths]),
        pandas.Series(list(PIXELS)),
        table["path"].array,
        table.set_index("label")["path"],
    ):
        assert np.array_equal(model.predict(column), rows)
    assert len(model.classify(table["path"], k=2)) == 2


def test_tables_and_columns_without_photos_are_refused(model, paths):
    pandas = pytest.importorskip("pandas", reason=REASON)
    table = pandas.DataFrame({"path": [str(paths[0]), None], "size": [1, 2]})

    with pytest.raises(WrongType, match="DataFrame") as refused:
        model.predict(table)
    assert "table['path']" in refused.value.fix
    with pytest.raises(WrongType) as refused:
        model.predict(table["path"])
    assert refused.value.where == "photos[1]"
    with pytest.raises(EfficientNetLiteError):
        model.predict(table["size"])


def test_no_library_is_imported_for_it(model):
    """Only what the caller has imported is there: this process, which has some, proves nothing by itself."""
    import subprocess

    program = (
        "import sys, numpy, efficientnet_lite.photos.given as given;"
        "given.gather(numpy.zeros((2, 4, 4, 3)));"
        "print(sorted({'torch', 'tensorflow', 'pandas', 'jax'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
