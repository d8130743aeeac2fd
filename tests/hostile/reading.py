"""A process that reads hostile files, one after the other, under a limit of memory; see test_every_reader.

Standard input: lines `reader<TAB>path`. Standard output: for each a line of JSON with the reader, the file's name,
the seconds that it took, and what came of it: "read", the name of our error, or that of another exception.
"""

import hashlib
import json
import os
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path

from efficientnet_lite.artifacts.compiled import check_report
from efficientnet_lite.artifacts.taken import take
from efficientnet_lite.errors import EfficientNetLiteError, UnusableInput
from efficientnet_lite.features.sources import photo_list
from efficientnet_lite.features.sources.photo_list import list_sources
from efficientnet_lite.features.vector_folder import growing
from efficientnet_lite.neighbors.vectors import StoredVectors
from efficientnet_lite.photos.dataset import open_dataset
from efficientnet_lite.proof.golden import read_golden
from efficientnet_lite.quantize.clinic.integer_file import read_integers
from efficientnet_lite.records import riegeli, tfrecord
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.config_file import read_config
from efficientnet_lite.runtimes.labels_map import read_labels_map
from efficientnet_lite.tflite.identity import Identity
from efficientnet_lite.tflite.label_files import read_files, read_labels
from efficientnet_lite.training import saved_states
from efficientnet_lite.weights.read import read_checkpoint

MEMORY = 2**30


def labels(path):
    data = path.read_bytes()
    read_files(data)  # before what is in front of them is judged
    with suppress(EfficientNetLiteError):
        read_labels(data)


def parts(path):
    with growing(path.parent):
        pass


def vector_part(path):
    """A part whose folder says that it is as it was written."""
    data = path.read_bytes()
    words = ("model", "model_sha256", "runtime", "package", "list_sha256")
    made = dict.fromkeys(words, "x") | {"layout": "parts", "dtype": "float32", "contract": {}, "columns": {}}
    made |= {"pixels": 1, "size": 8, "part_rows": 1000, "rows": 3}
    written = {path.name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}}
    document = {"made_by": "efficientnet-lite 0", "complete": True, "skipped": 0, "provenance": made}
    (path.parent / "_dataset.json").write_text(json.dumps(document | {"written": written}))
    opened = StoredVectors(path.parent)
    try:
        assert opened.matrix().shape == (3, 8)
    finally:
        assert all(isinstance(row.path, str) for row in opened.rows)


def chunks(path):
    data = path.read_bytes()
    if reason := riegeli.fault(lambda position, count: data[position : position + count], len(data)):
        raise UnusableInput(reason, where=path, fix="")


def listed(path):
    with list_sources(str(path)) as photos:
        for entry in photos.entries():
            photos.read(entry)


READERS = {
    "checkpoint": read_checkpoint,
    "array record": chunks,
    "card": lambda path: run_folder.open_run(path.parent),
    "config": read_config,
    "golden": lambda path: read_golden(path, ["images"]),
    "integers": lambda path: read_integers(path.read_bytes(), where=path),
    "identity": lambda path: Identity.from_bytes(path.read_bytes(), where=path),
    "labels": labels,
    "labels map": lambda path: read_labels_map(path, 1000),
    "listed manifest": listed,
    "listed parquet": listed,
    "listed records": listed,
    "listed tar": listed,
    "manifest": open_dataset,
    "npu report": lambda path: check_report(path.parent / "a.tflite", overwrite=True),
    "parts": parts,
    "state": lambda path: saved_states.newest(path.parent, warn=lambda line: None),
    "vector part": vector_part,
    "taken": lambda path: take(path.read_bytes(), where=path),
    "tfrecord": lambda path: list(tfrecord.read_examples(path)),
}


def main():
    photo_list.end_idle = lambda: (
        None
    )  # one child for all tables: starting one takes longer than most of them
    reserved = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (reserved + MEMORY, reserved + MEMORY))
    for line in sys.stdin.read().splitlines():
        reader, _, name = line.partition("\t")
        started = time.process_time()
        try:
            READERS[reader](Path(name))
            outcome = "read"
        except EfficientNetLiteError as error:
            outcome, _ = "refused", str(error)  # which prints whatever it quotes
        except BaseException as error:
            outcome = f"{type(error).__name__}: {str(error)[:200]}"
        row = {"reader": reader, "file": name, "seconds": time.process_time() - started, "outcome": outcome}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
