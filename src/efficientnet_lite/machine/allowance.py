"""How much of a machine this process may use: cores, memory and what of it is free, limits of containers included.

What /proc and /sys say is read as a stranger's text: its beginning alone, and what makes no sense counts for nothing.
"""

import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from efficientnet_lite.machine.processor import Processor, processor_of
from efficientnet_lite.storage import files
from efficientnet_lite.threads import cores

CPUINFO_BYTES, OTHER_BYTES = 8 * 2**20, 64 * 2**10  # 1,000 cores of x86 say 2 MB
MOST = 2**60  # bytes; version 1 of control groups writes about 2**63 for "no limit"
V2, V1_CPU, V1_MEMORY = "cgroup", "cgroup/cpu", "cgroup/memory"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What this process may use. None: the system does not say, or sets no limit."""

    processor: Processor
    cores: int  # that this process may run on
    cores_of_machine: int | None
    cores_of_container: float | None  # processor time a second that its control group allows
    memory_bytes: int | None
    memory_free_bytes: int | None  # that can be had without swapping
    memory_of_container_bytes: int | None
    memory_of_process_bytes: int | None  # its limit of address space, as `ulimit -v` sets it


def allowance(proc: Path = Path("/proc"), sys: Path = Path("/sys/fs")) -> Allowance:
    """What this process may use; `proc` and `sys` are other places for tests."""
    memory = _memory(proc)
    processor = processor_of(_text(proc / "cpuinfo", CPUINFO_BYTES))
    if not processor.name:
        processor = Processor(platform.processor(), processor.instructions, processor.absent)
    groups = _groups(proc)
    return Allowance(
        processor=processor,
        cores=cores(),
        cores_of_machine=os.cpu_count(),
        cores_of_container=min(_quotas(sys, groups), default=None),
        memory_bytes=memory.get("MemTotal") or _all_pages(),
        memory_free_bytes=memory.get("MemAvailable"),
        memory_of_container_bytes=min(_memory_limits(sys, groups), default=None),
        memory_of_process_bytes=_address_space_limit(),
    )


def _text(path: Path, most: int = OTHER_BYTES) -> str:
    """The beginning of a text, without a line that is cut off; empty where there is none."""
    data = files.beginning(path, most)
    return (
        data.decode("utf-8", "replace")
        if len(data) < most
        else data.decode("utf-8", "replace").rpartition("\n")[0]
    )


def _number(text: str) -> int | None:
    """A whole number of a sensible size."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) and int(text) < MOST else None


def _memory(proc: Path) -> dict[str, int]:
    """Bytes by their names in /proc/meminfo."""
    found = {}
    for line in _text(proc / "meminfo").splitlines():
        if (said := re.fullmatch(r"(\w+):\s+([0-9]{1,15}) kB", line.strip())) is not None:
            found[said[1]] = 1024 * int(said[2])
    return found


def _all_pages() -> int | None:
    """Memory of a system without /proc, as macOS is."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return None


def _groups(proc: Path) -> dict[str, PurePosixPath]:
    """The control group of this process for each controller; "" is version 2, which has one for all."""
    found: dict[str, PurePosixPath] = {}
    for line in _text(proc / "self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, place = rest.partition(":")
        path = PurePosixPath(place)
        if path.is_absolute() and ".." not in path.parts:  # ".." where it lies above what this process sees
            found |= dict.fromkeys(controllers.split(","), path)
    return found


def _levels(root: Path, group: PurePosixPath | None) -> Iterator[Path]:
    """The folders that limit a group: its own and those above; in a container its own may be the root."""
    parts = () if group is None else group.parts[1:]
    for count in range(len(parts), -1, -1):
        yield root.joinpath(*parts[:count])


def _quotas(sys: Path, groups: dict[str, PurePosixPath]) -> Iterator[float]:
    """Cores that the processor time of each level makes."""
    for folder in _levels(sys / V2, groups.get("")):
        words = _text(folder / "cpu.max").split()
        if len(words) == 2:
            yield from _ratio(*words)
    for folder in _levels(sys / V1_CPU, groups.get("cpu")):
        yield from _ratio(
            _text(folder / "cpu.cfs_quota_us").strip(), _text(folder / "cpu.cfs_period_us").strip()
        )


def _ratio(quota: str, period: str) -> Iterator[float]:
    above, below = _number(quota), _number(period)
    if above and below:  # "max" and -1 are no limit
        yield above / below


def _memory_limits(sys: Path, groups: dict[str, PurePosixPath]) -> Iterator[int]:
    places = [folder / "memory.max" for folder in _levels(sys / V2, groups.get(""))]
    places += [folder / "memory.limit_in_bytes" for folder in _levels(sys / V1_MEMORY, groups.get("memory"))]
    for place in places:
        if (limit := _number(_text(place).strip())) is not None:
            yield limit


def _address_space_limit() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY or limit >= MOST else limit
