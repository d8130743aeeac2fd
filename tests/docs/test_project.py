"""The project around the code: the picture of the house, the locks, and the notes on decisions."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from efficientnet_lite.extras import GIVES

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src/efficientnet_lite"
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
GROUPS = PROJECT["dependency-groups"]
LOCKS = {  # lock -> the extras and groups that it holds beside the base install
    "dev": [*EXTRAS["imagenet"], *GROUPS["test"], *GROUPS["lint"], *GROUPS["build"], *GROUPS["lock"]],
    "all": [*(each for extra in EXTRAS.values() for each in extra), *GROUPS["test"], *GROUPS["lint"]],
    "lowest": [*EXTRAS["imagenet"], *GROUPS["test"], *GROUPS["build"]],
    "jax": [*EXTRAS["imagenet"], *GROUPS["test"], *GROUPS["build"], *GROUPS["jax"]],
    "ray": [*EXTRAS["imagenet"], *EXTRAS["ray"], *GROUPS["test"], *GROUPS["build"]],
}


def locked(name: str) -> dict[str, list[str]]:
    """Package -> its versions in the lock; a universal lock may have one for each Python."""
    versions: dict[str, list[str]] = {}
    text = (ROOT / f"locks/{name}.txt").read_text(encoding="utf-8")
    for package, version in re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", text, flags=re.MULTILINE):
        versions.setdefault(canonicalize_name(package), []).append(version)
    return versions


def test_what_every_extra_gives_is_said_once_and_in_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert set(GIVES) == set(EXTRAS)
    assert [extra for extra in EXTRAS if f"\n| `{extra}` |" not in readme and extra != "imagenet"] == []


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_locked_at_versions_that_it_allows(name):
    versions = locked(name)

    for text in [*PROJECT["project"]["dependencies"], *LOCKS[name]]:
        requirement = Requirement(text)
        found = versions.get(canonicalize_name(requirement.name), [])
        assert found, f"{text} is not in locks/{name}.txt: make lock"
        assert all(requirement.specifier.contains(version) for version in found), (text, found)


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_version_has_hashes_and_no_address(name):
    text = (ROOT / f"locks/{name}.txt").read_text(encoding="utf-8")
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]

    assert len(entries) > 30
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text
    assert not re.search(r"^--|^-[a-z] ", text, flags=re.MULTILINE)


def test_the_picture_of_the_house_shows_every_folder_of_the_package():
    picture = re.search(
        r"```mermaid\n(.*?)```", (ROOT / "docs/architecture.md").read_text("utf-8"), re.DOTALL
    )
    assert picture
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}

    drawn = set(re.findall(r"\b([a-z]+)/", picture[1]))

    assert drawn == folders


@pytest.mark.parametrize("note", sorted((ROOT / "docs/decisions").glob("*.md")), ids=lambda note: note.stem)
def test_a_decision_is_short_and_says_what_would_change_it(note):
    text = note.read_text(encoding="utf-8")

    assert len(text.splitlines()) < 30
    assert int(note.name[:4]) == int(re.match(r"# (\d+)\. ", text)[1])
    for part in ("Question", "Choice", "Evidence", "What would change our mind"):
        assert f"**{part}.**" in text


def test_decisions_are_numbered_without_a_gap():
    numbers = sorted(int(note.name[:4]) for note in (ROOT / "docs/decisions").glob("*.md"))

    assert numbers == list(range(1, len(numbers) + 1))


def test_every_module_that_the_architecture_names_is_there():
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    named = set(re.findall(r"`([a-z]+/[a-z_/0-9]+)(?:\.py)?`", text))

    there = {path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py")}

    assert len(named) > 30
    assert sorted(name for name in named if name.split("/")[0] in ROOMS and name not in there) == []


def test_every_room_says_what_lives_there_and_what_to_open_first():
    for room in ROOMS:
        text = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text("utf-8"))) or ""
        first = re.search(r"[Oo]pen `([a-z_0-9]+)` first|A file is a command", text)

        assert first, room
        assert len(text.splitlines()) <= 15
        assert re.search(r"\b[Mm]ay\s+import\b", text), room
        for name in re.findall(r"[Oo]pen `([a-z_0-9]+)`", text):
            assert (PACKAGE / room / f"{name}.py").is_file(), (room, name)


def test_every_group_of_tests_has_a_target_an_environment_and_a_last_result():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    targets = dict(re.findall(r"^(test-[a-z0-9-]+): (.*?)  ## ", makefile, flags=re.MULTILINE))
    results = re.findall(
        r"^\| `make (test-[a-z0-9-]+)` \|.*\| 20\d\d-\d\d-\d\d: .*\d.* \|$", contributing, re.MULTILINE
    )

    assert sorted(results) == sorted(targets)
    assert {"test", *targets} == set(re.search(r"^\.PHONY: (test .*)$", makefile, re.MULTILINE)[1].split())
    environments = {name for needs in targets.values() for name in re.findall(r"\.venv-([a-z0-9]+)/", needs)}
    own_rule = set(re.findall(r"^\.venv-([a-z0-9]+)/setup\.stamp:", makefile, re.MULTILINE))
    assert [
        name for name in environments - own_rule if not (ROOT / f"tests/{name}/requirements.txt").is_file()
    ] == []


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("tests/*/requirements.txt")), ids=lambda path: path.parent.name
)
def test_what_a_group_installs_has_a_version(path):
    asked = [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]

    assert len(asked) > 1
    assert [line for line in asked if not re.match(r"[A-Za-z0-9._\[\]-]+(==|<)[0-9]", line)] == []
