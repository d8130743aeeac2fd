"""One training on several devices and hosts: on virtual devices of a CPU, and in two processes that find each other.

JAX has one set of devices for the life of a process, so what needs more than one runs in `device_worker.py`.
"""

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from trees import examples_of

pytest.importorskip("keras", reason="needs Keras and JAX: make test-jax", exc_type=ImportError)
pytest.importorskip("grain", reason="needs Grain: make test-jax")

import keras

from efficientnet_lite.errors import UsageError
from efficientnet_lite.training import devices
from efficientnet_lite.training.batches import PADDING, eval_batches

BACKEND = keras.backend.backend()
on_jax = pytest.mark.skipif(BACKEND != "jax", reason="the backend is not JAX: make test-jax")
on_tensorflow = pytest.mark.skipif(
    BACKEND != "tensorflow", reason="the backend is not TensorFlow: make test-all"
)

PHOTOS, CLASSES, SIDE, BATCH = 25, 5, 32, 8  # 25: the last batch of an evaluation holds one
WORKER = Path(__file__).with_name("device_worker.py")
PATIENCE_SECONDS = 600
# Sums over a batch are made in another order, which moves the last of 24 bits, and three steps make more of it:
# seen are 5e-7 of a loss and 1.3e-5 in a logit after them. Statistics of each device's own change the first loss
# a thousand times as much as this allows, see below.
LOSS, LOGIT = 1e-5, 1e-3


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for number in range(PHOTOS):
        path = folder / f"class{number % CLASSES}" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (40, 40, 3), np.uint8)).save(path)
    return folder


def start_worker(photos, folder, modes, *, count, **environment):
    environment = {
        **os.environ,
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={count}",
        "KERAS_BACKEND": "jax",
        **environment,
    }
    return subprocess.Popen(
        [sys.executable, WORKER, photos, folder, *modes], env=environment, text=True, stderr=subprocess.PIPE
    )


def wait(processes):
    """Until they end; one that does not is ended, and one that fails fails the test."""
    with ExitStack() as stack:
        for process in processes:
            stack.callback(process.wait)
            stack.callback(process.kill)
        for process in processes:
            _, messages = process.communicate(timeout=PATIENCE_SECONDS)
            assert process.returncode == 0, messages


def read(path):
    with np.load(path) as file:
        return SimpleNamespace(**{name: file[name] for name in file.files})


@pytest.fixture(scope="module")
def alone(photos, tmp_path_factory):
    """Folder of what one process with four devices found."""
    folder = tmp_path_factory.mktemp("alone")
    wait([start_worker(photos, folder, ("1", "all", "3", "5", "apart"), count=4)])
    return folder


@pytest.fixture(scope="module")
def together(photos, tmp_path_factory):
    """What two processes found that have two devices each."""
    folder = tmp_path_factory.mktemp("together")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    wait(
        [
            start_worker(
                photos,
                folder,
                ("all",),
                count=2,
                EFFICIENTNET_LITE_COORDINATOR=f"127.0.0.1:{port}",
                EFFICIENTNET_LITE_HOSTS="2",
                EFFICIENTNET_LITE_HOST=str(number),
            )
            for number in range(2)
        ]
    )
    return [read(folder / f"all-{number}.npz") for number in range(2)]


@on_jax
def test_four_devices_give_the_losses_of_one(alone):
    one, four = read(alone / "1-0.npz"), read(alone / "all-0.npz")

    assert (one.devices, four.devices) == (1, 4)
    assert len(one.losses) == 3
    np.testing.assert_array_equal(four.rows, one.rows)
    np.testing.assert_allclose(four.losses, one.losses, rtol=LOSS)
    assert four.everywhere


@on_jax
def test_statistics_of_each_device_by_itself_would_be_seen(alone):
    whole, quarters = read(alone / "apart-0.npz").losses

    assert abs(quarters / whole - 1) > 1000 * LOSS


@on_jax
def test_an_evaluation_with_an_uneven_last_batch_finds_the_same(alone):
    one, four = (in_order(read(alone / f"{name}-0.npz").evaluated) for name in ("1", "all"))

    assert four[:, 0].tolist() == list(range(PHOTOS))
    np.testing.assert_array_equal(four[:, :2], one[:, :2])
    np.testing.assert_allclose(four[:, 2:], one[:, 2:], rtol=0, atol=LOGIT)


@on_jax
def test_two_hosts_read_their_own_rows_and_find_the_losses_of_one(alone, together):
    one = read(alone / "1-0.npz")

    assert [found.host.tolist() for found in together] == [[0, 2], [1, 2]]
    np.testing.assert_array_equal(np.concatenate([found.rows for found in together], axis=1), one.rows)
    for found in together:
        assert found.devices == 4
        assert found.everywhere
        np.testing.assert_allclose(found.losses, one.losses, rtol=LOSS)
        np.testing.assert_allclose(in_order(found.evaluated), in_order(one.evaluated), rtol=0, atol=LOGIT)


