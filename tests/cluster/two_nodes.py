"""A real Ray cluster on this machine: a head without cores, and two nodes with one each; and `embed` as a process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

MODEL, COUNT, PART_ROWS = "lite0@128", 2000, 100
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
os.environ |= QUIET
# Ray finds a node lost after 15 s, when a quick machine has long made all vectors.
SOON = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 300,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 3,
}


class TwoNodes:
    def __init__(self):
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False, "_system_config": SOON}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes = [self.add(), self.add()]
        self._cluster.wait_for_nodes()

    @property
    def address(self):
        return self._cluster.address

    def add(self, **options):
        return self._cluster.add_node(num_cpus=1, **options)

    def kill(self, node):
        """As when its machine loses power: all its processes are killed."""
        self._cluster.remove_node(node, allow_graceful=False)
        if node in self.nodes:
            self.nodes.remove(node)

    def wait(self, count=None):
        """Until so many nodes with cores are up, or all that were added here."""
        if count is None:
            self._cluster.wait_for_nodes()
            return
        from ray._raylet import GcsClient

        until = time.monotonic() + 60
        while sum(info.state == 0 for info in GcsClient(self.address).get_all_node_info().values()) <= count:
            assert time.monotonic() < until
            time.sleep(0.2)

    def workers(self):
        """The processes that look at photos just now."""
        above = {node.all_processes["raylet"][0].process.pid for node in self.nodes}
        return [
            pid for pid, name, parent in _processes() if parent in above and name.startswith("ray::_look")
        ]

    def mend(self):
        """Two nodes again, whatever became of the others."""
        while len(self.nodes) < 2:
            self.nodes.append(self.add())
        self._cluster.wait_for_nodes()

    def end(self):
        self._cluster.shutdown()


def _processes():
    """PID, name and parent of each."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            name = (entry / "cmdline").read_bytes().decode(errors="replace")
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        yield int(entry.name), name, parent


def command(place, out, *more):
    """`embed` of the photos of `place` in a process of its own."""
    arguments = ["embed", MODEL, "photos", "--weights", "w.safetensors", "--part-rows", str(PART_ROWS)]
    return subprocess.Popen(
        [sys.executable, "-m", "efficientnet_lite", *arguments, "--out", str(out), *more],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process, code=0, seconds=120):
    """What a process printed once it ended with this code: stdout, stderr."""
    out, err = process.communicate(timeout=seconds)
    assert process.returncode == code, err[-3000:]
    assert "Traceback" not in err, err[-3000:]
    return out, err


def wait_for(condition, process, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def parts_in(folder):
    return sorted(path.name for path in Path(folder).glob("part-*.parquet"))
