"""Checkpoints that torch and timm's own saver write, with all that a training keeps beside the weights.

In an environment of its own, see requirements.txt; skipped elsewhere.
"""

import argparse
import collections
import pathlib

import numpy as np
import pytest

from efficientnet_lite.errors import CheckpointError
from efficientnet_lite.network.naming import foreign_names
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.weights.read import read_checkpoint

REASON = "timm and torch live in an environment of their own: requirements.txt"
torch = pytest.importorskip("torch", reason=REASON)
timm = pytest.importorskip("timm", reason=REASON)

# torch warns of its own old parts, which torch.compile and torch.jit use
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
]

LITE0 = VARIANTS["lite0"]


@pytest.fixture(scope="module")
def trained():
    """A network of five classes, its optimizer after a step, and what timm's train.py was asked for."""
    torch.manual_seed(3)
    network = timm.create_model("tf_efficientnet_lite0", num_classes=5)
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.randn(2, 3, 64, 64)).sum().backward()
    optimizer.step()
    args = argparse.Namespace(
        model="tf_efficientnet_lite0",
        lr=0.1,
        mean=(0.5, 0.5, 0.5),
        data_dir=pathlib.Path("/data"),
        device=torch.device("cpu"),
        amp_dtype=torch.float16,
        opt_kwargs={},
        best=np.float64(0.75),
    )
    return network, optimizer, args


def assert_read(path, network, **options):
    found = read_checkpoint(path, variant=LITE0, **options)
    state = {key: np.asarray(value.float()) for key, value in network.state_dict().items()}
    table = foreign_names(make_plan(LITE0, classes=5), "timm")
    assert found.parameters.keys() == table.keys()
    for name, foreign in table.items():
        array = state[foreign.name]
        assert np.array_equal(
            found.parameters[name], array.transpose(foreign.axes) if foreign.axes else array
        ), name
    return found


def test_what_timms_own_saver_writes_is_read(trained, tmp_path):
    from timm.utils import CheckpointSaver, ModelEmaV3

    network, optimizer, args = trained
    averages = ModelEmaV3(network)
    with torch.no_grad():
        for tensor in averages.module.parameters():
            tensor.mul_(1.5)
    saver = CheckpointSaver(
        network, optimizer, args=args, model_ema=averages, checkpoint_dir=tmp_path, recovery_dir=tmp_path
    )
    saver.save_checkpoint(0, metric=np.float64(0.5))
    path = tmp_path / "last.pth.tar"

    found = assert_read(path, averages.module)
    assert_read(path, network, ema=False)

    assert found.notes == ("state_dict_ema is read, not state_dict",)


@pytest.mark.parametrize(
    "options",
    [{}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 4}, {"pickle_protocol": 5}]
    + [{"_use_new_zipfile_serialization": False, "pickle_protocol": protocol} for protocol in (3, 4, 5)],
    ids=str,
)
def test_whatever_lies_beside_the_weights_is_passed_over(trained, tmp_path, options):
    network, optimizer, args = trained
    beside = {
        "args": args,
        "optimizer": optimizer.state_dict(),
        "scheduler": torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 2]).state_dict(),
        "scalar": np.float32(3),
        "array": np.arange(3.0),
        "size": torch.Size([1, 2]),
        "set": {1, 2},
        "frozen": frozenset([3]),
        "default": collections.defaultdict(list, a=[1]),
        "random": torch.get_rng_state(),
        "numpy_random": np.random.get_state(),
        "complex": 1 + 2j,
        "bytes": b"a" * 300,
        "path": pathlib.Path("x"),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "mask": torch.ones(3, dtype=torch.bool),
        "spectrum": torch.ones(3, dtype=torch.complex64),
        "by_tuple": {(1, 2): 3, None: 4, 0.5: 5},
    }
    torch.save({"model_state_dict": network.state_dict()} | beside, tmp_path / "w.pth", **options)

    assert_read(tmp_path / "w.pth", network)


def test_the_wrappers_of_torch_are_taken_off(trained, tmp_path):
    network, _, _ = trained
    averaged = torch.optim.swa_utils.AveragedModel(network)

    class Lit(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = network
            self.criterion = torch.nn.CrossEntropyLoss(weight=torch.ones(5))

    for name, wrapped in {
        "parallel": torch.nn.DataParallel(network),
        "compiled": torch.compile(network),
        "averaged": averaged,
        "module": Lit(),
        "both": torch.nn.DataParallel(Lit()),
    }.items():
        torch.save({"state_dict": wrapped.state_dict()}, tmp_path / f"{name}.pth")
        assert_read(tmp_path / f"{name}.pth", averaged.module if name == "averaged" else network)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_other_floats_become_float32(trained, tmp_path, dtype):
    network, _, _ = trained
    state = {
        key: value.to(getattr(torch, dtype)) for key, value in network.state_dict().items() if value.ndim
    }
    torch.save(state, tmp_path / "w.pth")

    found = read_checkpoint(tmp_path / "w.pth")

    kernel = found.parameters["stem/conv/kernel"].transpose(3, 2, 0, 1)
    assert np.array_equal(kernel, np.asarray(state["conv_stem.weight"].float()))


def test_numbers_that_float32_does_not_hold_and_types_that_are_no_weights_are_refused_by_name(
    trained, tmp_path
):
    network, _, _ = trained
    state = network.state_dict()
    wrong = {
        r"NaN or infinite": state["conv_stem.weight"].double() * 1e300,
        r"conv_stem\.weight \(object 'numpy\._core\.multiarray _reconstruct'\)": np.ones((32, 3, 3, 3)),
        r"no float: conv_stem\.weight": state["conv_stem.weight"].long(),
        r"conv_stem\.weight \(object 'torch\._utils _rebuild_tensor_v3'\)": state["conv_stem.weight"].to(
            torch.float8_e4m3fn
        ),
    }
    for message, value in wrong.items():
        torch.save(state | {"conv_stem.weight": value}, tmp_path / "w.pth")
        with pytest.raises(CheckpointError, match=message):
            read_checkpoint(tmp_path / "w.pth")


def test_whole_models_and_programs_are_refused_for_what_they_are(trained, tmp_path):
    network, _, _ = trained
    torch.save(network, tmp_path / "whole.pth")
    torch.save({"model": network, "epoch": 3}, tmp_path / "within.pth")
    traced = torch.jit.trace(network.eval(), torch.randn(1, 3, 64, 64))
    traced.save(tmp_path / "program.pt")

    for name, message in {
        "whole.pth": r"the file holds a whole object, 'timm\.models\.efficientnet EfficientNet'",
        "within.pth": r"the file's model is a whole object, 'timm\.models\.efficientnet EfficientNet'",
        "program.pt": "a TorchScript file, a program, which was not executed",
    }.items():
        with pytest.raises(CheckpointError, match=message):
            read_checkpoint(tmp_path / name)


def test_a_head_of_ones_own_is_read(trained, tmp_path):
    backbone = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    head = torch.nn.Linear(1280, 7)
    torch.save(torch.nn.Sequential(backbone, torch.nn.Dropout(), head).state_dict(), tmp_path / "w.pth")

    found = read_checkpoint(tmp_path / "w.pth")

    assert np.array_equal(found.parameters["head/dense/kernel"], head.weight.detach().numpy().T)
    assert np.array_equal(found.parameters["head/dense/bias"], head.bias.detach().numpy())
    assert found.notes == ("its dense layer 2 is the head, of 7 classes",)
