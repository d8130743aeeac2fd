"""Training beside timm's PyTorch: images per second of both in one run, and their ratio.

    KERAS_BACKEND=jax .venv-peers/bin/python -m benchmarks.training scratch --model lite0 --batch 256
    .venv-peers/bin/python -m benchmarks.training fine-tuning --model lite0 --batch 32

`scratch` is a step of the reference's recipe: forward, backward, RMSProp, moving averages; `fine-tuning` one of
`train --fine-tune` with all blocks, batch norm frozen, AdamW and moving averages. Needs what `make test-peers` does,
and JAX beside it where it is the backend. Each side is a process of its own, and they work in turn, so that both
find the same machine. On a GPU ours computes in bfloat16; timm's too (autocast, channels last), compiled with
--compile, which on CPUs takes minutes. --bandwidth GB/S, the device's, gives the share of the memory bound, see
`bytes_per_image`; --profile shows where the time of our steps goes, with JAX. Nothing is read from a disk: the rate
is that of the network alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.page import put, section
from benchmarks.table import Table, machine
from benchmarks.timing import Ratio
from efficientnet_lite.network.plan import Plan, make_plan, model_name
from efficientnet_lite.runtimes.engine import cores

CLASSES = {"scratch": 1000, "fine-tuning": 10}
SIDES = ("ours", "timm")
SMOOTHING, SURVIVAL = 0.1, 0.8
Run = Callable[[int], float]  # steps -> seconds


def bytes_per_image(plan: Plan, element: int) -> int:
    """Bytes that a training step moves to and from memory for one image, where each kernel does one layer.

    Forward, a convolution reads its input and writes its output; batch norm, whose statistics come first, reads
    that and writes the activation: in + 3 out. Backward, batch norm reads gradient and output twice, for its sums
    and to use them, and writes one gradient; the convolution reads that twice, its input once, and writes the
    gradient of its input: 2 in + 7 out. Additions, the head and the optimizer, which is paid once a batch, are
    left out, so no such program is faster than bandwidth / bytes. `element`: bytes of a number, 2 for bfloat16.
    """
    sides = plan.sides()
    ins = sum(sides[conv.source] ** 2 * conv.inputs for conv in plan.convs)
    outs = sum(sides[conv.name] ** 2 * conv.outputs for conv in plan.convs)
    return element * (3 * ins + 10 * outs)


def ours_scratch(plan: Plan, images: Any, labels: Any, precision: Any) -> tuple[Run, str]:
    """Our step of the reference's recipe, with Keras on the backend of KERAS_BACKEND."""
    import keras

    from efficientnet_lite.network.keras_arrays import read_parameters
    from efficientnet_lite.training.recipe import Recipe
    from efficientnet_lite.training.step import build_network, make_step
    from efficientnet_lite.training.train_state import start_state

    recipe = Recipe(batch=len(images), precision=precision)
    network = build_network(plan, recipe)
    low = network.dtype_policy.compute_dtype
    step, state = make_step(plan, recipe), start_state(read_parameters(network))

    def run(steps: int) -> float:
        nonlocal state
        began = time.perf_counter()
        for _ in range(steps):
            state, losses = step(state, images, labels)
        float(np.asarray(losses.total))  # waits for the device
        return time.perf_counter() - began

    return run, f"Keras on {keras.backend.backend()}, {low}"


