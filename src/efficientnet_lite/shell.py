"""Command lines that a person can copy. Pure."""

import shlex
from collections.abc import Sequence
from pathlib import PurePath


def command_line(words: Sequence[str], *, windows: bool = False) -> str:
    """`words` as one line of a shell that takes each of them as it is.

    Args:
        windows: quote for cmd and PowerShell, else for POSIX shells.
    """
    quote = _for_windows if windows else _for_posix
    return " ".join(map(quote, words))


def operand(path: PurePath | str) -> str:
    """A path that no program takes for an option."""
    text = str(path)
    return f"./{text}" if text.startswith("-") else text


def _for_posix(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    # A line break or a byte that is no UTF-8: bash, zsh and ksh know escapes between $' and '.
    return "$'" + "".join(map(_escaped, word)) + "'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def _for_windows(word: str) -> str:
    plain = word and all(character.isalnum() or character in r"\/:._-~+=@" for character in word)
    return word if plain else f'"{word}"'
