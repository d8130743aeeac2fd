"""ImageNet's 1,000 classes, which the outputs of the published weights mean: index, synset, name.

The table lies beside this module and is read when it is first asked for. Two classes are called crane and two
maillot: classes are compared by index, and people see the synset too.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as package_files

from efficientnet_lite.arrays import Array
from efficientnet_lite.labels import ClassNames
from efficientnet_lite.network.plan import IMAGENET_CLASSES

TABLE = "imagenet_classes.tsv"
# SHA-256 of the published last layers, kernel then bias, whatever format they come in. Those of lite3 and lite4 are
# not known here: their files get their names by the name "imagenet" or "hub" alone.
PUBLISHED_HEADS = {
    "962cca0711ebda8b114285e173facfd3ec829c0c3156c08da3b250d3dc0d1b7f": "lite0",
    "594d34b87900dcf2833bfe1db653b89b14cb800a217bcaab6b3b2af0f4873d29": "lite0",  # the raw ones of its checkpoint
    "4d0a0e44b0bebb826517ec362d299f25d092c383c35feeee43370eb4dcf907e0": "lite1",
    "a610f1d63fadab30efc6b454031bbbe24003568bfd983dd53d3b28f627c219c2": "lite2",
}


@dataclass(frozen=True, slots=True)
class ImageNetClass:
    """One class."""

    index: int  # its place in the outputs, 0 to 999
    synset: str  # its id in WordNet 3.0, "n02510455"
    name: str  # WordNet's first lemma, "giant panda"
    label: str  # the name, with the synset behind it where another class has that name: no two are equal


@cache
def classes() -> tuple[ImageNetClass, ...]:
    """All of them, in the order of the outputs."""
    text = package_files(__package__).joinpath(TABLE).read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    often = Counter(name for _, name in rows)
    return tuple(
        ImageNetClass(index, synset, name, name if often[name] == 1 else f"{name} ({synset})")
        for index, (synset, name) in enumerate(rows)
    )


@cache
def labels() -> tuple[str, ...]:
    """The label of each class, in the order of the outputs."""
    return tuple(each.label for each in classes())


def synsets_of(names: Sequence[str] | None) -> tuple[str, ...] | None:
    """The synset of each class of a model whose labels are these; None where they are not ImageNet's.

    A stranger's file has the bare names, two pairs of them equal.
    """
    if names is None or len(names) != IMAGENET_CLASSES:
        return None
    if tuple(names) not in (labels(), tuple(each.name for each in classes())):
        return None
    return tuple(each.synset for each in classes())


def class_names(names: Sequence[str]) -> ClassNames:
    """The labels of a model as people write them: of ImageNet's classes the synset and the bare name serve too."""
    if synsets_of(names) is None:
        return ClassNames(names)
    return ClassNames(labels(), ((other, each.index) for each in classes() for other in _spellings(each)))


def _spellings(one: ImageNetClass) -> Iterator[str]:
    """How folders of ImageNet's photos are called, besides the label."""
    spelled = (one.synset, one.name, f"{one.name} ({one.synset})", f"{one.synset} {one.name}")
    yield from spelled
    yield from (text.replace(" ", "_") for text in spelled if " " in text)


def is_published_head(kernel: Array, bias: Array) -> bool:
    """Whether a last layer, (features, classes) and (classes,), is the published one of some variant."""
    if len(bias) != IMAGENET_CLASSES:
        return False
    digest = hashlib.sha256(kernel.tobytes())
    digest.update(bias.tobytes())
    return digest.hexdigest() in PUBLISHED_HEADS
