"""Batches: their order, their independence of workers and of resumes, padding, and photos that cannot be read."""

import os
import threading
from itertools import islice

import numpy as np
import pytest
from trees import examples_of, photograph

from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.photos.views import prepare
from efficientnet_lite.records.record_set import open_records
from efficientnet_lite.training.augment import Augmentation
from records import example, record

pytest.importorskip("grain", reason="the extra [train]: make test-all")

from efficientnet_lite.training.batches import eval_batches, train_batches

PHOTOS = 22
NONE, RAND = Augmentation(), Augmentation("randaugment")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    for number in range(PHOTOS):
        photograph(root / "ab"[number % 2] / f"{number:02d}.jpg", number)
    return root


@pytest.fixture(scope="module")
def source(root):
    return examples_of(root)


def epoch(source, augmentation=NONE, *, batch=4, seed=0, number=0, **more):
    return list(train_batches(source, 16, augmentation, batch=batch, seed=seed, epoch=number, **more))


def same(first, second):
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert one.images.dtype == other.images.dtype
        assert np.array_equal(one.images, other.images)
        assert np.array_equal(one.labels, other.labels)
        assert np.array_equal(one.indices, other.indices)


def order(batches):
    return np.concatenate([batch.indices for batch in batches]).tolist()


def test_an_epoch_shows_each_photo_once_and_drops_what_fills_no_batch(source):
    batches = epoch(source)

    assert len(batches) == PHOTOS // 4
    assert len(set(order(batches))) == 20
    assert batches[0].images.shape == (4, 16, 16, 3)
    assert batches[0].images.dtype == np.float32
    assert batches[0].labels.dtype == np.int32
    assert all(batch.mask.all() for batch in batches)
    assert epoch(source, RAND)[0].images.dtype == np.uint8
    for batch in batches:
        assert batch.labels.tolist() == [source[index].class_index for index in batch.indices]


@pytest.mark.parametrize("augmentation", [NONE, RAND], ids=["none", "randaugment"])
def test_the_number_of_workers_changes_nothing(source, augmentation):
    alone = epoch(source, augmentation, workers=0)

    for workers in (1, 2, 5):
        same(epoch(source, augmentation, workers=workers), alone)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_number_of_processes_changes_nothing(source, workers):
    alone = epoch(source, RAND, workers=0, start_batch=1)

    same(epoch(source, RAND, workers=workers, processes=2, start_batch=1), alone)


@pytest.mark.parametrize("processes", [0, 2])
def test_images_are_made_in_the_processes_that_are_asked_for(processes):
    class Telling:
        def __len__(self):
            return 20

        def __getitem__(self, index):
            return b"no photo", 0, f"process {os.getpid()}"

    with pytest.raises(UnusableInput, match="16 photos one after another") as caught:
        epoch(Telling(), processes=processes)
    assert (caught.value.where == f"process {os.getpid()}") is (processes == 0)


@pytest.mark.parametrize("start", range(6))
def test_a_resume_at_any_batch_goes_on_with_the_same_images(source, start):
    same(epoch(source, RAND, start_batch=start), epoch(source, RAND)[start:])


def test_every_epoch_and_every_seed_has_its_own_order_and_images(source):
    runs = [epoch(source, seed=seed, number=number) for seed, number in [(0, 0), (0, 1), (1, 0)]]

    assert len({tuple(order(run)) for run in runs}) == 3
    shown = [
        next(batch.images[row] for batch in run for row in range(4) if batch.indices[row] == place)
        for run in runs
        for place in [min(set(order(runs[0])) & set(order(runs[1])) & set(order(runs[2])))]
    ]
    assert len({image.tobytes() for image in shown}) == 3


def test_hosts_share_every_batch_among_them(source):
    whole = epoch(source)
    parts = [epoch(source, host=(host, 2)) for host in range(2)]

    for batch, first, second in zip(whole, *parts, strict=True):
        assert np.array_equal(batch.images, np.concatenate([first.images, second.images]))
    same(epoch(source, host=(1, 2), start_batch=3), parts[1][3:])


