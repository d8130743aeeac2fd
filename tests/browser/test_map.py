"""A map in a real browser: the picture under the pointer, classes on and off, search, keys, touch; nobody kept out."""

import hashlib
import re

import numpy as np
import pytest

REASON = "a browser looks in an environment of its own: make test-browser"
pytest.importorskip("playwright.sync_api", reason=REASON)
Axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason=REASON).Axe
pytest.importorskip("pyarrow", reason=REASON)

WIDTHS = (320, 380, 768, 1400)
NAMES = ("photos", "hostile", "bare", "one", "many")
SERIOUS = ("serious", "critical")
FIRST = "</script><script>alert(1)</script>"  # of the hostile names
# Texts that lie beside the window, but for those that end early by an ellipsis or for who does not see the page.
OUTSIDE = """() => {
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const holder = walk.currentNode.parentElement, text = walk.currentNode.data.trim();
    if (!text || !holder.checkVisibility() || holder.closest('.legend bdi, .unseen, option')) continue;
    const range = document.createRange();
    range.selectNodeContents(walk.currentNode);
    for (const box of range.getClientRects()) {
      if (box.width > 1 && (box.left < -1 || box.right > innerWidth + 1)) found.push(text.slice(0, 60));
    }
  }
  return found;
}"""
SCROLLS = "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
PIXELS = "() => document.getElementById('canvas').toDataURL()"
# The strongest of red, green and blue in the middle of the picture that the card shows.
MIDDLE = """async () => {
  const shown = document.getElementById('picture');
  await shown.decode();
  const canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
  canvas.width = shown.naturalWidth; canvas.height = shown.naturalHeight;
  pen.drawImage(shown, 0, 0);
  const sums = [0, 0, 0], data = pen.getImageData(0, 0, canvas.width, canvas.height).data;
  data.forEach((value, at) => { if (at % 4 < 3) sums[at % 4] += value; });
  return sums.indexOf(Math.max(...sums));
}"""
STRONGEST = {"ball": 0, "stripes": 1, "box": 2}


def points_under(page, step=12, most=400):
    """Moves the pointer over the map until photos are under it; gives the path of each of the first few."""
    box = page.locator("#canvas").bounding_box()
    spots = [
        (x, y)
        for x in np.arange(box["x"] + 8, box["x"] + box["width"] - 70, step)
        for y in np.arange(box["y"] + 8, box["y"] + box["height"] - 8, step)
    ]
    np.random.default_rng(0).shuffle(spots)
    for x, y in spots[:most]:
        page.mouse.move(float(x), float(y))
        if page.locator("#card").is_visible():
            yield float(x), float(y)


def serious(page):
    return [
        (each["id"], node["html"][:120], node["failureSummary"][:200])
        for each in Axe().run(page).response["violations"]
        if each["impact"] in SERIOUS
        for node in each["nodes"][:3]
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_scrolls_sideways_and_no_text_leaves_the_window(maps, look, name, width):
    page = look(maps[name], width)

    for _ in range(2):
        scrolled, there = page.evaluate(SCROLLS)
        assert scrolled <= there
        assert page.evaluate(OUTSIDE) == []
        page.focus("#canvas")
        page.keyboard.press("Enter")
        assert page.locator("#card").is_visible()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 1400])
def test_axe_finds_nothing_serious(maps, look, name, scheme, width):
    page = look(maps[name], width, scheme)
    page.focus("#canvas")
    page.keyboard.press("Enter")

    assert serious(page) == []


def test_under_the_pointer_is_the_photo_of_that_point(maps, look):
    page = look(maps["photos"], 1400)

    seen = set()
    for _ in points_under(page):
        label = page.inner_text("#what")
        path = page.inner_text("#path")
        assert path.startswith(f"{label}/{label}-")
        assert page.evaluate(MIDDLE) == STRONGEST[label]
        seen.add(path)
    assert len(seen) > 8
    assert {path.partition("/")[0] for path in seen} == STRONGEST.keys()
    page.mouse.move(2, 2)
    assert not page.locator("#card").is_visible()


def test_a_click_keeps_a_photo_until_escape_or_a_click_beside(maps, look):
    page = look(maps["photos"], 1400)
    x, y = next(points_under(page))
    box = page.locator("#canvas").bounding_box()

    path = page.inner_text("#path")
    page.mouse.click(x, y)
    page.mouse.move(2, 2)
    assert page.inner_text("#path") == path
    page.keyboard.press("Escape")
    assert not page.locator("#card").is_visible()
    page.mouse.click(x, y)
    page.mouse.click(box["x"] + 4, box["y"] + box["height"] - 4)
    page.mouse.move(2, 2)
    assert not page.locator("#card").is_visible()


def test_classes_are_switched_off_and_on(maps, look):
    page = look(maps["photos"], 1400)
    everything = page.evaluate(PIXELS)

    page.click("#none")
    assert list(points_under(page, most=120)) == []
    page.locator("#list li", has_text="box").get_by_role("button").click()
    assert page.locator("#list input:checked").count() == 1
    labels = set()
    for _ in points_under(page):
        labels.add(page.inner_text("#what"))
    assert labels == {"box"}
    page.click("#every")
    page.mouse.move(2, 2)
    page.wait_for_timeout(100)
    assert page.evaluate(PIXELS) == everything


