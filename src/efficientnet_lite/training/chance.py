"""Where all chance of a training run comes from: a function of (seed, epoch, index), so that neither the number
of workers nor a resume changes the data."""

from typing import Literal

import numpy as np

# Of the recipe: an image, its share in mixup. Of the fine-tuning: a view drawn for one epoch, a view that is
# computed once (its number in place of the epoch), which of those an epoch takes, and the order of an epoch.
Stream = Literal["image", "mixup", "view", "kept view", "choice", "order"]
STREAMS: dict[Stream, int] = {  # no zero: SeedSequence pads with zeros; 3 is that of `shuffle_seed`
    "image": 1,
    "mixup": 2,
    "view": 4,
    "kept view": 5,
    "choice": 6,
    "order": 7,
}


def generator(seed: int, epoch: int, index: int, stream: Stream = "image") -> np.random.Generator:
    """The chance of one example in one epoch; streams of the same example are independent of one another.

    Raises ValueError where a number is below 0 or 2**32 or more, which would run into its neighbor.
    """
    words = (STREAMS[stream], seed, epoch, index)
    if not all(0 <= word < 2**32 for word in words):
        raise ValueError(f"seed, epoch and index must be 0 to 2**32 - 1, got {seed}, {epoch}, {index}")
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))


def shuffle_seed(seed: int, epoch: int) -> int:
    """What the order of one epoch is shuffled by, 32 bits."""
    return int(np.random.SeedSequence((3, seed, epoch)).generate_state(1)[0])
