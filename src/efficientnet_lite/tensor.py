"""What every runtime says of an input or output, and what a runtime is to those who use one. Pure."""

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


class Engine(Protocol):
    """An opened file, for one thread at a time."""

    @property
    def inputs(self) -> tuple[Tensor, ...]: ...

    @property
    def outputs(self) -> tuple[Tensor, ...]: ...

    def __call__(self, *inputs: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Output name -> a fresh array, codes as they are. Inputs must have the file's shapes and dtypes."""
        ...
