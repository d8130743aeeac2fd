"""The source distribution holds everything that git tracks, and its text can stand on a page of an index."""

import re
import subprocess
import sys
import tarfile
import tomllib
from email import message_from_bytes
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> dict[str, bytes]:
    """Every file of the source distribution, by its name in the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        return {
            member.name.partition("/")[2]: tar.extractfile(member).read() for member in tar if member.isfile()
        }


def description(sdist) -> str:
    """What an index shows: README.md as pyproject.toml makes it fit for a page without its files."""
    return message_from_bytes(sdist["PKG-INFO"]).get_payload(decode=True).decode()


def leads(text: str) -> list[str]:
    """Where the links and pictures of a Markdown text lead, as a page shows it."""
    tokens = [
        child
        for token in MarkdownIt("commonmark").enable("table").parse(text)
        for child in token.children or []
    ]
    return [str(token.attrs[name]) for token in tokens for name in ("href", "src") if name in token.attrs]


def test_the_source_distribution_is_what_git_tracks(sdist):
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, timeout=60)
    if done.returncode:
        pytest.skip("this is no git checkout")
    tracked = {name for name in done.stdout.decode().split("\0") if name and (ROOT / name).is_file()}

    assert tracked - sdist.keys() == set()


def test_the_page_of_an_index_has_no_link_or_picture_that_leads_nowhere(sdist):
    assert [lead for lead in leads(description(sdist)) if not lead.startswith("https://")] == []


def test_the_page_of_an_index_names_every_file_that_the_readme_links_to(sdist):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    files = {lead.partition("#")[0] for lead in leads(readme) if lead.endswith(".md")}
    shown = description(sdist)

    assert len(files) >= 6
    assert [file for file in files if f"(`{file}`)" not in shown] == []
    assert "](" not in shown


def test_the_pictures_are_shown_are_light_and_need_nothing_from_elsewhere(sdist):
    pictures = {
        (page.parent / lead).relative_to(ROOT).as_posix()
        for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
        for lead in leads(page.read_text("utf-8"))
        if "pictures/" in lead
    }

    assert pictures == {name for name in sdist if name.startswith("docs/pictures/")}
    for name in pictures:
        assert len(sdist[name]) < 300 * 1024
        if name.endswith(".svg"):
            assert re.findall(rb"(?:href|src|url)\W+https?:|@import|<script", sdist[name]) == []


def test_a_relative_link_would_be_found():
    assert leads("see [this](docs/data.md), ![that](docs/pictures/report.png)") == [
        "docs/data.md",
        "docs/pictures/report.png",
    ]


def test_the_keywords_and_classifiers_are_there_once(sdist):
    metadata = message_from_bytes(sdist["PKG-INFO"])

    assert metadata.get_all("Classifier") == sorted(set(PROJECT["classifiers"]))
    assert sorted(metadata["Keywords"].split(",")) == sorted(set(PROJECT["keywords"]))
    assert metadata["Description-Content-Type"] == "text/markdown"
