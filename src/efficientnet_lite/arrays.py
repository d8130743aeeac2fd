"""Arrays by what they hold; shapes stand where they are used."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
ClassIndices = npt.NDArray[np.intp]
