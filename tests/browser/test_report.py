"""A run's page in a real browser: nothing scrolls sideways or leaves its box, the switch works, nobody is kept out."""

import pytest

REASON = "a browser looks in an environment of its own: make test-browser"
pytest.importorskip("playwright.sync_api", reason=REASON)
Axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason=REASON).Axe

WIDTHS = (320, 380, 768, 1400)
SCHEMES = ("light", "dark")
NAMES = (
    "digits",
    "two classes",
    "twenty classes",
    "forty classes",
    "many classes",
    "one photo a class",
    "fine-tuned",
    "of the version before",
    "without photos",
)
SERIOUS = ("serious", "critical")

# Texts that lie beside the box that holds them, but for those that end early by an ellipsis, or scroll in their box.
OUTSIDE = """() => {
  const found = [];
  const cut = 'th.row, th.column span, pre.code, .mistakes .soft, .track, .pictures, .stack thead';
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode, holder = node.parentElement;
    if (!node.data.trim() || holder.closest(cut) || !holder.checkVisibility()) continue;
    let box = holder;
    while (getComputedStyle(box).display.startsWith('inline') || getComputedStyle(box).display === 'contents') {
      box = box.parentElement;
    }
    const range = document.createRange();
    range.selectNodeContents(node);
    const svg = holder.closest('svg');
    const edge = (svg || box).getBoundingClientRect();
    for (const text of range.getClientRects()) {
      if (text.width < 1) continue;
      if (text.left < edge.left - 1 || text.right > edge.right + 1 || text.right > innerWidth + 1) {
        found.push(`${box.tagName} ${box.className.baseVal ?? box.className}: ${node.data.trim().slice(0, 60)}`);
        break;
      }
    }
  }
  return found;
}"""
# Texts of a drawing that lie on each other.
OVERLAPS = """() => {
  const found = [];
  for (const svg of document.querySelectorAll('svg.plot')) {
    if (!svg.checkVisibility()) continue;
    const texts = [...svg.querySelectorAll('text')].map(each => [each.textContent, each.getBoundingClientRect()]);
    texts.forEach(([one, a], at) => texts.slice(at + 1).forEach(([other, b]) => {
      const apart = a.right <= b.left + 1 || b.right <= a.left + 1 || a.bottom <= b.top + 3 || b.bottom <= a.top + 3;
      if (!apart) found.push(`${one} / ${other}`);
    }));
  }
  return found;
}"""
# Short words that are cut in two; names of files and hostile ones may be.
BROKEN = """() => {
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode, holder = node.parentElement;
    if (holder.closest('.mistakes .soft, .file, .matrix, code') || !holder.checkVisibility()) continue;
    if (holder.closest('.stack thead')?.offsetWidth < 2) continue;  // for who does not see the page
    for (const word of node.data.matchAll(/(?<![^\\s])[a-z]{2,12}(?![^\\s])/g)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map(each => Math.round(each.top)));
      if (lines.size > 1) found.push(word[0]);
    }
  }
  return found;
}"""
SCROLLS = "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"


def positions(page):
    """Every position of the switch: the words beside both radio buttons."""
    files = page.locator("input[name=file]").count()
    views = page.locator("input[name=view]").count()
    for file in range(files):
        for view in range(views):
            page.check(f"#file{file}")
            page.check(f"#view{view}")
            yield file, view


def serious(page):
    """What axe-core finds that keeps people out."""
    found = Axe().run(page).response["violations"]
    return [
        (each["id"], node["html"][:120], node["failureSummary"][:200])
        for each in found
        if each["impact"] in SERIOUS
        for node in each["nodes"][:3]
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_scrolls_sideways_and_no_text_leaves_its_box(runs, look, name, width):
    page = look(runs[name], width)

    for position in positions(page):
        scrolled, there = page.evaluate(SCROLLS)
        assert scrolled <= there, position
        assert page.evaluate(OUTSIDE) == [], position
        assert page.evaluate(OVERLAPS) == [], position
        assert page.evaluate(BROKEN) == [], position
    page.evaluate("() => document.querySelectorAll('details').forEach(each => each.open = true)")
    scrolled, there = page.evaluate(SCROLLS)
    assert scrolled <= there
    assert page.evaluate(OUTSIDE) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [380, 1400])
