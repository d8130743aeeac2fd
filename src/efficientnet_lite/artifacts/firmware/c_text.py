"""Names and bytes as C, and templates of C filled with them: nothing that a user named can become code. Pure."""

from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

import numpy as np

from efficientnet_lite.markdown import code_span

PER_LINE = 24  # bytes of an array


def c_string(text: str) -> str:
    r"""A literal of `text` in UTF-8, for C and C++: one line of ASCII in which nothing is read in another way.

    A byte that is no plain character is three octal digits, behind which a digit is a digit again; `?` is `\?`, so that
    no two of them begin a trigraph.

    Source: ISO C99, 5.2.1.1 (trigraphs), 6.4.4.4 (escapes).
    """
    return '"' + "".join(map(_escaped, text.encode(errors="surrogateescape"))) + '"'


def _escaped(byte: int) -> str:
    character = chr(byte)
    if character in '"\\?':
        return f"\\{character}"
    return character if " " <= character <= "~" else f"\\{byte:03o}"


def c_bytes(data: bytes, *, indent: str = "    ") -> str:
    """The inside of an initializer: decimal, since hexadecimal takes half as many characters again."""
    words = list(map(str, data))
    lines = (",".join(words[start : start + PER_LINE]) for start in range(0, len(words), PER_LINE))
    return ",\n".join(indent + line for line in lines)


def c_float(value: float) -> str:
    """A literal that is read as the same float32."""
    text = f"{np.float32(value):.9g}"
    return f"{text if set(text) & set('.e') else f'{text}.0'}f"


def template(name: str) -> Callable[..., str]:
    """What fills the template of that name beside this module; nothing may lack."""
    from jinja2 import Environment, StrictUndefined

    filters: Mapping[str, Callable[[Any], str]] = {
        "c_string": c_string,
        "c_bytes": c_bytes,
        "c_float": c_float,
        "code_span": code_span,
    }
    environment = Environment(
        autoescape=False,  # C is no markup: names go through c_string
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= filters
    source = resources.files(__package__).joinpath(f"{name}.j2").read_text(encoding="utf-8")
    render: Callable[..., str] = environment.from_string(source).render
    return render
