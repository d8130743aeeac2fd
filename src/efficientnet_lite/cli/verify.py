"""`verify`: prove a run, or a file, once more."""

from pathlib import Path
from typing import TYPE_CHECKING

from efficientnet_lite.cli.common import Json, Quiet, Switch, Verbose, console_of
from efficientnet_lite.cli.console import Console, percent
from efficientnet_lite.errors import EXIT_VERIFICATION

if TYPE_CHECKING:
    from efficientnet_lite.proof.verified import Verified


def verify(
    target: Path,
    /,
    *,
    data: Path | None = None,
    parent: Path | None = None,
    max_drop: float | None = None,
    min_agreement: float | None = None,
    trust: Switch = False,
    strict: Switch = False,
    json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Test a run's files once more, or a file against the one that it was made from, and say whether all holds.

    The answer is one of three: verified; not refuted, where nothing is wrong but too few photos show it; failed.

    Args:
        target: a run folder, or a .tflite file.
        data: photos to test with, instead of those that proved the run.
        parent: for a .tflite file, the float32 file that it was made from.
        max_drop: fraction of top-1 that may be lost, instead of what the run allowed.
        min_agreement: fraction of photos with the same class that is asked for, instead of the run's.
        trust: also let TensorFlow execute the SavedModels and Hub modules of the run.
        strict: "not refuted" fails too, with exit code 5.
    """
    from efficientnet_lite.cli.results import show_noted
    from efficientnet_lite.commands.verify import verify as verify_target

    console = console_of(json, verbose, quiet)
    verified = verify_target(
        target,
        data=data,
        parent=parent,
        max_drop=max_drop,
        min_agreement=min_agreement,
        trust=trust,
        progress=console.progress,
    )
    show_noted(console, verified, _show, json=json)
    if not verified.passed or (strict and verified.verdict != "verified"):
        raise SystemExit(EXIT_VERIFICATION)


def _show(console: Console, verified: "Verified") -> None:
    """The comparisons, and whether all of it holds."""
    from efficientnet_lite.cli.results import VERDICTS
    from efficientnet_lite.figures import noise

    if verified.comparisons:
        columns = ["photos as", "photos", "same class", "top-1 float32", "top-1 int8", "drop", "difference"]
        rows = [
            [
                each.view,
                each.count,
                percent(each.agreement, each.agreement_interval),
                percent(each.top1_parent),
                percent(each.top1_child),
                "-" if each.drop is None else f"{100 * each.drop:.1f} points",
                noise(each.snr_db),
            ]
            for each in verified.comparisons
        ]
        console.table("", columns, rows, right=columns[1:], drop=["difference", "photos", "top-1 float32"])
    if verified.int8 is not None:
        console.line(f"int8: {verified.int8.sentence}")
    console.line(VERDICTS[verified.verdict].format(what=verified.target), keep=[verified.target])
    for line in (*verified.faults, *verified.doubts):
        console.line(f"  {line}")
