"""What `info --target tflm` says: the answer of TFLite Micro's interpreter."""

from pathlib import Path

from efficientnet_lite.chips.micro import MOST_CODES, MicroReport
from efficientnet_lite.chips.output_gaps import OutputGap
from efficientnet_lite.cli.console import Console
from efficientnet_lite.cli.wording import spelled
from efficientnet_lite.figures import within

KIB = 1024


def show_micro(console: Console, path: Path, found: MicroReport) -> None:
    """Whether the file at `path` runs there, the memory that it takes, and how near it answers to LiteRT."""
    notes = [spelled(note) for note in found.notes]
    if console.as_json:
        console.json({"path": path.absolute(), "target": "tflm", **found.to_json(), "notes": notes})
        return
    console.line(f"{found.runtime}: {_verdict(found)}")
    rows: list[tuple[str, object]] = [
        ("model", f"{_bytes(found.model_bytes)} of flash, names and metadata included"),
        ("arena", f"{_bytes(found.arena_bytes)} of RAM, the fewest in which it opens"),
        ("of it activations", _bytes(found.activation_bytes)),
        ("of it kept", f"{_bytes(found.persistent_bytes)} for its operators; here pointers have 64 bits"),
    ]
    if found.scratch_bytes:
        rows.append(("with CMSIS-NN", f"up to {_bytes(found.scratch_bytes)} more, by its source; not run"))
    rows.append(("resolver", [f"{len(found.resolver)} operators: {found.resolver[0]}", *found.resolver[1:]]))
    if found.inputs:
        rows.append(
            ("run on", f"{found.inputs} input{'' if found.inputs == 1 else 's'} {found.inputs_named}")
        )
        rows += [(gap.output, f"{_near(gap)} of what LiteRT gives") for gap in found.gaps]
    console.facts("", rows)
    for note in notes:
        console.line(f"note: {note}")


def _verdict(found: MicroReport) -> str:
    if not found.inputs:
        return "it opens; it was not run, since no photos have set the ranges of this model"
    if found.within:
        return "it runs, and answers as LiteRT does"
    return f"it runs, but ANSWERS OTHERWISE than LiteRT: an export must be within {MOST_CODES} codes of 255"


def _near(gap: OutputGap) -> str:
    return f"within {gap.reals:.2g}" if gap.codes is None else within(gap.codes)


def _bytes(count: int) -> str:
    return f"{count:,} bytes ({count / KIB:,.0f} KiB)"
