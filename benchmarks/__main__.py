"""Measure this machine, print the tables, and put them into docs/numbers.md.

    python -m benchmarks                                  list the benchmarks
    python -m benchmarks all --photos DIR --write FILE    run them; the sections of FILE are replaced one by one

Machines differ and are noisy: read the ratios first.
"""

import argparse
import re
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import embedding, job, quality, speed
from benchmarks.table import Table, machine

BENCHMARKS = {
    "files": speed.files,
    "workers": speed.workers,
    "startup": speed.startup,
    "quality": quality.int8,
    "job": job.main_job,
    "memory": embedding.memory,
}
HEAD = """# Numbers

Made by `python -m benchmarks`; each section says when, where and by which command. Machines differ and are noisy: read
the ratios first.
"""


def section(name: str, command: str, table: Table) -> str:
    today = datetime.now(UTC).date()
    source = f"{machine()}; {today}; `{command}`"
    return f"<!-- {name} -->\n## {table.title}\n\n{source}\n\n{table.markdown()}\n<!-- /{name} -->\n"


def put(path: Path, name: str, text: str) -> None:
    """Replace the section `name` of `path`, or add it."""
    page = path.read_text(encoding="utf-8") if path.exists() else HEAD
    pattern = re.compile(rf"<!-- {name} -->.*?<!-- /{name} -->\n", re.DOTALL)
    page = pattern.sub(lambda _: text, page) if pattern.search(page) else f"{page}\n{text}"
    path.write_text(page, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=["all", *BENCHMARKS, []], help="which; all for every one")
    parser.add_argument("--photos", type=Path, help="a data set, as `train` takes it")
    parser.add_argument("--web-photos", type=Path, help="a folder of photos as they come from the web")
    parser.add_argument("--write", type=Path, help="the page whose sections are replaced")
    arguments = parser.parse_args()
    if not arguments.names:
        for name, benchmark in BENCHMARKS.items():
            print(f"{name:10} {(benchmark.__doc__ or '').splitlines()[0]}")
        return
    for name in BENCHMARKS if "all" in arguments.names else arguments.names:
        table = BENCHMARKS[name](arguments.photos, arguments.web_photos)
        print(f"\n{table.title}\n{machine()}\n\n{table.markdown()}", flush=True)
        if arguments.write:
            put(arguments.write, name, section(name, f"python -m benchmarks {name}", table))


if __name__ == "__main__":
    main()