@pytest.mark.parametrize(
    "values", [{"batch": 23}, {"batch": 4, "host": (0, 3)}, {"host": (2, 2)}, {"start_batch": -1}]
)
def test_batches_that_cannot_be_are_refused(source, values):
    with pytest.raises(ValueError, match="no batches"):
        epoch(source, **values)


def test_leaving_an_epoch_early_ends_its_threads(source):
    batches = train_batches(source, 16, NONE, batch=2, seed=0, epoch=0, workers=2)
    list(islice(batches, 2))
    batches.close()

    left = [thread for thread in threading.enumerate() if "grain-prefetch" in thread.name]
    for thread in left:
        thread.join(20)  # each ends with the image that it is at
    assert not any(thread.is_alive() for thread in left)


# ------------------------------------------------------------------------ evaluation


def test_evaluation_shows_every_photo_in_order_as_the_reference_does_and_pads(source, root):
    batches = list(eval_batches(source, 16, batch=8))

    assert order(batches) == [*range(PHOTOS), -1, -1]
    assert batches[-1].mask.tolist() == [True] * 6 + [False] * 2
    assert not batches[-1].images[6:].any()
    assert {batch.images.shape for batch in batches} == {(8, 16, 16, 3)}
    data, class_index, _ = source[9]
    expected = prepare(data, ["reference"], Contract(16, "reference")).images[0]
    assert np.array_equal(batches[1].images[1], expected)
    assert batches[1].labels[1] == class_index
    same(list(eval_batches(source, 16, batch=8, workers=0)), batches)


# --------------------------------------------------------------------- what goes wrong


@pytest.fixture
def damaged(tmp_path):
    for number in range(12):
        photograph(tmp_path / "a" / f"{number:02d}.jpg", number)
    for number in (3, 4, 11):
        (tmp_path / "a" / f"{number:02d}.jpg").write_bytes(b"no photo")
    return examples_of(tmp_path)


def test_in_training_the_next_photo_takes_the_place_of_one_that_cannot_be_read(damaged):
    batches = epoch(damaged)

    assert sorted(order(batches)) == sorted([0, 1, 2, 5, 5, 5, 6, 7, 8, 9, 10, 0])
    said = [line for batch in batches for line in batch.unreadable]
    assert len(said) == 4  # 3, then 4 for it; 4; 11
    assert any("11.jpg: no JPEG" in line for line in said)
    same(epoch(damaged, workers=0), batches)


def test_in_evaluation_it_is_left_out_and_named(damaged):
    (batch,) = eval_batches(damaged, 16, batch=12)

    assert np.flatnonzero(~batch.mask).tolist() == [3, 4, 11]
    assert [line.split(":")[0][-6:] for line in batch.unreadable] == ["03.jpg", "04.jpg", "11.jpg"]


def test_photos_that_all_fail_end_the_run(tmp_path):
    for number in range(20):
        (tmp_path / f"a/{number}.jpg").parent.mkdir(exist_ok=True)
        (tmp_path / f"a/{number}.jpg").write_bytes(b"no photo")

    with pytest.raises(UnusableInput, match="16 photos one after another"):
        epoch(examples_of(tmp_path))


def test_a_damaged_record_in_the_middle_of_an_epoch_ends_it_and_is_named(tmp_path, root):
    data = [path.read_bytes() for path in sorted(root.glob("*/*.jpg"))[:8]]
    path = tmp_path / "train-00000-of-00001"
    path.write_bytes(b"".join(record(example(each, 1 + n)) for n, each in enumerate(data)))
    good = open_records(tmp_path, "train", classes=8)
    assert sorted(label for batch in epoch(good) for label in batch.labels) == list(range(8))

    damaged = bytearray(path.read_bytes())
    damaged[-100] ^= 1
    path.write_bytes(damaged)

    for values in ({"workers": 0}, {"workers": 2}, {"processes": 2}):
        with pytest.raises(UnusableInput, match="checksum") as caught:
            epoch(open_records(tmp_path, "train", classes=8), **values)
        assert caught.value.where == f"{path}, record 7"