def ours_fine_tuning(plan: Plan, images: Any, labels: Any) -> tuple[Run, str]:
    """Our step of `train --fine-tune` with all blocks."""
    import keras

    from efficientnet_lite.training.fine_tuning import FineTuning, upper_part
    from efficientnet_lite.training.kept_features import Kept
    from efficientnet_lite.training.upper_blocks import ChoosingPhotos, TaughtPhotos, UpperBlocks
    from efficientnet_lite.weights.read import load_weights

    recipe = FineTuning(blocks=None, epochs=1, batch=len(images), label_smoothing=SMOOTHING)
    weights = dict(load_weights(plan.variant).parameters)
    classes = plan.classes or 0
    weights["head/dense/kernel"] = weights["head/dense/kernel"][:, :classes]
    weights["head/dense/bias"] = weights["head/dense/bias"][:classes]
    kept, truth = Kept(images[:, None], seed=0), np.asarray(labels)
    taught = TaughtPhotos(kept, truth, np.ones(len(images), np.float32))
    choosing = ChoosingPhotos(kept, ("crop",), truth)
    learner = UpperBlocks(upper_part(plan, None), weights, recipe, taught, choosing, seed=0)
    (batch,) = learner.batches()

    def run(steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            learner.step(batch)
        return time.perf_counter() - began

    return run, f"Keras on {keras.backend.backend()}, float32"


def timm_step(plan: Plan, images: Any, labels: Any, *, tuning: bool, compiled: bool) -> tuple[Run, str]:
    """The same with timm, in PyTorch as its own training does it."""
    import torch

    timm = _timm()
    from timm.optim import RMSpropTF
    from timm.utils import ModelEmaV3

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dropped = 0.0 if tuning else 1 - SURVIVAL
    model = timm.create_model(
        f"tf_efficientnet_{plan.variant.name}",
        num_classes=plan.classes,
        drop_rate=plan.variant.dropout,
        drop_path_rate=dropped,
    )
    model = model.to(device, memory_format=torch.channels_last).train()
    if tuning:  # normalized by the moving statistics; scales and offsets learn, as with us
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.0)
    else:
        optimizer = RMSpropTF(
            model.parameters(), lr=1e-3, alpha=0.9, eps=1e-3, momentum=0.9, weight_decay=1e-5
        )
    averages = ModelEmaV3(model, decay=0.9999, foreach=True)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=SMOOTHING)
    forward = torch.compile(model) if compiled else model
    fed, truth = torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)).to(device)

    def step() -> Any:
        pixels = fed.to(device, non_blocking=True).permute(0, 3, 1, 2)  # channels last already
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = loss_of(forward((pixels.float() - 127) / 128), truth)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        averages.update(model)
        return loss

    def run(steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            loss = step()
        loss.item()
        return time.perf_counter() - began

    kind = "bfloat16" if device.type == "cuda" else "float32"
    return run, f"PyTorch {torch.__version__}, channels last, {kind}{', compiled' if compiled else ''}"


def _timm() -> Any:
    """timm; with PyPI's torchvision beside a torch for CPUs its operators are missing, and timm needs none."""
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for operator in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
    import timm

    return timm


def work(side: str, arguments: argparse.Namespace) -> None:
    """One side: reads numbers of steps from stdin, a line each, and answers with seconds, and those at work."""
    plan = _plan(arguments)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (arguments.batch, plan.size, plan.size, 3), np.uint8)
    labels = random.integers(0, plan.classes or 0, arguments.batch).astype(np.int32)
    tuning = arguments.what == "fine-tuning"
    if arguments.threads:
        _limit(side, arguments.threads)
    if side == "timm":
        run, words = timm_step(plan, images, labels, tuning=tuning, compiled=arguments.compile)
    elif tuning:
        run, words = ours_fine_tuning(plan, images, labels)
    else:
        run, words = ours_scratch(plan, images, labels, arguments.precision)
    run(2)  # compiles, and learns which kernels are fast
    print(json.dumps(words), flush=True)
    for line in sys.stdin:
        if line == "profile\n":
            print(json.dumps(_profiled(run)), flush=True)
        else:
            at_work = time.process_time()
            seconds = run(int(line))
            print(json.dumps([seconds, time.process_time() - at_work]), flush=True)


def _limit(side: str, threads: int) -> None:
    if side == "timm":
        import torch

        torch.set_num_threads(threads)
    elif os.environ.get("KERAS_BACKEND") == "jax":
        raise SystemExit("--threads: JAX takes all cores")
    else:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def _profiled(run: Run) -> list[tuple[str, float]]:
    """Kind of operation -> its share of the device's time in three steps, largest first; with JAX."""
    import jax

    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            run(3)
        (path,) = Path(folder).rglob("*.xplane.pb")
        return shares(jax.profiler.ProfileData.from_file(str(path)))


def shares(profile: Any) -> list[tuple[str, float]]:
    """Of the lines on which XLA puts its operations: those of GPUs and TPUs, or the threads of a CPU."""
    lines = [(plane.name, line) for plane in profile.planes for line in plane.lines]
    device = [
        line for plane, line in lines if plane.startswith("/device:") and line.name in ("XLA Ops", "Stream")
    ]
    spent: Counter[str] = Counter()
    for line in device or [line for _, line in lines if "XLA" in line.name or "xla" in line.name]:
        for event in line.events:
            if event.duration_ns and "::" not in event.name and " " not in event.name:
                spent[event.name.rstrip("0123456789.").removesuffix(".clone")] += event.duration_ns
    total = sum(spent.values())
    return [(name, count / total) for name, count in spent.most_common(12)]


