"""Batches of images for training from scratch and for its evaluation: one Grain pipeline, in threads or processes.

The order of an epoch is a function of (seed, epoch), an image one of (seed, epoch, index): neither the number of
workers nor a resume at any batch changes the data. Grain computes the order place by place, so memory does not
grow with the number of examples.

A photo that cannot be decoded does not end a run: in training the next example of the source takes its place, in
evaluation it is left out; both are named in `Batch.unreadable`. Damaged record files and labels out of range do
end it.

Source: tensorflow/tpu, models/official/efficientnet/imagenet_input.py, `ImageNetTFExampleInput`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.errors import UnreadablePhoto, UnusableInput, printable
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.photos.views import prepare
from efficientnet_lite.storage.quiet import only_errors_of
from efficientnet_lite.training.augment import Augmentation
from efficientnet_lite.training.chance import generator, shuffle_seed
from efficientnet_lite.training.crops import training_image
from efficientnet_lite.training.examples import Examples

with only_errors_of("absl"):  # Grain warns of a profiler of JAX, even where JAX is not asked for
    import grain

MOST_IN_A_ROW = 16  # unreadable photos, then it is not the photos
AHEAD = 4  # images that are prepared ahead of time, times workers, besides a batch
PADDING = -1  # the index of a row that holds no example

PreparedExample = tuple[npt.NDArray[Any], int, int, str]  # image, class, index, what could not be read


@dataclass(frozen=True, slots=True)
class Batch:
    """Images and their classes. A row whose mask is False holds no example: its image is 0, its class 0."""

    # (batch, size, size, 3) in 0 .. 255, not normalized; float32, augmented ones uint8
    images: npt.NDArray[Any]
    labels: npt.NDArray[np.int32]  # (batch,)
    mask: npt.NDArray[np.bool_]  # (batch,)
    indices: npt.NDArray[np.int64]  # (batch,) in the source; -1 where the mask is False
    unreadable: tuple[str, ...] = ()  # photos that were replaced or left out: where, and the reason


def steps_per_epoch(examples: int, batch: int) -> int:
    """Whole batches of one epoch of training; the rest is dropped."""
    return examples // batch


def train_batches(
    source: Examples,
    size: int,
    augmentation: Augmentation,
    *,
    batch: int,
    seed: int,
    epoch: int,
    start_batch: int = 0,
    workers: int = 2,
    processes: int = 0,
    host: tuple[int, int] = (0, 1),
) -> Iterator[Batch]:
    """The batches of one epoch from `start_batch` on, shuffled; the examples left over at its end are dropped.

    Args:
        source: with at least `batch` examples.
        size: side of the images, pixels.
        batch: examples of a batch, of all hosts together.
        workers: threads, of each process; 0 prepares each image when it is asked for.
        processes: how many to start for this epoch, which takes seconds; 0: the threads are of this one. They
            begin by importing the program's main module, which must not start anything by that.
        host: number of this host, and how many there are: each gets its own part of every batch.

    Raises:
        ValueError: the source is smaller than a batch, or a batch cannot be divided among the hosts.
        UnusableInput: the source is damaged, or 16 photos in a row cannot be read.
    """
    steps, (this, hosts) = steps_per_epoch(len(source), batch), host
    if not steps or batch % hosts or not 0 <= this < hosts or start_batch < 0:
        raise ValueError(f"no batches of {batch} from {len(source)} examples, {start_batch=}, {host=}")
    share = batch // hosts

    def place(number: int) -> int:  # the number of an image on this host -> its number in the epoch
        return number // share * batch + this * share + number % share

    def example(number: int) -> PreparedExample:
        return _training_example(source, order[place(number)], size, augmentation, seed, epoch)

    order = grain.MapDataset.range(len(source)).shuffle(seed=shuffle_seed(seed, epoch))
    numbers = grain.MapDataset.range(start_batch * share, steps * share)
    yield from _batches(numbers, example, share, workers, processes)


def eval_batches(
    source: Examples, size: int, *, batch: int, workers: int = 2, host: tuple[int, int] = (0, 1)
) -> Iterator[Batch]:
    """All examples in their order, as the reference's evaluation sees them; the last batch is padded.

    Arguments are as of `train_batches`. Images are float32 with the overshoot of the reference's filter. (The
    reference itself drops the last batch.)

    Of several hosts each gets every `hosts`-th example, in as many batches as the others have. One whose examples
    have come to their end goes on with batches in which no row counts, since devices compute together or not at all.
    """
    contract, (this, hosts) = Contract(size, view="reference"), host
    share, own = batch // hosts, range(this, len(source), hosts)
    if own:
        numbers = grain.MapDataset.range(own.start, own.stop, own.step)
        yield from _batches(numbers, lambda index: _eval_example(source, index, contract), share, workers, 0)
    images, none, lines = (
        np.zeros((0, size, size, 3), np.float32),
        np.zeros(0, np.int64),
        np.zeros(0, np.str_),
    )
    for _ in range(-(-len(own) // share), -(-len(source) // batch)):
        yield _padded(images, none, none, lines, share)


def _training_example(
    source: Examples, index: int, size: int, augmentation: Augmentation, seed: int, epoch: int
) -> PreparedExample:
    """Example `index`, or the nearest behind it that can be read, by the chance of `index`."""
    skipped: list[UnreadablePhoto] = []
    for further in range(MOST_IN_A_ROW):
        used = (index + further) % len(source)
        try:
            data, class_index, where = source[used]
            pixels = photo_door.decode_reference(data, where=where).pixels
        except UnreadablePhoto as error:
            skipped.append(error)
            continue
        image = training_image(pixels, size, augmentation, generator(seed, epoch, index))
        return image, class_index, used, "\n".join(map(_line, skipped))
    raise UnusableInput(
        f"{MOST_IN_A_ROW} photos one after another cannot be read, the first: {skipped[0].what}",
        where=skipped[0].where,
        fix="check that these are photos, and that the disk they lie on answers",
    )


def _eval_example(source: Examples, index: int, contract: Contract) -> PreparedExample:
    try:
        data, class_index, where = source[index]
        image = prepare(data, ["reference"], contract, where=where).images[0]
    except UnreadablePhoto as error:
        blank = np.zeros((contract.size, contract.size, 3), np.float32)
        return blank, 0, PADDING, _line(error)
    return image, class_index, index, ""


def _line(error: UnreadablePhoto) -> str:
    return f"{printable(error.where)}: {error.what}"


def _batches(
    numbers: Any, example: Callable[[int], PreparedExample], batch: int, workers: int, processes: int
) -> Iterator[Batch]:
    share = -(-batch // max(1, processes))  # of a batch, that one process prepares
    images = numbers.map(example).to_iter_dataset(
        grain.ReadOptions(num_threads=workers, prefetch_buffer_size=share + AHEAD * workers if workers else 0)
    )
    if processes:
        images = images.mp_prefetch(
            grain.MultiprocessingOptions(num_workers=processes, per_worker_buffer_size=AHEAD)
        )
    iterator = iter(images.batch(batch))
    try:
        for images, labels, indices, unreadable in iterator:
            yield _padded(images, labels, indices, unreadable, batch)
    finally:
        iterator.close()


def _padded(
    images: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    indices: npt.NDArray[Any],
    unreadable: npt.NDArray[np.str_],
    batch: int,
) -> Batch:
    lines = tuple(line for text in unreadable.tolist() for line in text.splitlines())
    missing = batch - len(labels)
    if missing:
        images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), images.dtype)])
        labels = np.concatenate([labels, np.zeros(missing, labels.dtype)])
        indices = np.concatenate([indices, np.full(missing, PADDING)])
    indices = indices.astype(np.int64)
    return Batch(images, labels.astype(np.int32), indices != PADDING, indices, lines)
