"""Text of any origin inside Markdown: it cannot become markup. Pure."""

import re

from efficientnet_lite.errors import printable


def code_span(text: str) -> str:
    """`text` as a span of code, in which nothing is markup: no link, tag, table, mention, emoji or formula.

    It is one line, with control characters, those that turn the writing direction among them, as escapes.

    Source: CommonMark 0.31.2, 6.1 "Code spans": a span ends at as many backticks as it began with, and one
    space is taken off at both ends.
    """
    line = printable(text) or "-"
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    padded = line[0] in "` " or line[-1] in "` "
    return f"{fence} {line} {fence}" if padded and not line.isspace() else f"{fence}{line}{fence}"
