"""What a folder of feature vectors was made of and how: two calls with one provenance write the same bytes.

It stands in the marker of the folder and in the footer of each part.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from efficientnet_lite.errors import bounded, printable
from efficientnet_lite.features.outcomes import Work
from efficientnet_lite.features.sources.photo_entry import ColumnType
from efficientnet_lite.photos.contract import View
from efficientnet_lite.photos.views import PIXELS_VERSION
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.version import __version__
from efficientnet_lite.vocabulary import VectorDtype, VectorLayout

MAX_SHOWN = 100  # characters of a value in a message


@dataclass(frozen=True, slots=True)
class MadeWith:
    """What a vector depends on beside its photo: photos looked at in the same way give vectors to compare."""

    model: str  # as it was named: "lite1"; the digest is what counts
    model_sha256: str  # of the file that a runtime ran
    contract: Mapping[str, Any]  # `Contract.to_json` with the view that was taken
    pixels: int  # version of what decoding and views give
    runtime: str  # "ai-edge-litert 2.1.0"
    package: str  # version

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Read what `to_json` wrote; raises ValueError where it is something else."""
        if not isinstance(document, dict) or set(document) != {field.name for field in fields(cls)}:
            raise ValueError("it does not say what it was made of")
        kinds = {"contract": dict, "columns": dict, **dict.fromkeys(_NUMBERS, int)}
        for name, value in document.items():
            if type(value) is not kinds.get(name, str) or (isinstance(value, int) and value < 1):
                raise ValueError(f"its {name!r} is no {kinds.get(name, str).__name__}")
        return cls(**document)


@dataclass(frozen=True, slots=True)
class Provenance(MadeWith):
    """Everything that the bytes of a folder depend on."""

    layout: VectorLayout
    dtype: VectorDtype
    size: int  # numbers of a vector
    part_rows: int
    rows: int  # of all parts
    list_sha256: str  # of all entries in order
    columns: Mapping[str, ColumnType]  # the further ones, in order

    @property
    def parts(self) -> int:
        """How many there are."""
        return -(-self.rows // self.part_rows)

    def rows_of(self, number: int) -> range:
        """Which rows of the list part `number` holds."""
        return range(number * self.part_rows, min((number + 1) * self.part_rows, self.rows))

    @property
    def made_with(self) -> MadeWith:
        """The part of it that is not about the list of photos."""
        return MadeWith(**{field.name: getattr(self, field.name) for field in fields(MadeWith)})

    def differences(self, found: "Provenance") -> list[str]:
        """What of `found`, with which a folder was begun, is not as here; a few words each."""
        told = [
            f"{words} was {_shown(then)}, and is {_shown(now)} now"
            for words, now, then in (
                *(
                    [("the model", _named(self), _named(found))]
                    if self.model_sha256 != found.model_sha256
                    else []
                ),
                *((f"`{name}=`", getattr(self, name), getattr(found, name)) for name in _OPTIONS),
                *_contracts(self.contract, found.contract),
                *(
                    (f"the {words}", getattr(self, name), getattr(found, name))
                    for name, words in _REST.items()
                ),
            )
            if now != then
        ]
        if self.list_sha256 != found.list_sha256 and self.rows == found.rows:
            told.append("the photos are others, or stand in another order, with other labels or sizes")
        if self.columns != found.columns or list(self.columns) != list(found.columns):
            told.append("the further columns are others")
        return told


def made_with(model: Model, view: View | None = None) -> MadeWith:
    """Of the vectors that a model gives, of photos looked at in its own way where `view` is None."""
    contract = replace(model.contract, view=view or model.contract.view)
    return MadeWith(
        Path(model.where).name, model.sha256, contract.to_json(), PIXELS_VERSION, model.runtime, __version__
    )


def provenance_of(work: Work, *, layout: VectorLayout, dtype: VectorDtype, part_rows: int) -> Provenance:
    """Of the vectors of a list."""
    model, listed = work.model, work.listed
    return Provenance(
        **made_with(model, work.view).to_json(),
        layout=layout,
        dtype=dtype,
        size=model.vector_size,
        part_rows=part_rows,
        rows=len(listed),
        list_sha256=listed.digest,
        columns=dict(listed.columns),
    )


_NUMBERS = ("pixels", "size", "part_rows", "rows")
_OPTIONS = ("layout", "dtype", "part_rows")
_REST = {
    "rows": "number of photos",
    "package": "version of this package",
    "runtime": "runtime",
    "pixels": "version of its pixels",
    "size": "length of a vector",
}


def _named(made: Provenance) -> str:
    return f"{made.model} ({made.model_sha256[:12]})"


def _contracts(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[tuple[str, object, object]]:
    words = {"view": "`view=`", "size": "the model's input"}
    names = [*now, *(name for name in then if name not in now)]
    return [(words.get(name, f"the contract's {name}"), now.get(name), then.get(name)) for name in names]


def _shown(value: object) -> str:
    return printable(bounded(str(value))[:MAX_SHOWN])
