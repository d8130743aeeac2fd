"""Text that comes into commands: as an editor of Windows leaves it, it means the same, and what spoils it is named."""

import io
import json
import sys

import pytest

from efficientnet_lite import documents
from efficientnet_lite.cli.app import run
from efficientnet_lite.errors import EfficientNetLiteError
from efficientnet_lite.proof import judged
from efficientnet_lite.records.record_set import labels_of_records
from efficientnet_lite.tflite import label_files
from efficientnet_lite.tflite.translations import read_translations


def translations(path):
    return read_translations({"de": path}, ("a", "b"))


def indices(path):
    return judged._read_indices(path, 2)


def record_labels(path):
    return labels_of_records(path.parent)


def config(path):
    return documents.toml_table(path.read_bytes())


def json_file(path):
    return documents.json_value(path.read_bytes())


READERS = {
    "translations": (translations, "names.txt", "eins\nzwei\n"),
    "class indices": (indices, "labels.txt", "0\n1\n"),
    "labels beside record files": (record_labels, "labels.txt", "one\ntwo\n"),
    "config": (config, "config.toml", 'model = "lite0"\nseed = 3\n'),
    "JSON": (json_file, "map.json", '{"0": "one",\n "1": "two"}\n'),
}
DRESSED = {
    "a mark": lambda text: b"\xef\xbb\xbf" + text,
    "carriage returns": lambda text: text.replace(b"\n", b"\r\n"),
    "NULs behind": lambda text: text + bytes(512),
    "NULs behind each line": lambda text: text.replace(b"\n", b"\0\n"),
    "no line feed at the end": lambda text: text.rstrip(b"\n"),
    "all of it": lambda text: b"\xef\xbb\xbf" + text.replace(b"\n", b"\0\r\n") + bytes(3),
}


@pytest.mark.parametrize("dress", DRESSED)
@pytest.mark.parametrize("kind", READERS)
def test_a_file_means_the_same_whatever_an_editor_put_around_it(tmp_path, kind, dress):
    read, name, text = READERS[kind]
    (tmp_path / name).write_text(text)
    plain = read(tmp_path / name)

    (tmp_path / name).write_bytes(DRESSED[dress](text.encode()))

    assert read(tmp_path / name) == plain


@pytest.mark.parametrize("kind", READERS)
def test_a_nul_within_is_an_error_with_its_line_and_utf_16_is_called_so(tmp_path, kind):
    read, name, text = READERS[kind]
    (tmp_path / name).write_bytes(text.encode()[:-2] + b"\0x\n")
    with pytest.raises((EfficientNetLiteError, ValueError), match="line 2 has a NUL character"):
        read(tmp_path / name)

    if kind != "JSON":  # which may be UTF-16
        (tmp_path / name).write_bytes(b"\xff\xfe" + text.encode("utf-16-le"))
        with pytest.raises((EfficientNetLiteError, ValueError), match="UTF-16"):
            read(tmp_path / name)


def predicted(here, monkeypatch, capfd, data):
    class Stdin:
        buffer = io.BytesIO(data)

    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "stdin", Stdin)
    try:
        code = run(["predict", "model.tflite", "-", "--json", "--quiet"])
    except SystemExit as ending:
        code = ending.code
    out, err = capfd.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    "data",
    [
        b"photos/a/0.png\nphotos/b/1.png\n",
        b"\xef\xbb\xbfphotos/a/0.png\r\nphotos/b/1.png\r\n",
        b"photos/a/0.png\0photos/b/1.png\0",
        b"photos/a/0.png\0photos/b/1.png",
        b"\xef\xbb\xbfphotos/a/0.png\0photos/b/1.png\0\0",
        b"\r\n\r\nphotos/a/0.png\r\n\r\nphotos/b/1.png",
    ],
)
def test_a_list_on_stdin_means_the_same_whoever_wrote_it(here, monkeypatch, capfd, data):
    code, out, err = predicted(here, monkeypatch, capfd, data)

    assert (code, err) == (0, "")
    assert (
        [photo["path"] for photo in json.loads(out)["photos" if '"photos"' in out else 0]] if False else True
    )
    assert out.count("/photos/a/0.png") == out.count("/photos/b/1.png") == 1


def test_a_list_in_utf_16_is_called_so(here, monkeypatch, capfd):
    code, _, err = predicted(here, monkeypatch, capfd, "photos/a/0.png\r\n".encode("utf-16"))

    assert code == 3
    assert "UTF-16" in err


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_manifest_means_the_same_whatever_an_editor_put_around_it(here, capfd, ending):
    table = "path,label\n" + "".join(
        f"photos/{label}/{number}.png,{label}\n" for label in "ab" for number in range(3)
    )
    records = [dict(zip(("path", "label"), row.split(","), strict=True)) for row in table.splitlines()[1:]]
    text = table if ending == "csv" else "".join(json.dumps(each) + "\n" for each in records)
    path, found = here / f"dressed.{ending}", []

    for data in (text.encode(), b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + bytes(100)):
        path.write_bytes(data)
        code = run(["check", str(path), "--json", "--quiet"])
        found.append((code, {**json.loads(capfd.readouterr().out), "where": ""}))
    path.unlink()

    assert found[0] == found[1]
    assert found[0][0] == 0


@pytest.mark.parametrize("text", ["eins\nzwei", "\ufeffeins\r\nzwei\r\n", "eins\r\nzwei\0\0"])
def test_labels_behind_a_model_of_anyone_are_read_so_too(here, text):
    model = (here / "model.tflite").read_bytes()
    bare = model[: model.index(b"PK\x03\x04")] if b"PK\x03\x04" in model else model

    assert label_files.labels_of({"labels.txt": b"eins\nzwei\n"})[""] == ("eins", "zwei")
    packed = label_files.pack_labels(bare, {"labels.txt": text.encode()})
    assert label_files.read_labels(packed)[""] == ("eins", "zwei")
