"""What completes commands, options and their choices in a shell: `--completion`."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

from efficientnet_lite.cli.wording import COMMAND_LINE
from efficientnet_lite.errors import UsageError

if TYPE_CHECKING:
    from cyclopts import App

Shell = Literal["bash", "zsh", "fish"]
# cyclopts takes a path apart at its spaces; where its function names nothing, bash itself completes and quotes paths.
SPLIT_PATHS, NO_PATHS = 'COMPREPLY=( $(compgen -f -- "${cur}") )', "COMPREPLY=()"
OF_FUNCTION, OR_PATHS = "complete -F ", "complete -o default -F "
# What zsh is not told how to complete: a model or a photo by its path, for cyclopts a mere word.
BARE = r"(?m)^ *'(?:(?:\d|\*):(?:[^:\\\n]|\\.)*|\*--weights\[.*\]:weights)(?=' \\?$)"
# zsh runs a file of $fpath as the function of its name; one that is sourced has to be made known.
PREFIXED, NAMED = "_cyclopts_efficientnet-lite", "_efficientnet-lite"
RUN_OR_KNOWN = f"""
if [ "$funcstack[1]" = "{NAMED}" ]; then
  {NAMED} "$@"
else
  compdef {NAMED} efficientnet-lite
fi"""


def script(arguments: Sequence[str], app: "App") -> str:
    """The script for the shell that `arguments` name. Raises UsageError where they name none, or more."""
    shells = get_args(Shell)
    if len(arguments) != 1 or arguments[0] not in shells:
        raise UsageError(
            "--completion takes the name of a shell",
            where=COMMAND_LINE,
            fix=f"give one of {', '.join(shells)}, as --completion bash",
        )
    shell: Shell = arguments[0]  # type: ignore[assignment]
    made = app.generate_completion(shell=shell)
    if shell == "bash":
        made = made.replace(SPLIT_PATHS, NO_PATHS).replace(OF_FUNCTION, OR_PATHS)
    made = made.rstrip("\n")
    if shell == "zsh":
        made = re.sub(BARE, r"\g<0>:_files", made.replace(PREFIXED, NAMED)) + RUN_OR_KNOWN
    return made
