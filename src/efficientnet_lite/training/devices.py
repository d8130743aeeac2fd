"""One training on many devices and hosts: the state on every device, and of each batch a part.

Data parallelism by sharding alone. A step is compiled for the whole batch, and XLA divides the work along the
batch's axis: loss, gradients and the statistics of batch norm are those of the whole batch, so that one device and
four give the same losses but for rounding. With the backend TensorFlow, or on one device, nothing is placed.
"""

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import numpy.typing as npt

from efficientnet_lite.errors import UsageError
from efficientnet_lite.training.learner import Losses
from efficientnet_lite.training.train_state import STEP, Tensors, TrainState

if TYPE_CHECKING:
    from efficientnet_lite.training.step import Update

COORDINATOR = "EFFICIENTNET_LITE_COORDINATOR"  # ADDRESS:PORT of the first host, or `auto`
HOSTS = "EFFICIENTNET_LITE_HOSTS"
HOST = "EFFICIENTNET_LITE_HOST"
AUTO = "auto"  # JAX asks the cluster: Slurm, Open MPI, Kubernetes, Cloud TPU
PATIENCE_SECONDS = 300  # for all hosts to come; JAX's own
PROBE_SECONDS = 1.0
AXIS = "batch"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where tensors lie, see `place`. One that places nothing is for one device."""

    devices: int = 1  # of all hosts together
    this: int = 0  # number of this host; 0 writes checkpoints and logs
    hosts: int = 1
    everywhere: Any = None  # JAX's sharding of what is whole on each device; None: nothing is placed
    split: Any = None  # that of what is divided on its first axis

    def state(self, state: TrainState) -> TrainState:
        """`state`, the same arrays on every host, on every device."""
        if self.everywhere is None:
            return state
        import jax

        def placed(value: Any) -> Any:
            # made of local copies: `device_put` would compare the values of all hosts, array by array
            array = np.asarray(value)
            return jax.make_array_from_callback(array.shape, self.everywhere, array.__getitem__)

        return _each(state, placed)

    def batch(self, *arrays: Any) -> tuple[Any, ...]:
        """Images, labels and whatever belongs to them: this host's rows, numpy arrays, as parts of the whole batch.

        Of the whole batch host 0 has the first rows. Raises ValueError where a host's rows cannot be divided
        by its devices; `place` refuses such a batch beforehand.
        """
        if self.split is None:
            return arrays
        import jax

        each = self.devices // self.hosts
        if uneven := [len(array) for array in arrays if len(array) % each]:
            raise ValueError(f"{uneven[0]} rows cannot be divided among {each} devices")
        return tuple(
            jax.make_array_from_process_local_data(self.split, np.asarray(array)) for array in arrays
        )

    def step(self, step: "Update") -> "Update":
        """`step` that takes the state as placed, and images and labels as this host's rows."""
        if self.everywhere is None:
            return step
        import jax

        def kept(value: Any) -> Any:
            # XLA chooses where results lie; it leaves them on every device, which no one promises
            return value if value.is_fully_replicated else jax.device_put(value, self.everywhere)

        def placed(state: TrainState, images: Any, labels: Any) -> tuple[TrainState, Losses]:
            state, losses = step(state, *self.batch(images, labels))
            return _each(state, kept), losses

        return placed

    def whole(self, *arrays: Any) -> tuple[npt.NDArray[Any], ...]:
        """All rows of all hosts, as numpy arrays on every host: of results, or of this host's rows as numpy arrays."""
        if self.everywhere is None:
            return tuple(np.asarray(array) for array in arrays)
        import jax

        together = jax.jit(lambda values: values, out_shardings=self.everywhere)
        placed = [self.batch(array)[0] if isinstance(array, np.ndarray) else array for array in arrays]
        return tuple(np.asarray(array) for array in together(placed))

    def to_host(self, state: TrainState) -> TrainState:
        """`state` as numpy arrays, on every host; waits for the devices."""
        return _each(state, np.asarray)


def place(devices: int | None = None, *, batches: Mapping[str, int]) -> Placement:
    """The placement on `devices` devices; None: on all of all hosts, and with TensorFlow on one.

    Args:
        batches: field of the recipe -> size of a batch, of all hosts together.

    Raises:
        UsageError: there are fewer devices, a batch cannot be divided by them, or the backend is not JAX and more
            than one is asked for.
    """
    if devices is not None and devices < 1:
        raise UsageError(f"{devices} devices were asked for", where="devices", fix="give 1 or more")
    if keras.backend.backend() != "jax":
        if devices not in (None, 1):
            raise _needs_jax(f"{devices} devices")
        return Placement()
    import jax

    this, hosts = host()
    # In the order of the hosts, so that each has rows of the batch that follow each other.
    there = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    count = len(there) if devices is None else devices
    if count > len(there) or (hosts > 1 and count != len(there)):
        raise UsageError(
            f"{count} devices were asked for, and there are {len(there)} ({there[0].platform}) on {hosts} hosts",
            where="devices",
            fix=f"give {len(there)}" + (", since each host takes part with all it has" if hosts > 1 else ""),
        )
    for name, size in batches.items():
        if size % count:
            raise _uneven(name, size, count)
    if count == 1:
        return Placement()
    mesh = jax.sharding.Mesh(np.array(there[:count]), (AXIS,))
    everywhere, split = (
        jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes)) for axes in ((), (AXIS,))
    )
    return Placement(count, this, hosts, everywhere, split)


