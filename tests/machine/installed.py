"""Records of installations and packages, written into a folder that comes first on the path."""

from pathlib import Path

from efficientnet_lite.version import __version__


def install(folder: Path, name: str, version: str, code: str | None = "", **headers: list[str]) -> None:
    """A distribution of one package, `code` being what runs when it is imported; None: the record alone."""
    module = name.replace("-", "_")
    record = folder / f"{module}-{version}.dist-info"
    record.mkdir(parents=True)
    lines = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}"]
    lines += [f"{key.replace('_', '-')}: {each}" for key, values in headers.items() for each in values]
    (record / "METADATA").write_text("\n".join(lines) + "\n")
    (record / "top_level.txt").write_text(f"{module}\n")
    if code is not None:
        (folder / module).mkdir(exist_ok=True)
        (folder / module / "__init__.py").write_text(code)


def install_ours(folder: Path, *asked: str, extras: tuple[str, ...] = (), version: str = __version__) -> None:
    """The record of this package, which asks for these."""
    install(
        folder, "efficientnet-lite", version, None, Requires_Dist=list(asked), Provides_Extra=list(extras)
    )
