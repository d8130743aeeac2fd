"""Text that people and other programs write: what editors and systems put around it is taken off. Pure.

A byte order mark, carriage returns before line feeds, and NULs at the end of a line or of the whole say nothing.
Other NULs are an error, and so is UTF-16, which some programs of Windows write where they say Unicode.
"""

BOM = b"\xef\xbb\xbf"  # of UTF-8
UTF16 = (b"\xff\xfe", b"\xfe\xff")


def plain_text(data: bytes) -> str:
    r"""`data` in UTF-8 as text whose lines end with `\n`. Raises ValueError, which names the line."""
    return "\n".join(_decoded(line, number) for number, line in enumerate(plain_lines(data), 1))


def plain_lines(data: bytes) -> list[bytes]:
    """The lines of `data`, in whatever encoding; the last is empty where the text ends with a line feed.

    Raises ValueError for UTF-16, whose bytes are no lines.
    """
    if data.startswith(UTF16) and b"\0" in data[:4]:
        raise ValueError("it is UTF-16, as Windows saves text, and not UTF-8")
    body = data.rstrip(b"\0").replace(b"\r\n", b"\n")
    return [line.removeprefix(BOM).rstrip(b"\0") for line in body.split(b"\n")]  # files are also joined


def _decoded(line: bytes, number: int) -> str:
    if b"\0" in line:
        raise ValueError(f"line {number} has a NUL character")
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"line {number}: byte {error.start + 1} is not UTF-8") from error
