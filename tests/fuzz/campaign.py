"""Runs thousands of generated files through check, allocation and invocation, and counts who dies of it.

    python tests/fuzz/campaign.py --files 20000

A child takes many files; where it dies, stands still for `PATIENCE_S` or takes `MOST_BYTES`, the file is noted,
and a new child goes on behind it. Exit code 1 where there was any such file, or where an operator or type
of the list was never run. `--seed` draws other files. `--guard` has glibc check its heap at every step, and
fill what it hands out: slower, and finds writes beyond an end that kill nobody yet. `--unchecked` opens what
the check refuses too: it shows what the check is for, and that this finds it.
"""

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import child
from parts import DTYPES

from efficientnet_lite.strangers.operators import OPERATORS

PATIENCE_S = 5.0
MOST_BYTES = 1 << 30
BATCH = 500  # files a child
HERE = Path(__file__).resolve().parent
_WRITTEN = {**DTYPES, "F": "float32", "S": "int8", "K": "int8", "U": "uint8", "-": "-"}
_WRITTEN |= {"B": "int32", "n": "int32", "H": "float16"}


@dataclass
class Tally:
    """What came of the files."""

    files: int = 0
    refused: Counter = field(default_factory=Counter)
    raised: Counter = field(default_factory=Counter)  # by LiteRT, of what passed
    invoked: int = 0
    uses: Counter = field(default_factory=Counter)
    killed: list[str] = field(default_factory=list)  # died, stood still or bloated
    slowest: tuple[float, int] = (0.0, -1)
    largest: tuple[int, int] = (0, -1)

    def add(self, number: int, record: dict) -> None:
        """One file that was survived."""
        self.files += 1
        self.slowest = max(self.slowest, (record["seconds"], number))
        self.largest = max(self.largest, (record["bytes"], number))
        if record["bytes"] > MOST_BYTES:
            self.killed.append(f"file {number} took {record['bytes']:,} bytes")
        if "refused" in record:
            self.refused[_kind(record["refused"])] += 1
            return
        answers = {record[resolver] for resolver in child.RESOLVERS}
        if answers == {"invoked"}:
            self.invoked += 1
            self.uses.update(record["uses"])
        else:
            self.raised[min(answers - {"invoked"})] += 1

    @property
    def passed(self) -> int:
        return self.invoked + sum(self.raised.values())


def campaign(seed: int, first: int, last: int, *, guard: bool = False, unchecked: bool = False) -> Tally:
    """Files `first` to `last` - 1 of `seed`, one after the other."""
    tally = Tally()
    while first < last:
        first = _batch(tally, seed, first, min(last, first + BATCH), guard=guard, unchecked=unchecked)
    return tally


def _batch(tally: Tally, seed: int, first: int, last: int, *, guard: bool, unchecked: bool) -> int:
    """One child; gives the file with which to go on."""
    environment = dict(os.environ)
    if guard:
        environment |= {
            "LD_PRELOAD": "libc_malloc_debug.so.0",
            "MALLOC_CHECK_": "3",
            "MALLOC_PERTURB_": "165",
        }
    numbers = map(str, (seed, first, last, int(unchecked)))
    command = [sys.executable, str(HERE / "child.py"), *numbers]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()

        def pump() -> None:
            for line in process.stdout:
                lines.put(line)
            lines.put("")

        threading.Thread(target=pump, daemon=True).start()
        number, step, patience = first, "start", 60.0  # imports, on a busy machine
        while True:
            line = _next_line(lines, process.pid, patience)
            if line is None:
                process.kill()
                tally.files += 1
                tally.killed.append(f"file {number} stood still at {step}")
                return number + 1
            if not line:
                break
            at, step, *rest = line.rstrip("\n").split(" ", 2)
            number, patience = int(at), PATIENCE_S * (4 if guard else 1)
            if step == "done":
                tally.add(number, json.loads(rest[0]))
        if process.wait() == 0:
            return last
    tally.files += 1
    tally.killed.append(f"file {number} ended the process with {process.returncode} at {step}")
    return number + 1


def _next_line(lines: queue.SimpleQueue, pid: int, patience: float) -> str | None:
    """What the child says next, "" at its end; None where it stands still.

    That is where it has computed for `patience` seconds, or done nothing for six times as long: others may
    have the machine.
    """
    start, spent = time.monotonic(), _cpu_seconds(pid)
    while True:
        try:
            return lines.get(timeout=0.2)
        except queue.Empty:
            if _cpu_seconds(pid) - spent > patience or time.monotonic() - start > 6 * patience:
                return None


def _cpu_seconds(pid: int) -> float:
    """Seconds that the process has computed; those that have gone by where the system does not say."""
    try:
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return time.monotonic()


def wanted() -> set[str]:
    """Every operator of the list with each of its types, as `child.uses` writes them."""
    found = set()
    for name, rule in OPERATORS.items():
        for form in rule.forms:
            sides = form.replace("*", "").replace("+", "").split(">")
            found.add(child.use(name, *([_WRITTEN[letter] for letter in side] for side in sides)))
    return found


def report(tally: Tally, seconds: float) -> str:
    """All counts, as text."""
    refused = sum(tally.refused.values())
    (slow, slowest), (large, largest) = tally.slowest, tally.largest
    lines = [
        f"{tally.files:,} files in {seconds:.0f} s: {refused:,} refused, {tally.passed:,} passed, "
        f"{tally.invoked:,} of them invoked with and without XNNPACK",
        f"longest {slow:.2f} s (file {slowest}), most {large / 2**20:.0f} MiB (file {largest})",
        "refused:",
        *(f"  {count:6}  {what}" for what, count in tally.refused.most_common()),
        "passed, and LiteRT raised:",
        *(f"  {count:6}  {what}" for what, count in tally.raised.most_common()),
        "invoked, files with this operator and these types:",
        *(f"  {tally.uses[use]:6}  {use}" for use in sorted(wanted() | set(tally.uses))),
        f"killed: {len(tally.killed)}",
        *(f"  {what}" for what in tally.killed),
    ]
    return "\n".join(lines)


def _kind(what: str) -> str:
    """A refusal without its numbers and names, so that it can be counted."""
    words = what.replace("this is not a TFLite model, or it is damaged: ", "").split()
    plain = [word for word in words if word.islower() and word.isascii() and word.strip(",:;").isalpha()]
    return " ".join(plain[:8])


def main() -> int:
    """The command; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--guard", action="store_true")
    parser.add_argument("--unchecked", action="store_true")
    options = parser.parse_args()
    start = time.monotonic()
    share = options.files / options.workers
    edges = [options.first + round(share * worker) for worker in range(options.workers + 1)]
    tallies = [Tally() for _ in range(options.workers)]

    def work(place: int) -> None:
        tallies[place] = campaign(
            options.seed, *edges[place : place + 2], guard=options.guard, unchecked=options.unchecked
        )

    threads = [threading.Thread(target=work, args=(place,)) for place in range(options.workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = merged(tallies)
    print(report(total, time.monotonic() - start))
    missing = wanted() - set(total.uses)
    print("never invoked:", ", ".join(sorted(missing)) or "none")
    return int(bool(total.killed or missing))


def merged(tallies: list[Tally]) -> Tally:
    """The sum of several."""
    total = Tally()
    for tally in tallies:
        total.files += tally.files
        total.refused += tally.refused
        total.raised += tally.raised
        total.invoked += tally.invoked
        total.uses += tally.uses
        total.killed += tally.killed
        total.slowest = max(total.slowest, tally.slowest)
        total.largest = max(total.largest, tally.largest)
    return total


if __name__ == "__main__":
    sys.exit(main())
