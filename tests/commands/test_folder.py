"""Cards of runs are a stranger's bytes: whatever they say, opening one gives a run or a clear refusal."""

import copy
import json

import pytest
import scenes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from efficientnet_lite.errors import ArtifactError, EfficientNetLiteError, UnusableInput
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.arrivals import building

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["..", "../x", "/etc/passwd", "a/../../b", "C:\\x", "\x00", "a" * 300, "é" * 200, ""])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def places(value, path=()):
    """The path of every value in a JSON document."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def replaced(document, path, value):
    if not path:
        return value
    document = copy.deepcopy(document)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return document


def write(folder, text):
    folder.mkdir(exist_ok=True)
    (folder / run_folder.CARD).write_text(text, encoding="utf-8", errors="surrogatepass")
    return folder


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(st.data())
def test_a_card_with_anything_in_any_place_opens_within_its_folder_or_is_refused(trained, tmp_path, data):
    card = json.loads((trained.run / run_folder.CARD).read_text())
    top = st.sampled_from([place for place in places(card) if len(place) <= 1])
    path = data.draw(top | st.sampled_from(list(places(card))))
    folder = write(tmp_path / "run", json.dumps(replaced(card, path, data.draw(JSON))))

    try:
        run = run_folder.open_run(folder)
    except (ArtifactError, UnusableInput):
        return
    for export in run.exports:
        assert export.path.resolve().is_relative_to(folder.resolve())
    for precision in ("float32", "int8"):
        try:
            run.export(precision)
        except ArtifactError:
            continue


@pytest.mark.parametrize("key", ["schema", "labels", "contract", "metrics", "verification", "exports"])
def test_a_missing_key_is_named(trained, tmp_path, key):
    card = json.loads((trained.run / run_folder.CARD).read_text())
    del card[key]

    with pytest.raises(ArtifactError, match=key):
        run_folder.open_run(write(tmp_path / "run", json.dumps(card)))


@pytest.mark.parametrize(
    "path",
    ["../x.tflite", "/x.tflite", "exports/../../x.tflite", "", ".", "C:x", "a\\..\\b", "a\nb", "x" * 256],
)
def test_an_export_outside_of_the_run_is_refused(trained, tmp_path, path):
    card = json.loads((trained.run / run_folder.CARD).read_text())
    (tmp_path / "x.tflite").write_bytes(b"somebody's")
    card["exports"][0]["path"] = path

    with pytest.raises(ArtifactError, match="no path within the folder"):
        run_folder.open_run(write(tmp_path / "run", json.dumps(card)))


def test_a_newer_card_says_to_upgrade_whatever_else_it_holds(tmp_path):
    with pytest.raises(ArtifactError, match="schema 2, this version knows 1") as failure:
        run_folder.open_run(write(tmp_path / "run", '{"schema": 2, "exports": "elsewhere"}'))

    assert "upgrade" in failure.value.fix


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[" * 200_000, '{"a":' * 100_000, "NaN", "1" * 10_000, "\ud800", "null", "[]"]
)
def test_what_is_no_card_is_refused(tmp_path, text):
    with pytest.raises(ArtifactError, match="cannot be read"):
        run_folder.open_run(write(tmp_path / "run", text))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_does_not_know_is_refused_wherever_it_stands(trained, tmp_path, number):
    card = (trained.run / run_folder.CARD).read_text()

    with pytest.raises(ArtifactError, match=f"{number} is no JSON"):
        run_folder.open_run(write(tmp_path / "run", card.replace("{", f'{{"more": {number},', 1)))


def test_a_card_larger_than_any_card_is_not_read(tmp_path):
    folder = write(tmp_path / "run", "{")
    with (folder / run_folder.CARD).open("r+b") as file:
        file.truncate(run_folder.MAX_CARD_BYTES + 1)  # sparse; the disk holds nothing

    with pytest.raises(UnusableInput, match="more than a card can have"):
        run_folder.open_run(folder)


def test_a_folder_without_a_card_is_no_run(tmp_path):
    with pytest.raises(UnusableInput, match=r"no card\.json"):
        run_folder.open_run(tmp_path)


def test_a_lost_export_is_named_with_those_that_are_there(run):
    (run / "exports" / "shapes_int8.tflite").unlink()

    with pytest.raises(ArtifactError, match="no int8 file") as failure:
        run_folder.open_run(run).export("int8")

    assert "float32" in failure.value.fix


def test_a_target_that_is_a_link_stays_one(fit, photos, run, tmp_path):
    (tmp_path / "link").symlink_to(run)
    (run / "labels.txt").write_text("spoiled")

    fit(photos, tmp_path / "link", overwrite=True)

    assert (tmp_path / "link").is_symlink()
    assert (run / "labels.txt").read_text() == "ball\nbox\nstripes\n"
    assert scenes.names(run.parent) == ["shapes"]
    assert scenes.names(tmp_path) == ["link", "runs"]


def test_an_empty_folder_may_become_a_run(tmp_path):
    (tmp_path / "run").mkdir()

    with building(tmp_path / "run") as folder:
        (folder / "file").write_text("new")

    assert scenes.names(tmp_path / "run") == ["exports", "file"]
    assert scenes.names(tmp_path) == ["run"]


def test_a_place_that_is_no_place_is_an_error_and_no_traceback(tmp_path):
    (tmp_path / "file").write_text("a file")

    def build(target):
        with building(target):
            pytest.fail("there is no such place")

    for target in (tmp_path / "file" / "run", tmp_path / ("x" * 300), tmp_path.parent.parent.root):
        with pytest.raises(EfficientNetLiteError):
            build(run_folder.Path(target))
