"""What the vectors of a photo depend on besides the network, as installed here: no two nodes may differ in it."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from efficientnet_lite.photos.views import PIXELS_VERSION
from efficientnet_lite.version import __version__

OURS, MISSING = "efficientnet-lite", "not there"
_DECODERS = ("numpy", "pillow", "simplejpeg", "pillow-heif")

Versions = Mapping[str, str]


def versions_here(runtime: str) -> Versions:
    """Of this package, its pixels, `runtime` ("ai-edge-litert 2.1.0") and what decodes; MISSING where one is not."""
    name = runtime.partition(" ")[0]
    found = {OURS: __version__, "its pixels": str(PIXELS_VERSION)}
    return found | {each: _installed(each) for each in (name, *_DECODERS)}


def told_differences(here: Versions, there: Versions) -> str:
    """In which way `there` differs, a few words each; empty where it does not."""
    names = [name for name in {**here, **there} if here.get(name) != there.get(name)]
    return ", ".join(
        f"{name} {there.get(name, MISSING)} rather than {here.get(name, MISSING)}" for name in names
    )


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return MISSING
