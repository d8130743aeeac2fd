"""Class names in further languages, from text files that the user names."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.plaintext import plain_text
from efficientnet_lite.storage import files
from efficientnet_lite.tflite.label_files import label_files

MAX_BYTES = 4 * 2**20


def read_translations(named: Mapping[str, Path], labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Locale -> names in the order of `labels`. Each file has one name a line, UTF-8.

    Raises:
        UnusableInput: a file is missing, no UTF-8, of another length, or names what cannot be a label.
    """
    found = {}
    for locale, path in named.items():
        try:
            text = plain_text(files.read_bytes(Path(path), limit=MAX_BYTES, what="a file of class names"))
            names = tuple(line.strip() for line in text.split("\n") if line.strip())
            label_files(labels, {locale: names})
        except ValueError as error:
            raise UnusableInput(
                f"the class names for {locale!r} cannot be used: {error}",
                where=path,
                fix=f"give a UTF-8 file with one name a line, in this order: {', '.join(labels[:3])}, ...",
            ) from error
        found[locale] = names
    return found
