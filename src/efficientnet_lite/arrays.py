"""Arrays by what they hold; shapes stand where they are used."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]
Int8s = npt.NDArray[np.int8]
ClassIndices = npt.NDArray[np.intp]
