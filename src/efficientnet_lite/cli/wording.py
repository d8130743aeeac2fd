"""What the package says of its arguments, as a command line spells them: `val=2` is --val 2."""

import re
from collections.abc import Callable

from efficientnet_lite.errors import CALL

COMMAND_LINE = "the command line"  # where a wrong option is
OPTIONS = {  # argument of a call -> the option's name, where it is another
    "ema": "no_ema",
    "endpoints": "endpoint",
    "links": "no_links",
    "outputs": "output",
    "view": "as",
}
ARGUMENT = r"`([a-z][a-z0-9_]*)=([^`\n]*)`"  # compiled when a message is shown, which `--help` has none of

Spell = Callable[[str, str], str]  # an argument's name and value, which may be empty, as text


def option(name: str, value: str = "") -> str:
    """An argument as this program's option; a switch needs no value."""
    spelled = f"--{OPTIONS.get(name, name).replace('_', '-')}"
    return f"{spelled} {value}" if value and value not in ("True", "False") else spelled


def spelled(text: str, spell: Spell = option) -> str:
    """`text` with every argument in it as `spell` has it, and the command line where it says the call."""
    if text == CALL:
        return COMMAND_LINE
    return re.sub(ARGUMENT, lambda found: spell(found[1], re.sub(r"[\[\]'\"]", "", found[2])), text)
