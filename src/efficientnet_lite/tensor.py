"""What every runtime says of an input or output, and what a runtime is to those who use one. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output: real = scale * (code - zero_point) where `scale` is not 0."""

    name: str  # as the signature calls it, where the file has one
    index: int
    shape: tuple[int, ...]  # a dynamic batch is 1
    dtype: np.dtype[Any]
    scale: float
    zero_point: int


def main_signature(sizes: Mapping[str, int]) -> str | None:
    """The signature that is run, and by whose names inputs and outputs go; None where a file has none.

    That is `serving_default`, which is what converters call the only one; else the one that names the most.

    Args:
        sizes: signature -> how many inputs and outputs it names.
    """
    if "serving_default" in sizes or not sizes:
        return "serving_default" if sizes else None
    return max(sizes, key=lambda key: sizes[key])


class Engine(Protocol):
    """An opened file, for one thread at a time."""

    @property
    def inputs(self) -> tuple[Tensor, ...]: ...

    @property
    def outputs(self) -> tuple[Tensor, ...]: ...

    def __call__(self, *inputs: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Output name -> a fresh array, codes as they are. Inputs must have the file's shapes and dtypes."""
        ...
