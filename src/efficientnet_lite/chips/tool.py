"""A tool of a chip's maker, and how it is asked: in a process of its own, with two minutes and a limit of memory.

Every file passes `strangers.structure.check_model` before a tool sees it. What the tool answers and prints is a
stranger's all the same: bounded, and cleaned before it is shown.
"""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from efficientnet_lite.errors import ArtifactError, UsageError
from efficientnet_lite.plaintext import shortened, without_traceback
from efficientnet_lite.storage.confined import Failed, Told, ask_tool


@dataclass(frozen=True, slots=True)
class Tool:
    """A library that is asked."""

    name: str  # as its maker writes it
    library: str  # imported in the child
    distribution: str  # of the package index
    install: str  # what to type to have it
    child: str  # the module of ours with `respond(question, file)` that runs there

    @property
    def title(self) -> str:
        """Name and version, as "Vela 5.2.0"."""
        try:
            return f"{self.name} {version(self.distribution)}"
        except PackageNotFoundError:
            return self.name

    def require(self, where: Path | str) -> None:
        """Raises UsageError, which says how to get the tool, where it is not installed."""
        if find_spec(self.library.split(".")[0]) is None:
            raise UsageError(f"this asks {self.name}, which is not installed", where=where, fix=self.install)

    def ask(self, question: bytes, *, limit: int, where: Path | str, fix: str) -> Told:
        """What the tool answers to the question, at most `limit` bytes, about the file `where`.

        Raises:
            UsageError: it is not installed.
            ArtifactError: it died, took too long or too much memory; in its own words, shortened.
        """
        self.require(where)
        try:
            return ask_tool(self.child, question, library=self.library, limit=limit)
        except Failed as error:
            raise self.refusal(f"gives no answer: {error}", error.words, where=where, fix=fix) from error

    def refusal(self, why: str, words: str, *, where: Path | str, fix: str) -> ArtifactError:
        """The error for a file that the tool does not take, with what it printed."""
        kept = shortened(without_traceback(words), lines=4).split("\n")
        quoted = " / ".join(line.strip() for line in kept if line.strip())
        said = f"; its own words: {quoted}" if quoted else ""
        return ArtifactError(f"{self.title} {why}{said}", where=where, fix=fix)