def compare(arguments: argparse.Namespace) -> Table:
    """Both sides in turn."""
    plan = _plan(arguments)
    workers = {side: _worker(side, sys.argv[1:]) for side in SIDES}
    try:
        words = {side: _answer(worker) for side, worker in workers.items()}
        rounds = [
            {side: _answer(worker, str(arguments.steps)) for side, worker in workers.items()}
            for _ in range(arguments.rounds)
        ]
        profile = _answer(workers["ours"], "profile") if arguments.profile else []
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()
    done = arguments.batch * arguments.steps
    rows = []
    for side in SIDES:
        rates = [[done / each for each in answer[side]] for answer in rounds]
        rate, by_work = (median(each) for each in zip(*rates, strict=True))
        row = [f"{side}: {words[side]}", f"{rate:.1f}", f"{by_work:.1f}"]
        if arguments.bandwidth:
            bound = arguments.bandwidth * 1e9 / bytes_per_image(plan, 2 if "bfloat16" in words[side] else 4)
            row.append(f"{100 * rate / bound:.0f} %")
        rows.append([*row, *([_ratio(rounds, kind) for kind in (0, 1)] if side == "ours" else ["", ""])])
    share = ["of the memory bound"] if arguments.bandwidth else []
    columns = ["", "images/s", "a second of a CPU", *share, "ours / timm", "by CPU time"]
    note = (
        f"{plan.variant.name} at {plan.size}, batch {arguments.batch}; {arguments.rounds} rounds of {arguments.steps} "
        f"steps each in turn{f', {arguments.threads} threads' if arguments.threads else ''}. "
        "Medians. Ratios: above 1 ours is faster, lowest to highest; those by CPU time count "
        "threads of PyTorch that wait for each other, which they do where other programs are at work."
    )
    if profile:
        note += " Of the time: " + ", ".join(f"{name} {100 * part:.0f} %" for name, part in profile) + "."
    return Table(f"Training, {arguments.what}, beside timm: {_device()}", columns, rows, note)


def _ratio(rounds: list[dict[str, list[float]]], kind: int) -> Ratio:
    ratios = [each["timm"][kind] / each["ours"][kind] for each in rounds]
    return Ratio(median(ratios), min(ratios), max(ratios))


def _device() -> str:
    """What both compute on, as PyTorch has it."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"the CPU, {cores()} cores"


def _worker(side: str, given: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.training", *given, "--side", side]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"TF_CPP_MIN_LOG_LEVEL": "2", "XLA_PYTHON_CLIENT_PREALLOCATE": "false", **os.environ},
    )


def _answer(worker: "subprocess.Popen[str]", question: str | None = None) -> Any:
    assert worker.stdin is not None  # both were asked for
    assert worker.stdout is not None
    if question is not None:
        worker.stdin.write(f"{question}\n")
        worker.stdin.flush()
    line = worker.stdout.readline()
    if not line:
        raise SystemExit("one side has ended; its message stands above")
    return json.loads(line)


def _plan(arguments: argparse.Namespace) -> Plan:
    name = model_name(arguments.model)
    return make_plan(name.variant, size=name.size, classes=CLASSES[arguments.what])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=list(CLASSES))
    parser.add_argument("--model", default="lite0", help="such as lite4 or lite0@128")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="of a round")
    parser.add_argument("--threads", type=int, help="of both, on a CPU; with TensorFlow")
    parser.add_argument("--compile", action="store_true", help="timm's network by torch.compile")
    parser.add_argument(
        "--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="of ours"
    )
    parser.add_argument("--bandwidth", type=float, metavar="GB/S", help="of the device's memory")
    parser.add_argument("--profile", action="store_true", help="where the time of our steps goes; with JAX")
    parser.add_argument("--write", type=Path, metavar="FILE", help="the page whose section is replaced")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        work(arguments.side, arguments)
        return
    table = compare(arguments)
    print(f"\n{table.title}\n{machine()}\n\n{table.markdown()}", flush=True)
    if arguments.write:
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        name = f"training-{arguments.what}-{arguments.model.replace('@', '-')}-{backend}"
        given = [each for each in sys.argv[1:] if each not in ("--write", str(arguments.write))]
        command = f"KERAS_BACKEND={backend} python -m benchmarks.training {' '.join(given)}"
        put(arguments.write, section(name, command, table))


if __name__ == "__main__":
    main()
