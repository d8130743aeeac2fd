"""What the documents say is so: commands parse, links lead somewhere, tables equal the code's own."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from efficientnet_lite.cli.app import parser
from efficientnet_lite.network.plan import VARIANTS, make_plan

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
COMMAND = re.compile(r"^    (efficientnet-lite .+?)(?:  +#.*)?$", flags=re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page):
    targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_command_of_the_readme_parses():
    commands = COMMAND.findall((ROOT / "README.md").read_text(encoding="utf-8"))

    assert len(commands) >= 6
    app = parser()
    for command in commands:
        app.parse_args(shlex.split(command)[1:], exit_on_error=False, print_error=False)


def test_the_table_of_variants_is_that_of_the_code():
    text = (ROOT / "docs/models.md").read_text(encoding="utf-8")

    for variant in VARIANTS.values():
        row = (
            f"| {variant.name} | {variant.size} | {variant.parameters:,} | {make_plan(variant).madds() / 1e6:,.0f} M "
            f"| {100 * variant.top1:.1f} % at {variant.size} | {100 * variant.top1_int8:.1f} % at {variant.int8_size} |"
        )
        assert row in text


@pytest.mark.parametrize("script", ["make_commands_page.py", "make_python_page.py"])
def test_a_page_that_is_made_is_what_commands_and_functions_say(script):
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / script, "--check"],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr


def test_no_tracked_file_names_a_registry_host_or_a_place_of_one_machine():
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, timeout=60)
    if done.returncode:
        pytest.skip("this is no git checkout")
    forbidden = re.compile(
        rb"py[p]i\.org|pythonhos[t]ed\.org|npm[j]s\.org|(^|[^A-Za-z0-9_.-])/(wor[k]|far[m])/[a-z.]"
    )
    names = [name for name in done.stdout.decode().split("\0") if name]

    assert [
        name for name in names if (ROOT / name).is_file() and forbidden.search((ROOT / name).read_bytes())
    ] == []


def promised(text: str) -> list[tuple[str, str]]:
    """File and name of each test that a page names; a name alone is of the file before it."""
    found: list[tuple[str, str]] = []
    for file, name in re.findall(r"`(tests/[\w/]+\.py)?::(\w+)`", text):
        found.append((file or found[-1][0], name))
    return found


def test_every_promise_of_the_security_page_names_a_test_that_is_there():
    named = promised((ROOT / "SECURITY.md").read_text(encoding="utf-8"))

    missing = [
        f"{file}::{name}"
        for file, name in named
        if not re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), flags=re.MULTILINE)
    ]

    assert len(named) >= 30
    assert missing == []
