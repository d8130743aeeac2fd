"""Text that may be published: without the home folder, the user's name and the machine's. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

HOME, USER, HOST = "~", "USER", "HOST"
OTHER_HOMES = r"(?:(?<=[/\\]home[/\\])|(?<=[/\\]Users[/\\]))[^/\\\s'\":,;()]+"


@dataclass(frozen=True, slots=True)
class Discretion:
    """What a text may not say of who runs this."""

    homes: Sequence[str] = ()  # spellings of the home folder
    users: Sequence[str] = ()
    host: str = ""

    def __call__(self, text: str) -> str:
        """`text` with the home folder as "~"; elsewhere in a path, a folder of a user's name is USER.

        So is the name of any home, since it need not be that of who runs this: after `sudo`, in a shared environment.
        """
        for home in sorted({each.rstrip("/\\") for each in self.homes}, key=len, reverse=True):
            if home:
                text = re.sub(rf"(?<![\w.-]){re.escape(home)}(?![\w.-])", HOME, text)
        text = re.sub(OTHER_HOMES, USER, text)
        for name, stand_in in (*((user, USER) for user in self.users), (self.host, HOST)):
            if name:
                text = re.sub(rf"(?<=[/\\]){re.escape(name)}(?![\w.-])", stand_in, text)
        return text
