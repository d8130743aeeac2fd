"""Limits of containers and of the machine, in folders as Linux has them; and what makes no sense in them."""

import pytest

from efficientnet_lite.machine import allowance as of_process
from efficientnet_lite.machine.allowance import allowance

MEMINFO = "MemTotal:       24683000 kB\nMemFree:  1 kB\nMemAvailable:   17926144 kB\nHugePages_Total:  0\n"


def made(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return allowance(root / "proc", root / "sys")


def test_memory_is_that_of_the_machine(tmp_path):
    found = made(tmp_path, {"proc/meminfo": MEMINFO})

    assert (found.memory_bytes, found.memory_free_bytes) == (24683000 * 1024, 17926144 * 1024)
    assert (found.cores_of_container, found.memory_of_container_bytes) == (None, None)


def test_the_narrowest_of_all_groups_above_counts(tmp_path):
    found = made(
        tmp_path,
        {
            "proc/self/cgroup": "0::/docker/abc\n",
            "sys/cgroup/docker/abc/cpu.max": "max 100000\n",
            "sys/cgroup/docker/abc/memory.max": "2147483648\n",
            "sys/cgroup/docker/cpu.max": "150000 100000\n",
            "sys/cgroup/docker/memory.max": "max\n",
            "sys/cgroup/cpu.max": "400000 100000\n",
            "sys/cgroup/memory.max": "1073741824\n",
        },
    )

    assert found.cores_of_container == 1.5
    assert found.memory_of_container_bytes == 2**30


@pytest.mark.parametrize("group", ["0::/\n", "0::/../..\n", ""])
def test_in_a_container_the_root_is_its_own_group(tmp_path, group):
    found = made(tmp_path, {"proc/self/cgroup": group, "sys/cgroup/cpu.max": "50000 100000\n"})

    assert found.cores_of_container == 0.5


def test_groups_of_version_1_count_too(tmp_path):
    found = made(
        tmp_path,
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/job\n9:memory:/job\n",
            "sys/cgroup/cpu/job/cpu.cfs_quota_us": "200000\n",
            "sys/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
            "sys/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/cgroup/memory/job/memory.limit_in_bytes": "536870912\n",
            "sys/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )

    assert (found.cores_of_container, found.memory_of_container_bytes) == (2, 2**29)


@pytest.mark.parametrize("text", ["", "\xff\x00", "0 0", "1e9 100000", "-5 100000", "9" * 50, "1 " * 50_000])
def test_what_makes_no_sense_is_no_limit(tmp_path, text):
    places = ("proc/meminfo", "proc/self/cgroup", "sys/cgroup/cpu.max", "sys/cgroup/memory.max")

    found = made(tmp_path, dict.fromkeys(places, text))

    assert (found.cores_of_container, found.memory_of_container_bytes) == (None, None)
    assert found.memory_free_bytes is None


def test_a_huge_list_of_processors_is_read_to_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(of_process, "CPUINFO_BYTES", 4096)

    found = made(tmp_path, {"proc/cpuinfo": "flags: avx2 avx512_vnni\n" * 200 + "flags: none\n"})

    assert found.processor.instructions == ("AVX2", "AVX-512 VNNI")


def test_a_machine_that_says_nothing_is_not_known(tmp_path):
    found = allowance(tmp_path / "proc", tmp_path / "sys")

    assert found.processor.instructions is None
    assert found.memory_free_bytes is None
    assert found.cores >= 1
