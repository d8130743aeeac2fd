"""Measure this machine, print the tables, and put them into docs/numbers.md.

    python -m benchmarks                                  list the benchmarks
    python -m benchmarks all --photos DIR --write FILE    run them; the sections of FILE are replaced one by one

Machines differ and are noisy: read the ratios first.
"""

import argparse
from pathlib import Path

from benchmarks import (
    calibration,
    chips,
    cluster,
    data,
    embedding,
    engines,
    int8_classifiers,
    int8_loss,
    job,
    kernels,
    labels,
    memory,
    near_copies,
    quality,
    recipe_memory,
    search,
    soak,
    speed,
    startup,
    stock,
    vector_types,
)
from benchmarks.inputs import Inputs
from benchmarks.page import put, section
from benchmarks.table import machine

BENCHMARKS = {
    "files": speed.files,
    "workers": speed.workers,
    "startup": startup.startup,
    "quality": quality.int8,
    "job": job.main_job,
    "memory": memory.features,
    "data-speed": data.speed,
    "vector-types": vector_types.cost,
    "labels": labels.broken,
    "embed-loader": embedding.loader,
    "embed-pace": embedding.steady_pace,
    "near-copies": near_copies.found_copies,
    "near-pace": near_copies.pace,
}
ON_REQUEST = {  # these need other people's files, the extra `train`, or many minutes
    "stock-speed": stock.speed,
    "stock-quality": stock.quality,
    "engines": engines.answers,
    "kernels": kernels.answers,
    "kernels-operators": kernels.operators,
    "int8-peers": int8_loss.peers,
    "int8-best": int8_loss.best,
    "int8-stages": int8_loss.stages,
    "int8-classifiers": int8_classifiers.agreement,
    "training-memory": memory.training,
    "recipe-memory": recipe_memory.recipe,
    "soak": soak.soak,
    "calibration": calibration.losses,
    "chips": chips.which_carries_which,
    "boards": chips.boards,
    "search-scan": search.scan,
    "search-folders": search.folders,
    "embed-cluster": cluster.beside_local,
    "embed-taken-in": cluster.taken_in,
    "embed-peers": embedding.against_peers,
    "data-memory": data.memory,
    "data-waiting": data.waiting,
}


def main() -> None:
    every = BENCHMARKS | ON_REQUEST
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", choices=["all", *every, []], help=f"which; all: {', '.join(BENCHMARKS)}"
    )
    parser.add_argument("--photos", type=Path, metavar="DIR", help="a data set, as `train` takes it")
    parser.add_argument("--web-photos", type=Path, metavar="DIR", help="photos as they come from the web")
    parser.add_argument("--stock", type=Path, metavar="DIR", help="what benchmarks.peers.stock_files wrote")
    parser.add_argument("--write", type=Path, metavar="FILE", help="the page whose sections are replaced")
    parser.add_argument(
        "--peers", type=Path, metavar="PYTHON", help="of an environment with other people's packages"
    )
    parser.add_argument("--runs", type=Path, metavar="DIR", help="where trained runs are kept")
    parser.add_argument("--judge", type=Path, metavar="FILE", help="judge_int8.py")
    arguments = parser.parse_args()
    if not arguments.names:
        for name, benchmark in every.items():
            print(f"{name:16} {(benchmark.__doc__ or '').splitlines()[0]}")
        return
    given = {"--photos": arguments.photos, "--web-photos": arguments.web_photos, "--stock": arguments.stock}
    options = "".join(f" {option} DIR" for option, folder in given.items() if folder is not None)
    options += " --peers PYTHON" * (arguments.peers is not None) + " --judge FILE" * (
        arguments.judge is not None
    )
    options += " --runs DIR" * (arguments.runs is not None)
    inputs = Inputs(
        arguments.photos,
        arguments.web_photos,
        arguments.stock,
        arguments.peers,
        arguments.judge,
        arguments.runs,
    )
    for name in BENCHMARKS if "all" in arguments.names else arguments.names:
        table = every[name](inputs)
        print(f"\n{table.title}\n{machine()}\n\n{table.markdown()}", flush=True)
        if arguments.write:
            put(arguments.write, section(name, f"python -m benchmarks {name}{options}", table))


if __name__ == "__main__":
    main()
