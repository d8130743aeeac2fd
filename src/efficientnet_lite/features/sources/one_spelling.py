"""One spelling for each photo on this machine, by which two names of one file are known as such."""

import os


class Spellings:
    """`b/1.jpg`, `a/../b/1.jpg` and its absolute path are one photo."""

    def __init__(self) -> None:
        self._here = os.getcwd()  # noqa: PTH109
        self._above: dict[str, str] = {}  # what ends with two dots -> where it leads

    def one_of(self, path: str) -> str:
        """The absolute path, without dots; what stands before two dots is looked up, since it may be a link."""
        whole = os.path.join(self._here, path)  # noqa: PTH118
        before, dots, rest = whole.rpartition("/..")
        if not dots or rest[:1] not in ("", "/"):
            return whole
        folder = before + dots
        if folder not in self._above:
            self._above[folder] = os.path.realpath(folder)
        return self._above[folder] + rest
