"""`index`: make searches among many vectors fast."""

from pathlib import Path
from typing import TYPE_CHECKING

from efficientnet_lite.cli.common import AnyJson, Quiet, Switch, Verbose, console_of
from efficientnet_lite.cli.console import percent
from efficientnet_lite.vocabulary import VectorDtype

if TYPE_CHECKING:
    from efficientnet_lite.neighbors.index_file import Indexed


def index(
    vectors: Path,
    /,
    *,
    out: Path,
    dtype: VectorDtype = "float16",
    overwrite: Switch = False,
    json: AnyJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Make an index of vectors, with which search looks at few of them (extra search).

    Up to some hundred thousand photos the exact search is fast enough without.

    Args:
        vectors: the folder that embed wrote.
        out: the folder to write; search takes it as --index.
        dtype: of the vectors in it.
        overwrite: replace an index that is there.
        json: print one JSON document instead of the line.
    """
    from efficientnet_lite.commands.index import index as make_index

    console = console_of(json, verbose, quiet)
    indexed = make_index(vectors, out, dtype=dtype, overwrite=overwrite, progress=console.progress)
    if json:
        console.json(indexed.to_json())
    else:
        console.line(_told(indexed), keep=[out])


def _told(indexed: "Indexed") -> str:
    from efficientnet_lite.figures import megabytes

    found = f"finds {percent(indexed.recall)} of the ten nearest that the exact search has"
    return f"{indexed.count:,} vectors, {megabytes(indexed.bytes)} in {indexed.folder}; it {found}"
