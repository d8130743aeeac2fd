"""Each public function has an example in its docstring, and every example is true.

They are run in a folder with three kinds of drawn photos and, from the first example on, a run on them. A model is
taken at its smallest size there, so that all of them take a few seconds.
"""

import doctest
import inspect
from importlib.util import find_spec

import pytest
import scenes

import efficientnet_lite as el

LABELS = {"shirt": "ball", "shoes": "box", "trousers": "stripes"}
NO_COMMAND = {"create_model", "save_weights", "load"}
FUNCTIONS = sorted(name for name in el.__all__ if inspect.isfunction(getattr(el, name)))
METHODS = [
    el.Model.classify,
    el.Model.predict,
    el.Model.predict_each,
    el.Embedder.embed,
    el.Embedder.embed_each,
]
CLASSES = [el.Embedder, el.EfficientNetLiteFeatures, el.Vectors]
WIDTH = 76  # of a terminal of 80 columns, less the indentation that `help` gives a docstring
NEEDS = {  # what an example needs beside the base install
    "create_model": "keras",
    "hub_cache": "tensorflow",
    "index": "usearch",
    "save_weights": "keras",
}
ORDER = [
    el.train,
    *(getattr(el, name) for name in FUNCTIONS if name not in ("train", "cache_clear")),
    el.cache_clear,
]


def example(function):
    """The examples of a docstring, with a small model in place of its own."""
    small = inspect.getdoc(function).replace('"lite1"', f'"{scenes.MODEL}"')
    return doctest.DocTestParser().get_doctest(small, {}, function.__name__, None, 0)


def faults(function):
    """What the examples print that they do not say."""
    said = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example(function), out=said.append)
    return "".join(said)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with photos/ and photo.jpg, and what the example of `train` makes there."""
    folder = tmp_path_factory.mktemp("examples")
    for label, drawn in LABELS.items():
        (folder / "photos" / label).mkdir(parents=True)
        for number in range(12):
            suffix = "jpg" if number == 1 else "png"
            scenes.draw(drawn, number).save(folder / "photos" / label / f"{number:02}.{suffix}", quality=95)
    scenes.draw("ball", 99).save(folder / "photo.jpg", quality=95)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("EFFICIENTNET_LITE_CACHE", str(folder / "cache"))
        assert faults(el.train) == ""
        if find_spec("pyarrow") is not None:
            el.embed(scenes.MODEL, "photos", "vectors")  # of which others tell
        yield folder


@pytest.mark.parametrize(
    "function", [*ORDER[1:], *METHODS, *CLASSES], ids=lambda function: function.__qualname__
)
def test_an_example_does_what_it_says(function, place):
    needed = NEEDS.get(function.__name__)
    if needed and find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed: make test-all")

    assert faults(function) == ""


@pytest.mark.parametrize("name", [*FUNCTIONS, *(each.__name__ for each in CLASSES)])
def test_each_public_function_has_an_example_and_says_what_it_takes(name):
    function = getattr(el, name)
    text = inspect.getdoc(function)
    if inspect.isclass(function):
        text += f"\n{inspect.getdoc(function.__init__) or ''}"

    assert len(example(function).examples) >= 2
    assert all(len(line) <= WIDTH for line in text.splitlines())
    for argument in inspect.signature(function).parameters:
        assert f"{argument}:" in text or f"{argument}," in text, argument


def test_an_example_that_is_not_true_is_found():
    def function():
        """Says something.

        >>> 1 + 1
        3
        """

    assert "Expected:\n    3\nGot:\n    2" in faults(function)
