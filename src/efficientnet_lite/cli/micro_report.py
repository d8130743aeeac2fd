"""What `info --target tflm` and `export --format tflm` say: the answer of TFLite Micro's interpreter."""

from pathlib import Path

from efficientnet_lite.chips.micro import MOST_CODES, MicroReport
from efficientnet_lite.chips.output_gaps import OutputGap
from efficientnet_lite.cli.console import Console
from efficientnet_lite.cli.wording import spelled
from efficientnet_lite.errors import printable

KIB = 1024


def show_micro(console: Console, path: Path, found: MicroReport) -> None:
    """Whether the file at `path` runs there, the memory that it takes, and how near it answers to LiteRT."""
    notes = [spelled(note) for note in found.notes]
    if console.as_json:
        console.json({"path": path.absolute(), "target": "tflm", **found.to_json(), "notes": notes})
        return
    file = printable(found.file)
    of = f", asked of {file}" if found.file != str(path) else ""
    console.line(f"{found.runtime}{of}: {_verdict(found)}", keep=[file])
    show_needs(console, found)
    for note in notes:
        console.line(f"note: {note}")


def show_needs(console: Console, found: MicroReport) -> None:
    """Flash, RAM and operators, and how near it answers to LiteRT."""
    rows: list[tuple[str, object]] = [
        ("flash", f"{_bytes(found.model_bytes)}: the file, with names and metadata"),
        ("arena", f"{_bytes(found.arena_bytes)} of RAM, the fewest in which it opens"),
        ("activations", f"{_bytes(found.activation_bytes)} of them"),
        ("persistent", f"{_bytes(found.persistent_bytes)} of them; a chip of 32 bits needs a little less"),
    ]
    if found.scratch_bytes:
        more = f"up to {_bytes(found.scratch_bytes)} more"
        rows.append(("with CMSIS-NN", f"{more} for its kernels, by the formulas of its source; not run"))
    rows.append(("resolver", [f"{len(found.resolver)} operators: {found.resolver[0]}", *found.resolver[1:]]))
    if found.inputs:
        rows.append(
            ("run on", f"{found.inputs} input{'' if found.inputs == 1 else 's'} {found.inputs_named}")
        )
        rows += [(gap.output, _near(gap)) for gap in found.gaps]
    console.facts("", rows)


def _verdict(found: MicroReport) -> str:
    if not found.inputs:
        return "it opens; it was not run, since no photo has set the ranges of a model"
    if found.within:
        return "it runs, and answers as LiteRT does"
    return f"it runs, but ANSWERS OTHERWISE than LiteRT: an export must be within {MOST_CODES} codes of 255"


def _near(gap: OutputGap) -> str:
    if gap.codes == 0:
        return "the same codes as LiteRT"
    return f"within {gap.said} of LiteRT's"


def _bytes(count: int) -> str:
    return f"{count:,} bytes ({count / KIB:,.0f} KiB)"
