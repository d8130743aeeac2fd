"""The files of one part while they are written: they get their names together, or vanish."""

from contextlib import ExitStack
from typing import BinaryIO

from efficientnet_lite.features.vector_folder import VectorFolder
from efficientnet_lite.storage import files, folders
from efficientnet_lite.storage.listing import Entry as Written


class PartFiles:
    """The files of part `number`, which `part` fills."""

    def __init__(self, folder: VectorFolder, number: int) -> None:
        self._folder, self._number = folder, number
        self._files: dict[str, BinaryIO] = {}
        with ExitStack() as opening:
            for name in folder.names(number):
                path = folder.place / name
                folders.make(path.parent)
                self._files[name] = opening.enter_context(files.replacing(path, within=folder.place))
            self.part = folder.layout.open([*self._files.values()], folder.made, number)
            self._stack = opening.pop_all()

    def publish(self) -> None:
        """End them, announce them, and give them their names."""
        self.part.finish()
        settled = {name: Written(*files.settled(file)) for name, file in self._files.items()}
        self._folder.announce(settled)
        self._stack.close()
        for name, entry in settled.items():
            self._folder.is_there(name, entry)
        self._folder.whole[self._number] = settled

    def drop(self) -> None:
        """Let them vanish."""
        self.part.abandon()
        drop = _Dropped()
        self._stack.__exit__(_Dropped, drop, drop.__traceback__)


class _Dropped(Exception):
    """Ends the files of a part that is not published."""
