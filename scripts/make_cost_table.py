"""What a billion photos cost, from what docs/numbers.md measured and stated prices: the table in docs/scale.md.

python scripts/make_cost_table.py           put it there
python scripts/make_cost_table.py --check   exit with 1 where it is another
"""

import math
import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, NUMBERS = DOCS / "scale.md", DOCS / "numbers.md"
BEGIN, END = "<!-- billion -->", "<!-- /billion -->"

PHOTOS = 1_000_000_000
PHOTO_BYTES = 110_000  # of a photo of the web, as above
SHARD_PHOTOS, PART_ROWS = 10_000, 10_000  # of a tar, of a part
VECTOR_BYTES = {"float32": 3085, "float16": 1674, "int8": 1028}  # docs/embedding.md, measured
# US dollars, list prices of AWS us-east-1 as they stood in 2025 (aws.amazon.com/ec2/pricing/on-demand, /s3/pricing):
# c7a.4xlarge 0.82112 an hour for 16 vCPU, each a core of an EPYC; S3 Standard.
CORE_HOUR = 0.82112 / 16
GB_MONTH, PUTS_1000, GETS_1000 = 0.023, 0.005, 0.0004


def section(name: str) -> str:
    text = NUMBERS.read_text(encoding="utf-8")
    return text.partition(f"<!-- {name} -->")[2].partition(f"<!-- /{name} -->")[0]


def row(text: str, number: int = 0) -> list[str]:
    """The cells of a row of the table in a section."""
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [cell.strip() for cell in rows[number].strip("|").split("|")]


def number(cell: str) -> float:
    found = re.match(r"[0-9.,]+", cell)
    assert found, cell
    return float(found[0].replace(",", ""))


def money(dollars: float) -> str:
    return f"${dollars:,.2f}" if dollars < 10 else f"${dollars:,.0f}"


def _runs(count: float) -> str:
    least = math.ceil(count)
    return f"{least} run{'s' * (least > 1)} at once"


def table() -> str:
    pace = row(section("embed-pace"))
    loading, model = number(pace[2]), number(pace[1])  # ms on one core
    photos_a_core = number(pace[5]) / 2  # of two cores, all in
    large = number(row(section("embed-loader"), 2)[1])
    taken_in = number(row(section("embed-taken-in"), 1)[2])
    hours = PHOTOS / photos_a_core / 3600
    share = loading / (loading + model)
    large_hours = hours * (large + model) / (loading + model)
    shards, parts = PHOTOS / SHARD_PHOTOS, PHOTOS / PART_ROWS
    lines = [
        "| | how | |",
        "|---|---|---|",
        f"| a core of the machine in [numbers](numbers.md) | lite0, all in | {photos_a_core:.0f} photos/s |",
        f"| loading (read, decode, resize) | {loading:.2f} of {loading + model:.2f} ms | {hours * share:,.0f} core hours |",
        f"| the model | {model:.2f} ms | {hours * (1 - share):,.0f} core hours |",
        f"| together | | {hours:,.0f} core hours, {money(hours * CORE_HOUR)} |",
        f"| the same, photos of 12 megapixels | loading {large:.1f} ms | {large_hours:,.0f} core hours, "
        f"{money(large_hours * CORE_HOUR)} |",
        f"| one run takes in, parts of {PART_ROWS:,} | {taken_in:,.0f} photos/s | "
        f"what {taken_in / photos_a_core:,.0f} cores make |",
        *(
            f"| time with {cores:,} cores | {photos_a_core * cores:,.0f} photos/s | "
            f"{PHOTOS / photos_a_core / cores / 3600:,.1f} h, {_runs(photos_a_core * cores / taken_in)} |"
            for cores in (16, 64, 512)
        ),
        f"| the photos | {PHOTO_BYTES // 1000} kB each | {PHOTOS * PHOTO_BYTES / 1e12:,.0f} TB, "
        f"{money(PHOTOS * PHOTO_BYTES / 1e9 * GB_MONTH)} a month |",
        *(
            f"| the vectors, {dtype} | {size:,} bytes each | {PHOTOS * size / 1e12:.1f} TB, "
            f"{money(PHOTOS * size / 1e9 * GB_MONTH)} a month |"
            for dtype, size in VECTOR_BYTES.items()
        ),
        f"| requests, a photo an object | one GET each | {money(PHOTOS / 1000 * GETS_1000)} |",
        f"| requests, photos in tars of {SHARD_PHOTOS:,} | two GETs each (list, photos) | "
        f"{money(2 * shards / 1000 * GETS_1000)} |",
        f"| requests, parts of {PART_ROWS:,} | part and journal put, part read back | "
        f"{money(2 * parts / 1000 * PUTS_1000 + parts / 1000 * GETS_1000)} |",
    ]
    return "\n".join(lines)


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    made = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if "--check" in sys.argv:
        sys.exit(made != text)
    PAGE.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
