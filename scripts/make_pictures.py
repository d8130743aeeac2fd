#!/usr/bin/env python3
"""Make the pictures of README.md and the pages from real runs: terminal.svg, report.png, clinic.png, found.png, map.png.

    python scripts/make_pictures.py [terminal report clinic found map] [--work FOLDER]

The main job on the handwritten digits of `make demo`, typed into a terminal of 80 columns, the page that it makes, what
int8 costs it, and the digits found that look like one, and their map, in a browser. Needs tmux and Chromium (or Chrome); the map Playwright and pyarrow, as
`.venv-browser` has them, and umap-learn. With --work the photos and the run stay in FOLDER.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs/pictures"
COLUMNS, ROWS = 80, 60
COMMANDS = (
    "efficientnet-lite train digits --model lite0@96",
    "efficientnet-lite predict runs/digits photo.png --top-k 3",
)
VECTOR_COMMANDS = (
    "embed lite0@96 digits --out vectors",
    "search vectors photo.png --html found.html --overwrite",
    "map vectors --method umap --overwrite",
)
CLINIC_COMMAND = "quantize-report runs/digits --html clinic.html"
PICTURE_NAMES = ("terminal", "report", "clinic", "found", "map")
PROMPT = "$"
WIDE, HIGH = 1400, 1130  # pixels of the browser's window: down to where it goes wrong
MAP_HIGH = 800
CLINIC = (1000, 1180)
FOUND = (1000, 840)
MOST = 300 * 1024  # bytes of a picture
PATIENCE_S = 900
# The fonts of the reader: rich's own template fetches one from elsewhere, which a picture in a page may not do.
SVG = """<svg xmlns="http://www.w3.org/2000/svg" class="rich-terminal" viewBox="0 0 {width} {height}" role="img" \
aria-label="A terminal">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; white-space: pre; }}
.{unique_id}-title {{ font-family: system-ui, "DejaVu Sans", sans-serif; font-size: 15px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def tmux(*arguments: str) -> str:
    done = subprocess.run(["tmux", "-L", "pictures", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def typed(commands: tuple[str, ...], folder: Path) -> str:
    """What a terminal shows, colours as ANSI codes, after the commands were typed into it one by one."""
    shell = f"exec env PS1='{PROMPT} ' bash --norc --noprofile -i"
    tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), "-c", str(folder), shell)
    try:
        waited(lambda: ended(0))
        for number, command in enumerate(commands, start=1):
            tmux("send-keys", "-l", command)
            tmux("send-keys", "Enter")
            waited(lambda number=number: ended(number))
        return tmux("capture-pane", "-e", "-p", "-S", "-")
    finally:
        tmux("kill-server")


def ended(commands: int) -> bool:
    """Whether so many commands have run, and the shell waits for the next one."""
    lines = tmux("capture-pane", "-p", "-S", "-").rstrip().splitlines()
    prompts = [line for line in lines if line.startswith(PROMPT)]
    return bool(lines) and lines[-1].strip() == PROMPT and len(prompts) == commands + 1


def waited(is_so) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > end:
            raise SystemExit(f"nothing happened for {PATIENCE_S} s")
        time.sleep(0.2)


def terminal_svg(shown: str) -> str:
    """The terminal as a picture, without the prompt that waits."""
    lines = shown.rstrip().splitlines()[:-1]
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi("\n".join(lines)), soft_wrap=True)
    return console.export_svg(title="efficientnet-lite", theme=MONOKAI, code_format=SVG, unique_id="terminal")


def photographed(page: Path, browser: str, wide: int = WIDE, high: int = HIGH) -> bytes:
    """The top of a page as a PNG of few colors."""
    with tempfile.TemporaryDirectory() as scratch:
        picture = Path(scratch, "page.png")
        subprocess.run(
            [
                browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                f"--user-data-dir={scratch}/profile", f"--window-size={wide},{high}",
                "--virtual-time-budget=3000", f"--screenshot={picture}", page.as_uri(),
            ],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        return few_colors(picture.read_bytes())


def pointed_at(page: Path, browser: str) -> bytes:
    """A map as a PNG of few colors, pictures on it, and one photo kept."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser)
        shown = opened.new_page(viewport={"width": WIDE, "height": MAP_HIGH})
        shown.goto(page.as_uri())
        shown.check("#pictures")
        shown.fill("#find", "5/")
        shown.press("#find", "Enter")
        shown.fill("#find", "")
        shown.locator("h1").click()
        shown.wait_for_timeout(1000)
        picture = shown.screenshot()
        opened.close()
    return few_colors(picture)


def few_colors(picture: bytes) -> bytes:
    png = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(256).save(png, "PNG", optimize=True)
    return png.getvalue()


def write(name: str, content: bytes) -> None:
    if len(content) > MOST:
        raise SystemExit(f"{name} has {len(content):,} bytes, more than {MOST:,}")
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / name).write_bytes(content)
    print(f"docs/pictures/{name}: {len(content):,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=PICTURE_NAMES, default=PICTURE_NAMES)
    parser.add_argument("--work", type=Path)
    given = parser.parse_args()
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None or shutil.which("tmux") is None:
        raise SystemExit("tmux and Chromium are needed")
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as scratch:
        work = (given.work or Path(scratch)).resolve()
        work.mkdir(exist_ok=True, parents=True)
        os.environ["EFFICIENTNET_LITE_CACHE"] = str(work / "cache")  # a first run, as its reader's
        subprocess.run([sys.executable, ROOT / "scripts/make_digits.py", work / "digits"], check=True)
        shutil.copy(sorted((work / "digits/3").iterdir())[-1], work / "photo.png")

        def run(line: str) -> None:
            subprocess.run([sys.executable, "-m", "efficientnet_lite", *line.split()], check=True, cwd=work)

        if {"terminal", "report", "clinic"} & set(given.names):
            shown = typed(COMMANDS, work)
        if {"terminal", "report"} & set(given.names):
            write("terminal.svg", terminal_svg(shown).encode())
            write("report.png", photographed(work / "runs/digits/report.html", browser))
        if "clinic" in given.names:
            run(CLINIC_COMMAND)
            write("clinic.png", photographed(work / "clinic.html", browser, *CLINIC))
        if {"found", "map"} & set(given.names):
            for line in VECTOR_COMMANDS:
                run(line)
        if "found" in given.names:
            write("found.png", photographed(work / "found.html", browser, *FOUND))
        if "map" in given.names:
            write("map.png", pointed_at(work / "map.html", browser))


if __name__ == "__main__":
    main()
