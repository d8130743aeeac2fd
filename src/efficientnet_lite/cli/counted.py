"""What became of the photos that a command was given, in words; `results` says the rest, and imports much more."""

from efficientnet_lite.cli.console import Console
from efficientnet_lite.photos.accounting import Accounting, Tally


def show_accounting(console: Console, accounting: Accounting | Tally) -> None:
    """What became of every photo: the numbers, the commonest reason for skipping, and what was passed over."""
    if accounting.skipped:
        console.warn(f"{accounting}; {accounting.reasons()}")
    else:
        console.note(str(accounting))
    if text := accounting.not_photos():
        console.note(text)
