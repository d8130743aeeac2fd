"""What of a network can be rounded, or kept in float, by itself."""

from typing import Literal, NamedTuple

PartKind = Literal["weights", "activation"]


class NetworkPart(NamedTuple):
    """The weights of a layer, or the tensor that a step makes."""

    kind: PartKind
    name: str  # of the step in the plan
