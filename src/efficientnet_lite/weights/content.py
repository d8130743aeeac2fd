"""What lies at a path, before it is known whether it is a network of this family."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from efficientnet_lite.weights.own_card import OwnCard
from efficientnet_lite.weights.stored_tensors import Stored


@dataclass(frozen=True, slots=True)
class Content:
    """The tensors by the file's own names, and what stands beside them."""

    tensors: Mapping[str, Stored]
    format: str
    sha256: str
    metadata: Mapping[str, str] = field(default_factory=dict)  # of what we wrote: source, license, labels
    card: OwnCard | None = None  # of a folder of ours
    chosen: str = ""  # which of several state dicts or modules it is
    config: bytes | str = ""  # a Keras model's
    # The raw weights beside averages, where they lie apart.
    raw: Callable[[], Mapping[str, Stored]] | None = None
