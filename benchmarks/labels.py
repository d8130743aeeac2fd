"""Wrong labels: how many of some that were broken on purpose stand among the first, by which kind of evidence."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.inputs import Inputs
from benchmarks.table import Table
from benchmarks.timing import finished
from efficientnet_lite.arrays import Array, ClassIndices
from efficientnet_lite.classifier.head import cross_validated
from efficientnet_lite.features.feature_store import FeatureStore
from efficientnet_lite.neighbors import doubtful_labels as ours
from efficientnet_lite.neighbors.vectors import lengths_of
from efficientnet_lite.photos.dataset import open_dataset
from efficientnet_lite.photos.partition import divide
from efficientnet_lite.run.source import open_backbone
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.storage.cache import Cache

MODEL, VIEW = "lite1", "crop"  # those of `check`
DRAWS = 5
BROKEN = 40
FIRST = (40, 80, 120)
COUNTS = (5, 10, 20)  # of nearest photos


@dataclass(frozen=True, slots=True)
class Judged:
    """A data set as vectors."""

    vectors: Array  # (N, 1280), of length one
    truth: ClassIndices
    groups: npt.NDArray[np.intp]
    classes: tuple[str, ...]

    def probabilities(self, truth: ClassIndices) -> Array:
        """Of heads that have not learned from the photo, (N, C)."""
        return cross_validated(
            self.vectors * np.float32(ours.LENGTH),
            truth,
            ours.folds_of(truth, self.groups),
            classes=len(self.classes),
        )

    def votes(self, truth: ClassIndices, count: int) -> Array:
        """Of the `count` nearest, (N, C)."""
        asked = ours.asked_of(self.groups)
        return ours.votes_of(self.vectors, truth, self.groups, asked, len(self.classes), count)

    def evidence(self, truth: ClassIndices) -> dict[str, Array]:
        """Kind -> what speaks for each class, (N, C)."""
        said = self.probabilities(truth)
        votes = {count: self.votes(truth, count) for count in COUNTS}
        return {
            **{f"the {count} nearest": ours.shares(each) for count, each in votes.items()},
            "probabilities": said,
            "probabilities, less of the size of a class": ours.fair(said, truth),
            **{f"both, {count} nearest": ours.spoken_for(each, said, truth) for count, each in votes.items()},
        }

    def rank_all(self, truth: ClassIndices) -> None:
        """What `check` does once it has the vectors."""
        labels = [self.classes[each] for each in truth.tolist()]
        ours.doubtful_labels(self.vectors, labels, labels, self.groups, model=MODEL)


def opened(folder: Path) -> Judged:
    """The photos of a data set by `MODEL`, through the cache."""
    dataset = open_dataset(folder)
    with Cache() as cache:
        features = FeatureStore(open_backbone(MODEL), dataset.rows, cache, cores())
        features.fill([VIEW])
        photos = divide(dataset, features.survey, fraction=0.2, seed=0)
        positions = features.survey.looks.positions
        vectors = features.matrix(positions, VIEW)
    vectors /= lengths_of(vectors)[:, None]
    return Judged(vectors, photos.truth(positions), photos.assignment.groups[positions], dataset.labels)


def break_labels(
    truth: ClassIndices, classes: int, taken_for: Array | None, *, seed: int
) -> tuple[ClassIndices, set[int]]:
    """The labels with `BROKEN` of them changed: to any other class, or to the likeliest other one of `taken_for`."""
    chance = np.random.default_rng(seed)
    chosen = chance.choice(len(truth), BROKEN, replace=False)
    changed = truth.copy()
    if taken_for is None:
        changed[chosen] = (truth[chosen] + chance.integers(1, classes, BROKEN)) % classes
    else:
        others = taken_for[chosen]
        others[np.arange(BROKEN), truth[chosen]] = -1
        changed[chosen] = others.argmax(axis=1)
    return changed, {*chosen.tolist()}


def broken(inputs: Inputs) -> Table:
    """Of 40 labels broken on purpose, those among the first 40, 80 and 120; five draws, two ways to break them."""
    photos = opened(inputs.photos)
    ways = {"any class": None, "class it is taken for": photos.probabilities(photos.truth)}
    rows: dict[str, list[str]] = {}
    seconds: list[float] = []
    for taken_for in ways.values():
        draws = [
            break_labels(photos.truth, len(photos.classes), taken_for, seed=seed) for seed in range(DRAWS)
        ]
        orders: dict[str, list[list[int]]] = {}
        for truth, _ in draws:
            for kind, speaks in photos.evidence(truth).items():
                doubt = ours.rank(speaks, truth)[1]
                orders.setdefault(kind, []).append(np.argsort(-doubt, kind="stable").tolist())
            start = time.perf_counter()
            photos.rank_all(truth)
            seconds.append(time.perf_counter() - start)
        if inputs.peers_given:
            labels = [truth for truth, _ in draws]
            orders |= by_cleanlab(inputs.peers, labels, [photos.probabilities(truth) for truth in labels])
        for kind, each in orders.items():
            hits = [
                [len(wrong & {*order[:count]}) for count in FIRST]
                for order, (_, wrong) in zip(each, draws, strict=True)
            ]
            rows.setdefault(kind, []).extend(f"{mean:.1f}" for mean in np.mean(hits, axis=0))
    columns = [
        f"{way}: first {FIRST[0]}" if count == FIRST[0] else f"{count}" for way in ways for count in FIRST
    ]
    note = (
        f"{len(photos.truth):,} photos, {MODEL}; {BROKEN} labels are changed to any other class, or to the class "
        f"that the photo is most easily taken for; means of {DRAWS} draws. `check` ranks by both, "
        f"{ours.NEAREST} nearest. Photos whose labels were wrong before take places too. With vectors at hand the "
        f"ranking takes {min(seconds):.1f} s, the least of {len(seconds)}, on {cores()} cores."
    )
    title = "Wrong labels: found of 40 broken on purpose"
    return Table(title, ["by", *columns], [[kind, *means] for kind, means in rows.items()], note)


def by_cleanlab(python: Path, labels: list[ClassIndices], said: list[Array]) -> dict[str, list[list[int]]]:
    """Its methods -> for each draw the photos in its order, by probabilities of ours."""
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder, "given.npz"), Path(folder, "out.npz")
        np.savez(given, labels=np.stack(labels), said=np.stack(said))
        finished([str(python), "-m", "benchmarks.peers.labels", str(given), str(out)])
        with np.load(out) as found:
            return {f"cleanlab, `{method}`": found[method].tolist() for method in found.files}
