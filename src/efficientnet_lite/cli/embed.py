"""`embed`: write the feature vectors of photos."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from efficientnet_lite.addresses import is_address, public
from efficientnet_lite.cli.common import (
    COMMAND_LINE,
    AnyJson,
    AnyLinks,
    Jsonl,
    NoEma,
    Photos,
    Quiet,
    Switch,
    Verbose,
    WeightsName,
    console_of,
    one_form,
    photos_given,
    shown,
)
from efficientnet_lite.cli.console import Console
from efficientnet_lite.errors import EXIT_INPUT, UsageError
from efficientnet_lite.photos.accounting import Tally
from efficientnet_lite.photos.contract import View
from efficientnet_lite.vocabulary import PART_ROWS, VectorDtype, VectorFormat, VectorLayout, WhereMade

if TYPE_CHECKING:
    from efficientnet_lite.features.embedded import Embedded
    from efficientnet_lite.features.extract import Extracted
    from efficientnet_lite.features.sources.photo_entry import PhotoEntry

CHARACTERS = 80  # of a line at the end


def embed(
    model: str,
    photos: Photos,
    /,
    *,
    out: str | None = None,
    format: VectorFormat = "parquet",
    layout: VectorLayout = "parts",
    dtype: Annotated[VectorDtype | None, shown("float32; float16 for clip-retrieval")] = None,
    part_rows: int = PART_ROWS,
    view: Annotated[View, Parameter(name="--as")] = "crop",
    weights: WeightsName = "imagenet",
    no_ema: NoEma = False,
    no_links: AnyLinks = False,
    overwrite: Switch = False,
    engine: WhereMade = "local",
    address: str | None = None,
    json: AnyJson = False,
    jsonl: Jsonl = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Write the feature vectors of photos: a Parquet file for every 1,000, with a row for each photo.

    The same command again goes on where one was stopped or killed.

    Args:
        model: a model such as lite1, a run folder, a checkpoint, or a file exported with --output features.
        photos: files, folders (searched recursively), globs, manifests, tar, TFRecord or Parquet files,
            and addresses of any of these; - reads such names from stdin, one a line.
        out: the folder to write, or the address of a store (s3://bucket/vectors); with --jsonl nothing is written.
        format: parquet, or npy: features.npy, index.csv and skipped.csv, which are not resumed.
        layout: parts, or img_emb/ and metadata/ as clip-retrieval has them: vectors of length one.
        dtype: of the numbers; int8 has a scale for each row.
        part_rows: photos of a Parquet file.
        view: how photos are looked at.
        no_links: skip every link instead of following it.
        overwrite: begin anew in a folder of an earlier call, photos that could not be used among them; what is not
            ours in it stays.
        engine: local, or ray: the nodes of a Ray cluster look at the photos, and the folder is the same.
        address: of that cluster, HOST:PORT or auto; without it RAY_ADDRESS, else one on this machine, begun for the
            while where there is none.
        json: print one JSON document instead of the line.
        jsonl: print one JSON object a photo instead, path and features.
    """
    from efficientnet_lite.cli.counted import show_accounting
    from efficientnet_lite.commands.embed import embed as embed_photos
    from efficientnet_lite.commands.embed import embed_each

    console = console_of(json or jsonl, verbose, quiet)
    if (out is None) != jsonl:
        raise UsageError("either --out or --jsonl says where vectors go", where=COMMAND_LINE, fix="give one")
    one_form(json=json, jsonl=jsonl)
    given = photos_given(photos, addresses=True)
    if out is None:
        found = embed_each(
            model,
            given,
            view=view,
            weights=weights,
            ema=not no_ema,
            links=not no_links,
            engine=engine,
            address=address,
            stage=console.progress,
        )
        _print_each(console, found)
        return
    embedded = embed_photos(
        model,
        given,
        out,
        format=format,
        layout=layout,
        dtype=dtype,
        part_rows=part_rows,
        view=view,
        weights=weights,
        ema=not no_ema,
        links=not no_links,
        overwrite=overwrite,
        engine=engine,
        address=address,
        progress=console.progress,
    )
    show_accounting(console, embedded.accounting)
    if json:
        console.json(_document(embedded))
    else:
        place = public(out) if is_address(out) else str(Path(out))
        for line in _told(embedded, place, format, layout):
            console.line(line, keep=[line] if len(line) <= CHARACTERS else [place])


def _document(embedded: "Embedded") -> dict[str, object]:
    return {
        "folder": embedded.folder,
        "count": embedded.count,
        "rows": embedded.rows,
        "parts": embedded.parts,
        "photos_per_second": embedded.photos_per_second,
        **embedded.accounting.to_json(),
    }


def _told(embedded: "Embedded", out: str, format: VectorFormat, layout: VectorLayout) -> list[str]:
    """What there is now, and how it is read."""
    speed = embedded.photos_per_second
    rate = f", {speed:,.0f} photos/s" if speed is not None else ", all of them there before"
    parts = f", {embedded.parts:,} part{'s' * (embedded.parts > 1)}" if format == "parquet" else ""
    if format == "npy":
        read = f'numpy.load("{out}/features.npy", mmap_mode="r")'
    elif layout == "parts":
        read = f'pandas.read_parquet("{out}")'
    else:
        read = f"clip-retrieval index --embeddings_folder {out}"
    return [f"{embedded.count:,} feature vectors in {out}{parts}{rate}", f"read by: {read}"]


def _print_each(console: Console, vectors: "Iterable[Extracted[PhotoEntry]]") -> None:
    """One JSON object a photo, each as soon as it is known; ends with the exit code where none could be used."""
    from efficientnet_lite.cli.counted import show_accounting
    from efficientnet_lite.features.embedded import photo_place

    tally = Tally()
    for each in vectors:
        path = photo_place(each.item.path)
        if each.vector is None:
            tally.skip(each.item.path, each.error or "")
            console.json_line({"path": path, "error": each.error})
        else:
            tally.used += 1
            console.json_line({"path": path, "features": each.vector})
    show_accounting(console, tally)
    if not tally.used:
        raise SystemExit(EXIT_INPUT)
