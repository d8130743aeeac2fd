#!/usr/bin/env python3
"""Write docs/commands.md from what every command says of itself.

    python scripts/make_commands_page.py [--check]

With --check nothing is written, and the exit code is 1 where the page is out of date.
"""

import contextlib
import io
import os
import sys
from pathlib import Path

os.environ |= {"COLUMNS": "110", "NO_COLOR": "1", "TERM": "dumb"}

from efficientnet_lite.cli.app import COMMANDS
from efficientnet_lite.cli.app import main as run

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
HEAD = """# Commands

Made by `scripts/make_commands_page.py` from the commands' own help.

Results go to stdout, everything else to stderr. `--json` prints one document instead of tables; paths in it are absolute,
fractions 0 to 1, and what is no UTF-8 in a path is backslash-escaped. A MODEL is a `.tflite` file, a run folder, or a name
such as `lite1` or `lite4@300`, with `--weights` for a checkpoint of one's own.

| exit code | |
|---|---|
| 0 | done |
| 1 | unexpected, with a traceback: please report it |
| 2 | wrong usage: unknown option or model, target exists |
| 3 | unusable input: no photos, a data set that cannot be learned from, a disk that is full |
| 4 | an artifact or checkpoint is damaged, of another variant, or not to be had |
| 5 | a file loses more against the one that it was made from than is allowed; nothing was published. With `verify --strict` also what is not refuted; with `info --target` a file that does not map whole, or is too large; with `doctor` a library of the base install that is missing, of another version or broken |
| 130 | interrupted |

JSON keys that scripts may rely on:

| command | document |
|---|---|
| `train` | `run`, `metrics`, `exports`: a list of `path`, `precision`, `bytes`, `top1`, `agreement`, `latency_ms`, `as`: for each view, `mediapipe` among them, `top1` and `agreement` (of float32 with its network; null where that was not asked); `verification` with `verdict`; `data` with `lost`: photos that went while the run was made, each `path`, `split`, `reason`; in `metrics` `photos` of the split and `judged`, those behind the figures; `found`, `used`, `skipped` |
| `check` | `classes`, `found`, `used`, `skipped`, `skipped_photos`: a list of name and reason; `problem`: why training would refuse it |
| `evaluate` | `top1`, `top5`, `count`, `as`, `trained_on` (of a run: how many of these photos it was trained on), `found`, `used`, `skipped`, `absent_classes` (of the model, without a photo), `unjudged_classes` (no photo of them could be used), `unknown_classes` (not of the model: how many photos, skipped), `classes` with `label`, `precision`, `recall`, `f1`, `support`, of ImageNet's `synset`; a list of such where `--as` is given several times |
| `predict` | a list of `path` and `predictions`, each `label`, `index`, `probability` and of ImageNet's classes `synset`, the best first; a photo that cannot be used has `error` instead |
| `verify` | `verdict`: `verified`, `not refuted` or `failed`; `doubts`, `faults`, `notes`: lists of lines; `agreement`, `drop` (may be negative, null without labels), `snr_db`, `passed` (not failed), `comparisons`: one for each view, with `count` |
| `report` | `path`, `bytes`, `mistakes` (photos shown, null where they are gone), `notes`, `written` (false: the page was there and stays) |
| `export` | `path`, `precision`, `outputs`, `bytes`, `sha256`; of one for an Ethos-U `compiled`: `path`, `bytes`, `sha256`, `report` as of `info --target`; of a smaller precision `reduction`: `snr_db` of its logits, or of what else it gives, from float32; with photos also `verdict`, `doubts`, `agreement`, `snr_db`, `count`, `skipped`: a list of path and reason |
| `hub-cache` | `dir`, `modules`: a list of `address` and what `export` has; with `--remove` `dir`, `removed`, `kept`: lists of addresses |
| `shards` | `folder`, `format`, `classes`, `seed`, `parts`: for `train` and `validation` each `files`, `photos`, `bytes`, `encoded_again`, `turned`; `found`, `used`, `skipped`, `digest` |
| `info --target` | `verdict`: `ready`, `conditional` (only with an option of the delegate), `not ready` (exit code 5) or `not known` (no obstacle, and no rule says more); `ready`, `mapped`, `operators`, `obstacle`; of an Ethos-U `ready`, `mapped`, `operators`, `fastest` and `smallest` (`sram_bytes`, `dram_bytes`, `cycles`, `milliseconds`), `compiled_bytes`, `too_large_by` and `largest_size`, `system`, `memory_mode`, `clock_hz`; of `tflm` `arena_bytes`, `activation_bytes`, `persistent_bytes`, `scratch_bytes` (what kernels of CMSIS-NN may ask beside), `model_bytes`, `resolver`, `inputs`, `gaps`: a list of `output`, `codes` (null: no integers) and `reals` from LiteRT, `within` (false: exit code 5), `notes` |
| `info` | of a file `labels` (how many in each language, "" the usual one) and `names` (all of them), `operators`, `inputs`, `outputs`; of a model or checkpoint `labels`; of a run `card` and `boards`: a list of `board`, `way` (`too large` where it does not fit), `flash_short`, `ram_short`, `size` |
| `doctor` | `version`, `python`, `system`, `processor` with `name`, `instructions` (null: not known) and `absent`; `cores`, `memory` and `cache` (null: not known, or no limit); `int8` with `is_faster`, `known_by` (`measured`, `predicted` or null) and `measured` in ms; `libraries` and `extras`, each with its `state`; `variables`, `remarks`: a list of `what` and `fix`; `is_tried`: false with `--quick` |
| `embed` | `folder`, `count`, `found`, `used`, `skipped` |

Wherever they stand, `found` = `used` + `skipped`: what became of every photo and row of a manifest, see
[data](data.md). `skipped` is the number of rows of `skipped.csv`; `passed_over` counts what is plainly no photo, by kind.

**Verified**: the photos are enough to be sure that no more is lost than `--max-drop` and `--min-agreement` allow: every 95 %
interval lies on the good side. **Not refuted**: they are too few for that, and nothing shows that more is lost; it passes, except
with `--strict`. **Failed**: more is lost even by the favourable end of an interval. A figure that is worse than what is allowed
never reads verified. Other words: [glossary](glossary.md).

`snr_db` is the signal-to-noise ratio of the logits where both files give them, else of the probabilities.

## Completion

`--completion` prints what lets a shell complete commands, options, their choices and paths:

    efficientnet-lite --completion bash > ~/.local/share/bash-completion/completions/efficientnet-lite
    efficientnet-lite --completion zsh > ~/.zfunc/_efficientnet-lite    # a folder of $fpath
    efficientnet-lite --completion fish > ~/.config/fish/completions/efficientnet-lite.fish

For the running bash alone: `source <(efficientnet-lite --completion bash)`.

## On a terminal

Tables take the width that there is: headers break between words, then columns that can be spared are left out, which a line
below names, then rows become lines. A number, a word, a path and a command to copy never break. In a pipe a table is as wide
as it needs to be. `NO_COLOR` turns colors off, `FORCE_COLOR` on where there is no terminal, `COLUMNS` says another width.

## Environment

| variable | |
|---|---|
| `EFFICIENTNET_LITE_CACHE` | the folder of the cache: feature vectors, and digests of weights from a hub. Without it the system's own place for caches. Where the folder cannot be made or written to (a container without a home, a read-only disk), a temporary cache serves and one warning says so; one that another process holds is waited for |
| `EFFICIENTNET_LITE_OFFLINE` | any value but 0: the network is left alone |
| `HF_HUB_OFFLINE`, `HF_HOME`, `HF_ENDPOINT` | of huggingface_hub, for the weights of lite3 and lite4: no network; where its own cache lies; another server |
| `TFHUB_CACHE_DIR` | of tensorflow_hub: where `hub-cache` writes to |
| `EFFICIENTNET_LITE_COORDINATOR`, `_HOSTS`, `_HOST` | training on several hosts: [scale](scale.md) |
| `KERAS_BACKEND` | `tensorflow` or `jax`, for training |
"""


def help_of(command: str) -> str:
    """What `command --help` prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        run([*command.split(), "--help"])
    return "\n".join(line.rstrip() for line in out.getvalue().strip().splitlines())


def page() -> str:
    return HEAD + "".join(f"\n## {each.name}\n\n```text\n{help_of(each.name)}\n```\n" for each in COMMANDS)


def main() -> None:
    if "--check" in sys.argv:
        sys.exit(
            0 if PAGE.read_text(encoding="utf-8") == page() else f"{PAGE} is out of date: run this script"
        )
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
