"""The clinic's page in a real browser: of a run with hostile names, light and dark, narrow and wide."""

import dataclasses
from pathlib import Path

import pytest

REASON = "a browser looks in an environment of its own: make test-browser"
pytest.importorskip("playwright.sync_api", reason=REASON)
pytest.importorskip("axe_playwright_python.sync_playwright", reason=REASON)

from test_report import BROKEN, OUTSIDE, SCROLLS, serious  # noqa: E402

from efficientnet_lite.run.clinic.clinic_page import render  # noqa: E402

WIDTHS = (320, 360, 768, 1000, 1400)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_scrolls_sideways_and_no_text_leaves_its_box(clinic, look, width, scheme):
    page = look(clinic[1], width, scheme)

    for are_open in (False, True):
        page.evaluate(
            f"() => document.querySelectorAll('details').forEach(each => each.open = {str(are_open).lower()})"
        )
        scrolled, there = page.evaluate(SCROLLS)
        assert scrolled <= there
        assert page.evaluate(OUTSIDE) == []
        assert page.evaluate(BROKEN) == []


@pytest.mark.parametrize("width", [360, 1000])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(clinic, look, width, scheme):
    page = look(clinic[1], width, scheme)
    page.evaluate("() => document.querySelectorAll('details').forEach(each => each.open = true)")

    assert serious(page) == []


def test_the_page_says_what_the_report_holds(clinic, look):
    found, path = clinic
    page = look(path, 1000)

    assert page.title() == f"What int8 costs {found.path.name}"
    assert page.locator("svg.columns g").count() == len(found.shares.steps())
    assert page.locator("svg.curve circle").count() == 3
    assert page.locator("ol.photos > li").count() == len(found.changed)
    assert page.locator("section[aria-labelledby=classes] tbody tr").count() == len(found.classes)
    assert page.evaluate("() => [...document.images].every(each => each.complete && each.naturalWidth > 0)")
    heights = page.evaluate(
        "() => [...document.querySelectorAll('svg.columns g')].map(each => each.getBoundingClientRect().height)"
    )
    steps = [step.both for step in found.shares.steps()]
    assert heights.index(max(heights)) == steps.index(max(steps))


def test_what_is_folded_away_opens_by_the_keyboard(clinic, look):
    page = look(clinic[1], 1000)
    page.keyboard.press("Tab")

    assert page.evaluate("() => document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Enter")
    assert page.locator("details[open]").count() == 1


def test_a_file_of_features_has_no_classes_and_no_photos(clinic, look, tmp_path):
    found, _ = clinic
    whole = dataclasses.replace(found.whole, agreement=None, agreement_interval=None)
    bare = dataclasses.replace(
        found, whole=whole, top1_float=None, top1_int8=None, classes=(), changed=(), gains=(), curve=None
    )
    path = Path(tmp_path, "bare.html")
    path.write_bytes(render(bare, []))
    page = look(path, 360)

    assert page.locator("section").count() == 1 + bool(found.notes)
    assert serious(page) == []
