"""An int8 file that is made anew, and beside it the same file compiled for an NPU: both, or none where one fails."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from efficientnet_lite.artifacts import compiled
from efficientnet_lite.artifacts.exported import Exported
from efficientnet_lite.artifacts.kind import ArtifactKind, Making
from efficientnet_lite.artifacts.options import ExportOptions
from efficientnet_lite.artifacts.origin import OwnInt8
from efficientnet_lite.artifacts.publication import check_place, prepared
from efficientnet_lite.storage.targets import Apart


def check_compiled(options: ExportOptions, plain: Path, apart: Collection[Apart]) -> None:
    """Raises UsageError, before any work is done, where the compiled file of `plain` cannot be made or placed."""
    asked, place = _of_npu(options), _place(options, plain)
    compiled.check(asked, place)
    check_place(compiled.KIND, place, overwrite=options.overwrite, apart=apart)


def publish_with_compiled(kind: ArtifactKind, making: Making, apart: Collection[Apart]) -> Exported:
    """Write, prove and publish both; nothing is published where the first fails its proof or Vela refuses it."""
    options = making.options
    with prepared(kind, making, apart=apart) as plain:
        own = OwnInt8(plain.stage.content, plain.exported.sha256)
        other = replace(
            making,
            origin=replace(making.origin, int8=own),
            options=_of_npu(options),
            out=_place(options, making.out),
        )
        with prepared(compiled.KIND, other, apart=apart) as beside:
            exported, second = plain.publish(), beside.publish()
    return replace(exported, compiled=second.compiled, notes=(*exported.notes, *second.notes))


def _of_npu(options: ExportOptions) -> ExportOptions:
    return ExportOptions(target=options.target, sram=options.sram, overwrite=options.overwrite)


def _place(options: ExportOptions, plain: Path) -> Path:
    assert options.target is not None
    return compiled.compiled_name(plain, options.target)
