"""The command that makes a run's page: report."""

from pathlib import Path

from efficientnet_lite.cli.common import AnyJson, Quiet, Switch, Verbose, console_of


def report(
    run: Path,
    /,
    *,
    photos: Path | None = None,
    out: Path | None = None,
    overwrite: Switch = False,
    json: AnyJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Make the page to look at of a run: accuracy, confusions, surest mistakes, as one HTML file.

    Args:
        run: a run folder.
        photos: where the photos that it was trained on lie now, if they have moved.
        out: the file to write; report.html in the run folder where not given.
        overwrite: make the page anew where there is one.
        json: print one JSON document instead of the path.
    """
    from efficientnet_lite.cli.results import show_noted
    from efficientnet_lite.commands.report import report as make_report

    console = console_of(json, verbose, quiet)
    reported = make_report(run, photos=photos, out=out, overwrite=overwrite, progress=console.progress)
    show_noted(
        console,
        reported,
        lambda console, reported: console.line(str(reported.path), keep=[reported.path]),
        json=json,
    )