def connect(
    coordinator: str | None = None,
    hosts: int | None = None,
    host: int | None = None,
    *,
    environment: Mapping[str, str],
    patience: int = PATIENCE_SECONDS,
) -> None:
    """Join the other hosts of a training; to be called before anything is computed. One host need not.

    Args:
        coordinator: ADDRESS:PORT of host 0, which must be free there, or "auto", where the cluster tells JAX all.
        hosts, host: how many hosts there are, and the number of this one from 0.
        environment: has what is None here as EFFICIENTNET_LITE_COORDINATOR, _HOSTS and _HOST.
        patience: seconds to wait for the others.

    Raises:
        UsageError: something is missing or makes no sense, the backend is not JAX, or host 0 does not answer.

    Where host 0 is there and another does not come, JAX ends the process, with a message of its own.
    `keras.distribution.initialize` makes the same call of JAX, without a time limit or a word on what is wrong.
    """
    coordinator = environment.get(COORDINATOR) if coordinator is None else coordinator
    hosts = _number(environment, HOSTS) if hosts is None else hosts
    host = _number(environment, HOST) if host is None else host
    if coordinator is None and hosts is None and host is None:
        return
    if keras.backend.backend() != "jax":
        raise _needs_jax("several hosts")
    options = {} if coordinator == AUTO else _addressed(coordinator, hosts, host)
    if options.get("process_id"):
        _wait_for(options["coordinator_address"], patience)
    import jax

    try:
        jax.distributed.initialize(**options, initialization_timeout=patience)
    except (ValueError, RuntimeError) as error:
        raise UsageError(
            f"the hosts do not come together: {str(error).splitlines()[0]}",
            where=coordinator or COORDINATOR,
            fix=f"give the address and a free port of host 0 as {COORDINATOR}, and {HOSTS} and {HOST} to each"
            if coordinator == AUTO
            else "give a port of host 0 that is free, the same to every host",
        ) from error


def join_hosts() -> bool:
    """Join the other hosts of a training where there are some; gives whether this is the first one, which writes."""
    connect(environment=os.environ)
    number, _ = host()
    return number == 0


def host() -> tuple[int, int]:
    """Number of this host, and how many there are, as `batches.train_batches` takes it."""
    if keras.backend.backend() != "jax":
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()


def _each(state: TrainState, function: Any) -> TrainState:
    """`state` with `function` of each of its tensors."""

    def group(tensors: Tensors) -> Tensors:
        return {name: function(value) for name, value in tensors.items()}

    groups = {entry.name: getattr(state, entry.name) for entry in fields(TrainState) if entry.name != STEP}
    return TrainState(state.step, **{name: group(tensors) for name, tensors in groups.items()})


def _addressed(coordinator: str | None, hosts: int | None, host: int | None) -> dict[str, Any]:
    """JAX's arguments. Raises UsageError for the first that is missing or makes no sense."""
    address, _, port = (coordinator or "").rpartition(":")
    if not address or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise _refused(
            COORDINATOR, coordinator, "give ADDRESS:PORT of host 0, such as 10.0.0.1:1234, or auto"
        )
    if hosts is None or hosts < 1:
        raise _refused(HOSTS, hosts, "give how many hosts there are")
    if host is None or not 0 <= host < hosts:
        raise _refused(HOST, host, f"give the number of this host, 0 to {hosts - 1}")
    return {"coordinator_address": coordinator, "num_processes": hosts, "process_id": host}


def _wait_for(address: str, patience: int) -> None:
    """Return once host 0 answers; JAX would end the process where it does not, and say nothing that helps.

    Raises UsageError after `patience` seconds.
    """
    name, _, port = address.rpartition(":")
    end = time.monotonic() + patience
    while True:
        try:
            socket.create_connection((name.strip("[]"), int(port)), timeout=PROBE_SECONDS).close()
            return
        except OSError as error:
            if time.monotonic() >= end:
                raise UsageError(
                    f"host 0 does not answer within {patience} s: {error.strerror or error}",
                    where=address,
                    fix="start host 0 too, with this address, and let the others reach its port",
                ) from error
        time.sleep(PROBE_SECONDS / 5)


def _number(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise _refused(name, text, "give a whole number")
    return int(text)


def _refused(name: str, value: object, fix: str) -> UsageError:
    found = "is missing" if value is None else f"is {value!r}"
    return UsageError(f"of several hosts, {name} {found}", where=name, fix=fix)


def _needs_jax(what: str) -> UsageError:
    return UsageError(
        f"{what} need JAX, and the backend of Keras is {keras.backend.backend()}",
        where="KERAS_BACKEND",
        fix="set it to jax, or train on one device",
    )


def _uneven(name: str, size: int, devices: int) -> UsageError:
    below, above = size // devices * devices, -(-size // devices) * devices
    return UsageError(
        f"a batch of {size} cannot be divided by {devices} devices",
        where=name,
        fix=f"give {f'{below} or ' if below else ''}{above}, or a number of devices that divides {size}",
    )
