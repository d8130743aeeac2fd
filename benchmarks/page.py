"""docs/numbers.md: one section for each benchmark between two comments, written by nothing else.

Other pages have sections too, among what people write.
"""

import re
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.table import Table, machine
from efficientnet_lite.storage import files

HEAD = """# Numbers

Made by the scripts in `benchmarks/`; each section says when, where and by which command. Machines differ and are noisy:
read the ratios first.
"""
_SECTION = re.compile(r"<!-- ([\w-]+) -->\n.*?<!-- /\1 -->\n", re.DOTALL)


def section(name: str, command: str, table: Table) -> str:
    """The table of benchmark `name` as a section of the page."""
    source = f"{machine()}; {datetime.now(UTC).date()}; `{command}`"
    return f"<!-- {name} -->\n## {table.title}\n\n{source}\n\n{table.markdown()}\n<!-- /{name} -->\n"


def put(path: Path, text: str) -> None:
    """Replace the section of the same name in the page at `path`, or add it at the end."""
    page = path.read_text(encoding="utf-8") if path.exists() else ""
    files.publish(path, with_section(page, text).encode())


def with_section(page: str, text: str) -> str:
    """`page` with the section `text` in place of the one of its name, or behind all others.

    Raises ValueError where `text` is not exactly one section.
    """
    found = sections(text)
    if list(found.values()) != [text]:
        raise ValueError(f"expected one section, got {text[:60]!r}")
    if page and not page.startswith(HEAD.splitlines()[0]):
        return _replaced(page, *found.items())
    return "\n".join([HEAD, *(sections(page) | found).values()])


def _replaced(page: str, section: tuple[str, str]) -> str:
    """A page that people write too, with its section of that name replaced where it stands."""
    name, text = section
    old = sections(page).get(name)
    if old is None:
        raise ValueError(f"the page has no section {name}")
    return page.replace(old, text)


def sections(page: str) -> dict[str, str]:
    """Benchmark -> its section, comments included, in the page's order."""
    return {found[1]: found[0] for found in _SECTION.finditer(page)}
