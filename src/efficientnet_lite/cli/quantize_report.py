"""`quantize-report`: what int8 costs a file, and where."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from efficientnet_lite.cli.common import Json, Quiet, Switch, Verbose, Workers, console_of, shown

if TYPE_CHECKING:
    from efficientnet_lite.cli.console import Console
    from efficientnet_lite.run.clinic.diagnosis import Diagnosis


def quantize_report(
    target: Path,
    /,
    *,
    data: Annotated[Path | None, shown("of a run, the photos that proved it")] = None,
    parent: Annotated[str | None, shown("the run that the file lies in, or the published weights")] = None,
    html: Path | None = None,
    calibration: Annotated[
        tuple[int, ...], Parameter(negative=()), shown("10, 25, 50, 100 and two thirds, in about a minute")
    ] = (),
    overwrite: Switch = False,
    workers: Workers = None,
    json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Say what int8 costs a file, where its noise comes from, and what would help.

    Each layer's weights and each activation tensor are rounded alone, all else float, and run on LiteRT.
    The worst are tried in float and in 16 bits, and the network is quantized anew from more and more photos.
    Nothing is changed; a page is all that is written.

    Args:
        target: a run folder, whose int8 file is meant, or an int8 .tflite file of this package.
        data: a folder of photos, labelled or not, that the file has not been calibrated with; 300 are used.
        parent: what a single file was made of: a run, a float .tflite, a checkpoint or a model such as lite1.
        html: a page to write, with plots and pictures.
        calibration: with how many photos to calibrate; may be given again.
        overwrite: replace a page that is there.
    """
    from efficientnet_lite.cli.results import show_noted
    from efficientnet_lite.commands.quantize_report import quantize_report as report

    console = console_of(json, verbose, quiet)
    found = report(
        target,
        data=data,
        parent=parent,
        html=html,
        calibration=calibration,
        overwrite=overwrite,
        workers=workers,
        progress=console.progress,
    )
    show_noted(console, found, _show, json=json)


def _show(console: "Console", found: "Diagnosis") -> None:
    console.line(found.headline)
    for title, columns, rows in found.tables():
        console.line("")
        numbers = [name for name in columns if name not in TEXT]
        console.table(title, columns, rows, right=numbers)
    console.line("")
    for line in found.advice():
        console.line(line)
    if found.page is not None:
        console.line(f"with plots and pictures: {found.page}", keep=[found.page])


TEXT = ("step", "part", "of", "--keep", "class", "photo", "float", "int8")
