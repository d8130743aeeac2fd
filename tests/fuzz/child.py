"""The child of `campaign.py`: makes files, checks them, and lets LiteRT open and run those that pass.

One line for each step on stdout, so that the parent knows at which file and step it died or stands still.
"""

import contextlib
import faulthandler
import json
import os
import random
import resource
import sys
import time
from pathlib import Path

import graphs
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from parts import EXTREME_FLOATS

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.strangers.structure import CheckedModel, check_model

RESOLVERS = {"xnnpack": OpResolverType.AUTO, "plain": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}
ADDRESS_SPACE = 8 << 30  # a bloated file ends as one, and takes nobody's machine with it


def main(seed: int, first: int, last: int, unchecked: int) -> None:
    """Files `first` to `last` - 1 of `seed`; `unchecked` opens those that are refused too."""
    lines = os.fdopen(os.dup(1), "w", buffering=1)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.disable()
    for number in range(first, last):
        lines.write(f"{number} make\n")
        model = graphs.make(number, seed)
        lines.write(f"{number} check\n")
        start, record = time.monotonic(), {}
        forget_peak()
        before = peak_bytes()
        try:
            checked = check_model(model)
        except ArtifactError as error:
            record["refused"] = error.what
        else:
            record["uses"] = sorted(uses(checked))
        if unchecked or "uses" in record:
            for resolver, kind in RESOLVERS.items():
                lines.write(f"{number} {resolver}\n")
                record[resolver] = run(model, kind, random.Random(f"{seed}:{number}:input"))
        record["seconds"] = time.monotonic() - start
        record["bytes"] = peak_bytes() - before
        lines.write(f"{number} done {json.dumps(record)}\n")


def run(model: bytes, resolver: OpResolverType, chance: random.Random) -> str:
    """ "invoked", or what LiteRT raised."""
    try:
        interpreter = Interpreter(model_content=model, num_threads=1, experimental_op_resolver_type=resolver)
        interpreter.allocate_tensors()
        for tensor in interpreter.get_input_details():
            interpreter.set_tensor(tensor["index"], image(tensor["shape"], tensor["dtype"], chance))
        for _ in range(2):
            interpreter.invoke()
        for tensor in interpreter.get_output_details():
            interpreter.get_tensor(tensor["index"])
        for key in interpreter.get_signature_list():  # each may have a graph of its own
            runner = interpreter.get_signature_runner(key)
            details = runner.get_input_details().items()
            runner(**{name: image(each["shape"], each["dtype"], chance) for name, each in details})
    except (RuntimeError, ValueError) as error:
        return str(error).partition("\n")[0][:200] or type(error).__name__
    return "invoked"


def image(shape, dtype, chance: random.Random) -> np.ndarray:
    """Random codes, or random and some odd floats."""
    count = int(np.prod(shape))
    data = np.frombuffer(chance.randbytes(min(4096, count * 4)).ljust(4, b"\0"), np.uint8)
    if dtype != np.float32:
        return np.resize(data, shape).astype(dtype)
    values = np.resize(data.astype(np.float32) / 127 - 1, count)
    if chance.random() < 0.2:
        values[chance.randrange(count)] = chance.choice(EXTREME_FLOATS)
    return values.reshape(shape).astype(np.float32)


def uses(model: CheckedModel) -> set[str]:
    """Each operator with its types, as `campaign.wanted` writes them."""

    def kinds(indices) -> list[str]:
        return ["-" if index == -1 else model.tensors[index].dtype for index in indices]

    return {
        use(operator.name, kinds(operator.inputs), kinds(operator.outputs)) for operator in model.operators
    }


def use(name: str, read: list[str], made: list[str]) -> str:
    """ "ADD float32 float32 > float32"; of operators that take or make any number of tensors, one stands for all."""
    if name in ("CONCATENATION", "PACK"):
        read = read[:1]
    return f"{name} {' '.join(read)} > {' '.join(made[:1])}"


def forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int:
    """The most memory that this process has held since `forget_peak`."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
