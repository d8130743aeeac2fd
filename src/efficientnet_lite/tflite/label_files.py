"""The label files behind a `.tflite`: a ZIP appended to the flatbuffer, where MediaPipe looks for them.

Source: "Adding metadata to LiteRT models" (associated files).
"""

import io
import re
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from efficientnet_lite.labels import fault
from efficientnet_lite.plaintext import plain_text
from efficientnet_lite.tflite.metadata import read_text, unusable
from efficientnet_lite.zipped import FAULTS, check_entry

LABELS = "labels.txt"
MAX_FILES, MAX_DIRECTORY_BYTES, MAX_FILE_BYTES = 256, 1 << 20, 8 << 20

_LOCALE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


def label_files(
    labels: Sequence[str], translations: Mapping[str, Sequence[str]] | None = None
) -> dict[str, bytes]:
    """The files for `pack_labels`: `labels.txt`, and `labels_<locale>.txt` for each translation.

    Args:
        labels: in the order of the outputs.
        translations: locale ("de", "pt-BR") -> the same names in that language, in the same order.

    Raises:
        ValueError: a name that cannot be a label, a translation of another length, no such locale form.
    """
    files = {LABELS: labels}
    for locale, names in (translations or {}).items():
        if not _LOCALE.fullmatch(locale) or len(names) != len(labels):
            raise ValueError(f"translation {locale!r} has {len(names)} names for {len(labels)} labels")
        files[f"labels_{locale}.txt"] = names
    for name in (name for names in files.values() for name in names):
        if reason := fault(name):
            raise ValueError(f"{name!r} cannot be a label: {reason}")
    return {file: ("\n".join(names) + "\n").encode() for file, names in files.items()}


def labels_of(files: Mapping[str, bytes]) -> dict[str, tuple[str, ...]]:
    """What `label_files` made such files of: locale -> names, "" for the default; other files are skipped.

    For formats whose metadata does not say which files are labels.
    """
    return {
        match[1] or "": tuple(data.decode(errors="replace").removesuffix("\n").split("\n"))
        for name, data in files.items()
        if (match := re.fullmatch(rf"labels(?:_({_LOCALE.pattern}))?\.txt", name))
    }


def pack_labels(model: bytes, files: Mapping[str, bytes]) -> bytes:
    """`model` with `files` as a ZIP behind it; equal arguments give equal bytes.

    Stored, not compressed, since MediaPipe maps them; the first local header is on a 4-byte boundary.
    This comes last: whoever repacks the flatbuffer loses what is behind it.

    Raises:
        ValueError: `model` has a ZIP already; a second one would hide the first.
    """
    stream = io.BytesIO(model)
    if zipfile.is_zipfile(stream):
        raise ValueError("the model has files behind it already")
    stream.seek(0, io.SEEK_END)
    stream.write(bytes(-len(model) % 4))
    with zipfile.ZipFile(stream, "a") as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix wherever it is written, so that the bytes are the same
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    return stream.getvalue()


def read_labels(model: bytes, *, where: Path | str = "the model") -> dict[str, tuple[str, ...]] | None:
    """Class names in the order of the outputs, by locale, "" for the default; None where there are none.

    Which files are labels is told by the metadata; without metadata it is `labels.txt`.

    Raises:
        ArtifactError: the model, its metadata, its ZIP or a label file is damaged or too large.
    """
    text = read_text(model, where=where)
    named = [file for tensor in text.outputs for file in tensor.label_files] if text else []
    files = read_files(model, where=where, names={name for _, name in named} | {LABELS})
    if not named and LABELS in files:
        named = [("", LABELS)]
    labels: dict[str, tuple[str, ...]] = {}
    for locale, name in named:
        if name not in files:
            raise unusable(f"its metadata name {name!r}, which is not behind it", where)
        try:
            lines = plain_text(files[name]).removesuffix("\n").split("\n")
        except ValueError as error:
            raise unusable(f"its {name!r} is no list of names: {error}", where) from error
        labels.setdefault(locale, tuple(lines))
    return labels or None


def read_files(
    model: bytes, *, where: Path | str = "the model", names: set[str] | None = None
) -> dict[str, bytes]:
    """The files behind a model, name -> content; only those of `names` where given.

    Nothing is written anywhere, so a name may look like any path. Bounded: `MAX_FILES` files of
    `MAX_FILE_BYTES` together, whatever they claim to be.

    Raises:
        ArtifactError: a ZIP that is damaged, encrypted, too large, or has two files of one name.
    """
    if not _has_directory(model, where):
        return {}
    files: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            infos = archive.infolist()
            listed = [info.filename for info in infos]
            if len(infos) > MAX_FILES or len(set(listed)) != len(listed):
                raise unusable(f"it has {len(infos)} files behind it, some of one name or too many", where)
            left = MAX_FILE_BYTES
            for info in infos:
                if names is not None and info.filename not in names:
                    continue
                check_entry(info)
                with archive.open(info) as file:
                    data = file.read(left + 1)
                left -= len(data)
                if left < 0:
                    raise unusable(f"the files behind it are larger than {MAX_FILE_BYTES:,} bytes", where)
                files[info.filename] = data
    except FAULTS as error:
        raise unusable(f"the files behind it cannot be read: {error}", where) from error
    return files


def _has_directory(model: bytes, where: Path | str) -> bool:
    """Whether a ZIP ends here; refuses one whose directory would fill the memory.

    `zipfile` reads the whole directory, however long, before anyone can count.
    """
    end = model.rfind(b"PK\5\6", max(0, len(model) - (22 + 0xFFFF)))
    if end < 0 or len(model) - end < 22:
        return False
    size, _, comment = struct.unpack_from("<IIH", model, end + 12)
    if end + 22 + comment != len(model):
        return False  # these four bytes are data
    if model[max(0, end - 20) :].startswith(b"PK\6\7"):  # its own sizes would count instead
        raise unusable("the files behind it are a ZIP64, for which no model has a use", where)
    if size > MAX_DIRECTORY_BYTES:
        raise unusable(f"the list of the files behind it has {size:,} bytes", where)
    return True
