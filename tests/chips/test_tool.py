"""A chip's own tool: what is said where it is not there, dies or talks."""

import pytest

from efficientnet_lite.chips.tool import Tool
from efficientnet_lite.errors import ArtifactError, UsageError


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Gives a tool whose child has the given body."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(body):
        (tmp_path / "hammer.py").write_text(f"import os\ndef respond(data, out):\n    {body}")
        return Tool("Hammer", "json", "numpy", "pip install hammer", "hammer")

    return make


def test_what_a_tool_answers_comes_back(tool):
    told = tool("out.write(data[::-1]); print('tock')").ask(b"tick", limit=9, where="m.tflite", fix="none")

    assert told == (b"kcit", "tock")


def test_a_tool_that_dies_is_named_with_its_version_and_quoted(tool):
    body = "[print('line', n) for n in range(9)]; print('Node ADD (number 3) failed'); os.abort()"

    with pytest.raises(ArtifactError) as caught:
        tool(body).ask(b"", limit=9, where="m.tflite", fix="export it again")

    assert caught.value.what.startswith("Hammer ")
    assert caught.value.what.endswith(
        "gives no answer: it died of it (SIGABRT); its own words: "
        "… / line 6 / line 7 / line 8 / Node ADD (number 3) failed"
    )
    assert (caught.value.where, caught.value.fix) == ("m.tflite", "export it again")


def test_a_tool_that_is_not_there_says_how_to_get_it():
    absent = Tool("Hammer", "no_such_hammer.head", "no-such-hammer", "pip install hammer", "hammer")

    assert absent.title == "Hammer"
    with pytest.raises(UsageError, match="asks Hammer, which is not installed") as caught:
        absent.ask(b"", limit=9, where="m.tflite", fix="none")
    assert caught.value.fix == "pip install hammer"
