"""What completes commands, options and their choices in a shell: `--completion`."""

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
    return made.rstrip("\n")
