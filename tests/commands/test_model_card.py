"""The README.md of a run: its Markdown stays what it is, whatever classes, run and weights are called."""

import copy
import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from efficientnet_lite.errors import printable
from efficientnet_lite.markdown import code_span
from efficientnet_lite.run.model_card import model_card

MARKS = (
    "` `` ``` * _ [x](http://x) <b> <script> <!-- | ![ ] ( ) &amp; \\ $x$ ~~ www.x.org @name :smile: --- - 1."
)
markup = st.sampled_from([*MARKS.split(), "\n", "\n\n", "\n# ", "\u202e", "\x1b[31m", " ", "- "])
texts = st.lists(markup | st.text(st.characters(), max_size=3), max_size=8).map("".join)


def shape(tokens):
    """A document without its texts: the kind of every block and of everything in its lines."""
    return [(each.type, each.tag, shape(each.children or [])) for each in tokens]


def spans(tokens):
    inner = (each for token in tokens for each in (token, *(token.children or [])))
    return [each.content for each in inner if each.type == "code_inline"]


def parsed(text):
    return MarkdownIt("gfm-like", {"linkify": False}).parse(text)


@pytest.fixture(scope="module")
def card(trained):
    return json.loads((trained.run / "card.json").read_bytes())


def named(card, name, label, source, license, notice):
    changed = copy.deepcopy(card)
    changed["labels"][1] = label
    changed["weights"] |= {"source": source, "license": license, "notice": notice}
    return model_card(name, changed)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts, texts, texts, texts, texts.filter(bool))
@example("`", "``` x", "\n\n# big", "](x", "<!--")
@example(" `", "`` ", " ", "|", "\u202e")
def test_no_text_changes_the_pages_structure(card, name, label, source, license, notice):
    plain = parsed(named(card, "x", "x", "x", "x", "x"))

    found = parsed(named(card, name, label, source, license, notice))

    assert shape(found) == shape(plain)
    shown = spans(found)
    for text in (name, label, source, license, notice):
        assert (printable(text) or "-") in shown


@given(texts)
def test_a_span_holds_its_text_to_the_letter_and_nothing_else(text):
    (paragraph,) = [each for each in parsed(f"before {code_span(text)} after") if each.type == "inline"]

    assert [each.type for each in paragraph.children] == ["text", "code_inline", "text"]
    assert paragraph.children[1].content == (printable(text) or "-")
    assert code_span(text).isprintable()