def test_a_photo_is_found_by_a_part_of_its_path(maps, look):
    page = look(maps["photos"], 1400)

    page.fill("#find", "STRIPES-07")
    assert page.inner_text("#found") == "1 of 72, Enter shows one after another"
    page.press("#find", "Enter")
    assert page.inner_text("#path") == "stripes/stripes-07.jpg"
    assert page.inner_text("#said") == "stripes, stripes/stripes-07.jpg"
    page.fill("#find", "no such photo")
    assert page.inner_text("#found") == "0 of 72"
    page.fill("#find", "ball")
    paths = set()
    for _ in range(24):
        page.press("#find", "Enter")
        paths.add(page.inner_text("#path"))
    assert len(paths) == 24
    assert all(path.startswith("ball/") for path in paths)


def test_the_map_is_worked_with_the_keyboard(maps, look):
    page = look(maps["photos"], 1400)
    page.focus("#canvas")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"

    pictures = [page.evaluate(PIXELS)]
    for key in ("+", "ArrowLeft", "-", "0"):
        page.keyboard.press(key)
        page.wait_for_timeout(100)
        pictures.append(page.evaluate(PIXELS))
    assert len(set(pictures)) == 4
    assert pictures[-1] == pictures[0]
    page.keyboard.press("Shift+ArrowRight")
    paths = [page.inner_text("#path")]
    for _ in range(4):
        page.keyboard.press("Shift+ArrowRight")
        paths.append(page.inner_text("#path"))
    assert len(set(paths)) > 2
    page.keyboard.press("Escape")
    assert not page.locator("#card").is_visible()


def test_a_finger_taps_moves_and_two_of_them_zoom(maps, look):
    page = look(maps["photos"], 380, has_touch=True)
    box = page.locator("#canvas").bounding_box()
    x, y = next(points_under(page))
    page.mouse.move(2, 2)

    page.touchscreen.tap(x, y)
    assert page.locator("#card").is_visible()
    page.keyboard.press("Escape")
    before = page.evaluate(PIXELS)
    fingers = page.context.new_cdp_session(page)

    def touch(kind, *points):
        fingers.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x, "y": y, "id": at} for at, (x, y) in enumerate(points)]},
        )

    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    touch("touchStart", (middle[0] - 20, middle[1]), (middle[0] + 20, middle[1]))
    for far in (30, 45, 60):
        touch("touchMove", (middle[0] - far, middle[1]), (middle[0] + far, middle[1]))
    touch("touchEnd")
    page.wait_for_timeout(150)
    zoomed = page.evaluate(PIXELS)
    assert zoomed != before
    touch("touchStart", middle)
    for far in (20, 60):
        touch("touchMove", (middle[0] + far, middle[1]))
    touch("touchEnd")
    page.wait_for_timeout(150)
    assert page.evaluate(PIXELS) != zoomed
    assert not page.locator("#card").is_visible()


def test_the_wheel_zooms_where_the_pointer_is(maps, look):
    page = look(maps["photos"], 1400)
    x, y = next(points_under(page))
    path = page.inner_text("#path")

    for _ in range(6):
        page.mouse.wheel(0, -200)
    page.wait_for_timeout(100)
    page.mouse.move(x + 1, y)

    assert page.inner_text("#path") == path


def test_pictures_are_drawn_on_the_map(maps, look):
    page = look(maps["photos"], 1400)
    before = page.evaluate(PIXELS)

    page.check("#pictures")
    page.wait_for_function(f"before => ({PIXELS})() !== before", arg=before)


def test_hostile_names_are_shown_and_do_nothing(maps, look):
    page = look(maps["hostile"], 1400)

    names = page.locator("#list bdi").all_inner_texts()
    assert "<img src=x onerror=alert(1)>" in names
    assert "</script><script>alert(1)</script>" in names
    assert "\\u202egnp.exe" in names
    assert page.locator("img").count() == 1
    assert page.locator("script").count() == 3
    page.fill("#find", FIRST)
    assert page.inner_text("#found").startswith("4 of ")
    page.press("#find", "Enter")
    assert page.inner_text("#bare") == "The photo is gone, or was changed."
    page.press("#find", "Enter")
    assert page.evaluate(MIDDLE) == STRONGEST["ball"]


def test_points_are_colored_by_part_too(maps, look):
    page = look(maps["hostile"], 1400)

    page.select_option("#by", label="part of the data set")

    assert sorted(page.locator("#list bdi").all_inner_texts()) == ["train", "validation"]
    assert page.inner_text("#kind") == "Parts"


def test_a_hundred_thousand_photos_can_be_pointed_at_searched_and_switched(maps, look):
    page = look(maps["many"], 1400)

    assert "Without pictures" in page.inner_text("header")
    assert page.locator("#pictures").count() == 0
    assert next(points_under(page))
    assert re.fullmatch(r"(train|val)/photo-\d{6}\.jpg", page.inner_text("#path"))
    page.fill("#find", "photo-0123")
    assert page.inner_text("#found").startswith("100 of 100,000")
    page.fill("#narrow", "class 29")
    assert set(page.locator("#list bdi").all_inner_texts()) == {
        "class 29",
        *(f"class 29{at}" for at in range(10)),
    }


def test_it_follows_the_light(maps, look):
    digests = set()
    for scheme in ("light", "dark"):
        page = look(maps["photos"], 1400, scheme)
        digests.add(hashlib.sha256(page.evaluate(PIXELS).encode()).hexdigest())
        page.emulate_media(color_scheme={"light": "dark", "dark": "light"}[scheme])
        page.wait_for_timeout(100)
        digests.add(hashlib.sha256(page.evaluate(PIXELS).encode()).hexdigest())
    assert len(digests) == 2
