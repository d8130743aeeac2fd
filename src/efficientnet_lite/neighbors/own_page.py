"""Pages of one HTML file that needs nothing else: what they may do, how they are known, and where they may lie.

A page may run its own script and no other, and reach nothing outside: its policy names the digest of each.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from importlib import resources
from pathlib import Path

from efficientnet_lite.errors import UsageError
from efficientnet_lite.storage import files
from efficientnet_lite.storage.targets import Apart, check_file

SUFFIXES = (".html", ".htm")
MARK = b'<meta name="generator" content="efficientnet-lite '
BEGINNING = 2048  # bytes of a page, with the mark among them


def check_page(
    out: Path, *, overwrite: bool, example: str, apart: Collection[Apart] = (), argument: str = "out"
) -> None:
    """Refuse the place of a page before any work is done: what is no page of ours is never replaced.

    `argument` is the one of the call that names the place.

    Raises UsageError as `check_file`, or where its name is not that of a page.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise UsageError("a page is an HTML file", where=out, fix="give a name that ends in .html")
    check_file(out, overwrite=overwrite, example=example, apart=apart, argument=argument)
    if files.size(out) and MARK not in files.beginning(out, BEGINNING):
        raise UsageError(
            "what lies here is no page of ours, so it is never replaced",
            where=out,
            fix=f"choose another `{argument}=`",
        )


def policy(style: str, script: str = "") -> str:
    """The page's Content-Security-Policy: this style, this script, and pictures that it holds itself."""
    allowed = ["default-src 'none'", "img-src data:", f"style-src '{_digest(style)}'"]
    return "; ".join([*allowed, f"script-src '{_digest(script)}'"] if script else allowed)


def embedded_json(value: object) -> str:
    """`value` as JSON that may stand in a script element: no text in it ends the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def renderer(
    name: str,
    package: str | None = __package__,
    *,
    finalize: Callable[[object], object] | None = None,
    filters: Mapping[str, Callable[..., object]] | None = None,
) -> Callable[..., str]:
    """Fills a template beside the code of `package`: what is given is data and never markup, nothing may lack.

    `finalize` is done to each value, `filters` are those that the template names.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=finalize
    )
    environment.filters |= filters or {}
    render: Callable[..., str] = environment.from_string(own_text(name, package)).render
    return render


def own_text(name: str, package: str | None = __package__) -> str:
    """A file beside the code of `package`."""
    assert package is not None
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