@on_jax
def test_two_hosts_have_the_same_state_to_the_bit(together):
    first, second = (vars(found) for found in together)
    names = [name for name in first if name.startswith("state|")]

    assert len(names) > 50
    for name in names:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@on_jax
@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("3", ["a batch of 8 cannot be divided by 3 devices", "in:  batch", "give 6 or 9"]),
        ("5", ["5 devices were asked for, and there are 4", "in:  devices", "give 4"]),
    ],
)
def test_a_number_of_devices_that_does_not_fit_is_refused(alone, wanted, says):
    text = (alone / f"{wanted}-0.txt").read_text()

    assert [part for part in says if part not in text] == []


@on_jax
@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"coordinator": "10.0.0.1", "hosts": 2, "host": 0}, devices.COORDINATOR),
        ({"coordinator": "10.0.0.1:0", "hosts": 2, "host": 0}, devices.COORDINATOR),
        ({"coordinator": "10.0.0.1:1x", "hosts": 2, "host": 0}, devices.COORDINATOR),
        ({"hosts": 2, "host": 0}, devices.COORDINATOR),
        ({"coordinator": "10.0.0.1:99", "host": 0}, devices.HOSTS),
        ({"coordinator": "10.0.0.1:99", "hosts": 0, "host": 0}, devices.HOSTS),
        ({"coordinator": "10.0.0.1:99", "hosts": 2}, devices.HOST),
        ({"coordinator": "10.0.0.1:99", "hosts": 2, "host": 2}, devices.HOST),
        ({"environment": {devices.COORDINATOR: "10.0.0.1:99", devices.HOSTS: "two"}}, devices.HOSTS),
        (
            {"environment": {devices.COORDINATOR: "10.0.0.1:99", devices.HOSTS: "2", devices.HOST: "-1"}},
            devices.HOST,
        ),
    ],
    ids=str,
)
def test_what_makes_no_sense_of_several_hosts_is_refused_by_its_name(given, names):
    with pytest.raises(UsageError) as caught:
        devices.connect(**{"environment": {}} | given)

    assert caught.value.where == names


@on_jax
def test_a_host_0_that_does_not_answer_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

    with pytest.raises(UsageError, match="does not answer within 0 s") as caught:
        devices.connect(address, 2, 1, environment={}, patience=0)

    assert caught.value.where == address


@on_jax
def test_a_cluster_that_is_none_is_named():
    with pytest.raises(UsageError, match="do not come together"):
        devices.connect("auto", environment={}, patience=1)


def test_one_host_needs_nothing_and_one_device_places_nothing():
    devices.connect(environment={})
    placement = devices.place(1, batches={"batch": 7})
    images = np.ones((3, 2))

    assert devices.host() == (0, 1)
    assert placement == devices.Placement()
    assert placement.batch(images)[0] is images
    assert placement.whole(images)[0] is images
    assert placement.step(test_one_host_needs_nothing_and_one_device_places_nothing) is (
        test_one_host_needs_nothing_and_one_device_places_nothing
    )


def test_less_than_one_device_is_refused():
    with pytest.raises(UsageError, match="0 devices"):
        devices.place(0, batches={})


@on_tensorflow
def test_tensorflow_trains_on_one_device_and_says_what_needs_jax():
    assert devices.place(batches={"batch": 7}) == devices.Placement()
    with pytest.raises(UsageError, match="4 devices need JAX, and the backend of Keras is tensorflow"):
        devices.place(4, batches={"batch": 8})
    with pytest.raises(UsageError, match="several hosts need JAX"):
        devices.connect("10.0.0.1:99", 2, 0, environment={})


@pytest.mark.parametrize(("hosts", "batch"), [(1, 8), (2, 8), (3, 6), (8, 8), (30, 30)])
def test_hosts_evaluate_everything_once_in_equally_many_batches(photos, hosts, batch):
    source = examples_of(photos)
    (whole,) = eval_batches(source, SIDE, batch=PHOTOS, workers=0)

    parts = [
        list(eval_batches(source, SIDE, batch=batch, host=(this, hosts), workers=0)) for this in range(hosts)
    ]

    assert {len(part) for part in parts} == {-(-PHOTOS // batch)}
    every = [each for part in parts for each in part]
    assert {each.images.shape for each in every} == {(batch // hosts, SIDE, SIDE, 3)}
    indices, labels, mask = (
        np.concatenate([getattr(each, name) for each in every]) for name in ("indices", "labels", "mask")
    )
    images = np.concatenate([each.images for each in every])
    assert sorted(indices[mask]) == list(range(PHOTOS))
    assert set(indices[~mask]) <= {PADDING}
    np.testing.assert_array_equal(labels[mask], whole.labels[indices[mask]])
    np.testing.assert_array_equal(images[mask], whole.images[indices[mask]])


def in_order(evaluated):
    """Rows by the number of the example."""
    return evaluated[np.argsort(evaluated[:, 0])]