def test_axe_finds_nothing_serious(runs, look, name, scheme, width):
    page = look(runs[name], width, scheme)

    assert serious(page) == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [380, 1400])
def test_axe_finds_nothing_serious_in_any_position_nor_in_what_is_closed(runs, look, scheme, width):
    page = look(runs["digits"], width, scheme)
    page.evaluate("() => document.querySelectorAll('details').forEach(each => each.open = true)")

    for position in positions(page):
        assert serious(page) == [], position


@pytest.mark.parametrize("name", NAMES)
def test_each_position_of_the_switch_shows_its_own_part_alone(runs, look, name):
    page = look(runs[name], 1400)

    seen = []
    for file, view in positions(page):
        shown = page.locator(".choice:visible")
        assert shown.count() == 1
        assert f"c{file}{view}" in shown.get_attribute("class").split()
        seen.append(shown.inner_text())
    views = 2 if name == "of the version before" else 3
    assert len(seen) == len(set(seen)) == 2 * views
    assert seen[0].startswith("The int8 file on photos")


def test_the_switch_is_worked_with_the_keyboard_and_shows_where_it_stands(runs, look):
    page = look(runs["digits"], 1400)

    page.focus("#file0")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")

    assert page.evaluate("document.activeElement.id") == "view1"
    assert "c11" in page.locator(".choice:visible").get_attribute("class").split()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"


def test_a_click_selects_a_whole_command(runs, look):
    page = look(runs["digits"], 1400)

    command = page.locator("pre.command").first
    command.click()

    assert page.evaluate("getSelection().toString()").strip() == command.inner_text().strip()
    assert "\n" not in page.evaluate("getSelection().toString()").strip()


@pytest.mark.parametrize("name", ["digits", "fine-tuned", "many classes"])
def test_a_phone_and_a_big_screen_have_their_own_arrangement(runs, look, name):
    wide, narrow = look(runs[name], 1400), look(runs[name], 380)

    def columns(page, selector):
        boxes = page.locator(f"{selector}:visible").first.evaluate(
            "each => [...each.children].map(child => Math.round(child.getBoundingClientRect().left))"
        )
        return len(set(boxes))

    assert columns(wide, ".pair") == 2
    assert columns(narrow, ".pair") == 1
    assert columns(wide, ".tiles") == 3
    assert columns(narrow, ".tiles") == 1
    if name == "fine-tuned":
        for page, shown in ((wide, "wide"), (narrow, "narrow")):
            drawings = page.locator("svg.plot:visible")
            assert drawings.count() == 1
            assert drawings.locator(f"[id^={shown}-]").count() > 10


def test_the_curves_have_the_colors_of_the_page_in_the_dark(runs, look):
    def colors(scheme):
        page = look(runs["fine-tuned"], 1400, scheme)
        return page.evaluate(
            "() => ['svg.plot text', 'body'].map(each => {"
            " const style = getComputedStyle(document.querySelector(each));"
            " return each === 'body' ? style.color : style.fill })"
        )

    light, dark = colors("light"), colors("dark")

    assert light[0] == light[1]
    assert dark[0] == dark[1]
    assert light != dark


def test_on_paper_stands_what_was_chosen_and_nothing_to_press(runs, look):
    page = look(runs["digits"], 700)
    page.check("#file1")

    page.emulate_media(media="print")

    assert page.locator(".choice:visible").count() == 1
    assert page.locator(".choice:visible").inner_text().startswith("The float32 file on photos")
    assert page.locator(".switch:visible").count() == 0


@pytest.mark.parametrize("name", ["digits", "many classes"])
def test_every_mistake_shows_its_picture(runs, look, name):
    page = look(runs[name], 1400)

    drawn = page.evaluate(
        "() => [...document.querySelectorAll('.mistakes svg use')].map(each =>"
        " document.querySelector(each.getAttribute('href')).querySelector('image').getAttribute('href').length)"
    )
    assert drawn
    assert min(drawn) > 300
    page.locator(".choice:visible .mistakes svg").first.scroll_into_view_if_needed()
    assert page.locator(".choice:visible .mistakes svg").first.bounding_box()["height"] > 100
