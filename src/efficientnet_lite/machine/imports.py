"""Whether libraries can be imported here, tried in processes of their own, which a broken one may take with it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import bounded, printable
from efficientnet_lite.machine.libraries import Wanted
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.storage.confined import Failed, ask_tool

SECONDS = 120  # for all modules of a chain, on the clock: TensorFlow takes 5, on a busy machine 60
ANSWER_BYTES = 2**20
CHILD = "efficientnet_lite.machine.import_child"
STANDARD = ("sqlite3",)  # of Python, where it was built with it: the cache
RUNTIME = "ai_edge_litert.interpreter"


@dataclass(frozen=True, slots=True)
class Trial:
    """How the import of a module went."""

    module: str
    wrong: str  # "" where it can be imported
    file: Path | None = None  # of the package that it is in
    through: str = ""  # the package that went wrong


def trials_of(asked: Wanted, on_progress: OnProgress) -> tuple[dict[str, Trial], list[Trial]]:
    """Module -> how its import went, of all libraries that are there; and LiteRT's behind those of each extra.

    What runs our files shares a process with them when an extra is used, and native libraries can be at odds.
    """
    seen = {each.module for each in asked.base}
    chains = [[*STANDARD, *(each.module for each in asked.base if each.is_there)]]
    for added in asked.extras.values():
        modules = [each.module for each in added if each.is_there and each.module not in seen]
        seen.update(modules)
        if modules:
            chains.append([*modules, RUNTIME])
    base, *others = tried(chains, on_progress)
    found = {trial.module: trial for trial in (*base, *(each for chain in others for each in chain[:-1]))}
    alone = found.get(RUNTIME)
    if alone is None or alone.wrong:
        return found, []
    return found, [
        replace(chain[-1], module=", ".join(each.module.partition(".")[0] for each in chain[:-1]))
        for chain in others
    ]


def tried(chains: Sequence[Sequence[str]], on_progress: OnProgress) -> list[list[Trial]]:
    """Each chain of modules, imported one after another in one process; a chain may have any number of them.

    Where a module ends the process, those behind it are imported in another one.
    """
    done: list[list[Trial]] = []
    on_progress(0, len(chains))
    for chain in chains:
        done.append(_chain(chain))
        on_progress(len(done), len(chains))
    return done


def _chain(modules: Sequence[str]) -> list[Trial]:
    found: list[Trial] = []
    while len(found) < len(modules):
        todo = modules[len(found) :]
        question = json.dumps(list(todo)).encode()
        try:
            told = ask_tool(
                CHILD, question, library="json", limit=ANSWER_BYTES, seconds=SECONDS, memory=None
            ).answer
            why = "it ended the process"
        except Failed as error:
            told, why = error.begun, str(error)
        heard = [_trial(module, line) for module, line in zip(todo, told.splitlines(), strict=False)]
        found += heard
        if len(heard) < len(todo):
            found.append(Trial(todo[len(heard)], why))
    return found


def _trial(module: str, line: bytes) -> Trial:
    """What the child says of a module; a broken library shared its process, so it is read as a stranger's."""
    try:
        said: Any = json_value(line)
        place, wrong, through = said["file"], said["wrong"], said["through"]
    except (ValueError, KeyError, TypeError):
        return Trial(module, "its process gave no sensible answer")
    file = Path(place) if isinstance(place, str) and "\0" not in place else None
    return Trial(module, bounded(printable(str(wrong))), file, bounded(printable(str(through))))
