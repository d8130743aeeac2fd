"""The reference's command line, flag for flag: `python export_model.py --model_name=efficientnet-lite0 ...`.

Flags are spelled as absl takes them: `--flag=value`, `--flag value`, with one dash or two; a boolean also
`--flag` and `--noflag`. Unlike absl, `--quantize False` means what it says.

Source: tensorflow/tpu, models/official/efficientnet/export_model.py (flags and defaults); absl, flags.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import fields
from typing import NoReturn

from efficientnet_lite.cli.common import COMMAND_LINE
from efficientnet_lite.cli.console import Console, percent
from efficientnet_lite.cli.spellings import did_you_mean
from efficientnet_lite.commands.reference import NUM_STEPS, Flags, export_reference
from efficientnet_lite.errors import EXIT_INTERRUPTED, EXIT_OK, EfficientNetLiteError, UsageError
from efficientnet_lite.figures import noise
from efficientnet_lite.notices import listening

NAME = "export_model.py"
BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, where=COMMAND_LINE, fix=f"see python {NAME} --help")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Carry out one command line, that of the process where None is given, and exit with its code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line; gives the exit code."""
    console = Console(spell=_flag)
    try:
        flags = parse(arguments)
        with listening(console.warn):
            written = export_reference(flags, stage=console.progress)
        for exported in written:
            kind = (
                "Saved model" if exported.format == "savedmodel" else f"tflite model ({exported.precision})"
            )
            console.line(f"{kind} written to {exported.path}")
            console.note(f"largest difference from the network in numpy: {exported.parity.difference:.2g}")
            if exported.comparison is not None:
                found = exported.comparison
                console.note(
                    f"int8 against float32 on {found.count} photos: the same class on {percent(found.agreement)}, "
                    f"scores that differ by {noise(found.snr_db)}"
                )
    except EfficientNetLiteError as error:
        console.error(error)
        return error.exit_code
    except KeyboardInterrupt:
        console.warn("interrupted")
        return EXIT_INTERRUPTED
    return EXIT_OK


def _flag(name: str, value: str) -> str:
    """An argument as the reference spells it."""
    return f"--{name}={value}" if value else f"--{name}"


def parse(arguments: Sequence[str]) -> Flags:
    """The flags of a command line; raises UsageError for an unknown, missing or wrong one."""
    names = [field.name for field in fields(Flags)]
    known = [f"--{name}" for name in ("help", *names, *(f"no{name}" for name in names))]
    for word in arguments:
        flag = word.partition("=")[0]
        if re.match("--?[a-z]", flag) and f"--{flag.lstrip('-')}" not in known and flag != "-h":
            what = f"no such flag: {flag[:80]}{did_you_mean(flag, known[: 1 + len(names)])}"
            raise UsageError(what, where=COMMAND_LINE, fix=f"see python {NAME} --help")
    return Flags(**vars(parser().parse_args(arguments)))


def parser() -> argparse.ArgumentParser:
    """The flags of the reference; no abbreviations, since absl takes none."""
    made = _Parser(
        prog=f"python {NAME}",
        allow_abbrev=False,
        description="Export a checkpoint as .tflite (full-integer with uint8 input and output, or float) "
        "and as a SavedModel.",
    )

    def add(name: str, help: str, **options: object) -> None:
        made.add_argument(f"--{name}", f"-{name}", help=help, **options)  # type: ignore[arg-type]  # of argparse's own kinds

    add("model_name", "efficientnet-lite0 to efficientnet-lite4", required=True)
    add("ckpt_dir", "the checkpoint: its folder, its prefix, or a .tar.gz of the folder", required=True)
    add("output_tflite", "the .tflite file to write; an existing one is replaced")
    add("output_saved_model_dir", "the folder to write a SavedModel to; needs TensorFlow")
    add(
        "data_dir", "photos for calibration: validation-*-of-* of ImageNet as TFRecord, or a folder of photos"
    )
    _add_boolean(made, "quantize", True, "integers throughout; needs --data_dir")
    add("num_steps", f"at most so many steps of calibration ({NUM_STEPS})", type=int, default=NUM_STEPS)
    add("image_size", "side of the input in pixels; the variant's own (224, 240, 260, 280, 300)", type=int)
    add("batch_size", "photos in a step of calibration (1); the files take one image", type=int, default=1)
    add("endpoint_name", "an intermediate output in place of the softmax, such as reduction_4")
    _add_boolean(made, "enable_ema", True, "read the moving averages of the weights")
    return made


def _add_boolean(made: argparse.ArgumentParser, name: str, default: bool, help: str) -> None:
    made.add_argument(
        f"--{name}",
        f"-{name}",
        nargs="?",
        const=True,
        default=default,
        type=_boolean,
        help=f"{help} ({default})",
    )
    made.add_argument(
        f"--no{name}",
        f"-no{name}",
        dest=name,
        action="store_const",
        const=False,
        default=default,
        help="switch it off",
    )


def _boolean(text: str) -> bool:
    if text.lower() not in BOOLEANS:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return BOOLEANS[text.lower()]
