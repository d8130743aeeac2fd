"""Metadata entries and label files: what we write, and what strangers write at us."""

import io
import struct
import zipfile
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.tflite.identity import OWN_ENTRY, Identity, Int8Identity
from efficientnet_lite.tflite.label_files import MAX_FILES, label_files, pack_labels, read_files, read_labels
from efficientnet_lite.tflite.metadata import (
    build_metadata,
    parse_text,
    read_entries,
    read_normalization,
    read_text,
)

BARE = tiny.tiny(labels=False)
FULL = tiny.tiny()


def text(**changes):
    values = {
        "name": "n",
        "description": "d",
        "version": "1",
        "outputs": ["probabilities"],
        "input_range": "unit",
    }
    return build_metadata(Contract(tiny.SIZE), **{**values, **changes})


def zipped(*files, method=zipfile.ZIP_STORED):
    """`BARE` with a ZIP that Python's own writer made."""
    stream = io.BytesIO(BARE)
    with zipfile.ZipFile(stream, "a", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return stream.getvalue()


# --- what we write


def test_a_packed_model_gives_back_its_labels_in_every_language():
    assert read_labels(FULL) == {"": tiny.LABELS, "de": tiny.GERMAN}


def test_a_packed_model_begins_with_the_same_bytes():
    assert FULL.startswith(BARE)


def test_label_files_are_stored_without_compression_behind_a_four_byte_boundary():
    with zipfile.ZipFile(io.BytesIO(FULL)) as archive:
        infos = archive.infolist()

    assert [info.compress_type for info in infos] == [zipfile.ZIP_STORED] * 2
    assert infos[0].header_offset % 4 == 0
    assert FULL[infos[0].header_offset :].startswith(b"PK\3\4")


@given(st.integers(0, 7))
def test_a_model_of_any_length_gets_its_labels_on_the_boundary(surplus):
    packed = pack_labels(BARE + bytes(surplus), {"labels.txt": b"a\nb\n"})

    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.infolist()[0].header_offset % 4 == 0
        assert archive.read("labels.txt") == b"a\nb\n"


def test_packing_twice_gives_the_same_bytes():
    assert pack_labels(BARE, label_files(tiny.LABELS)) == pack_labels(BARE, label_files(tiny.LABELS))


def test_the_date_in_the_zip_is_not_that_of_the_run():
    with zipfile.ZipFile(io.BytesIO(FULL)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_second_zip_behind_a_model_is_refused():
    with pytest.raises(ValueError, match="already"):
        pack_labels(FULL, label_files(tiny.LABELS))


def test_a_float_file_says_that_it_takes_zero_to_one():
    assert read_normalization(tiny.tiny("float32")) == ((0.0,), (255.0,))


def test_an_int8_file_says_how_the_float_network_inside_normalizes():
    assert read_normalization(tiny.tiny("int8")) == ((127.0,), (128.0,))


def test_each_output_is_described_and_only_those_over_classes_have_labels():
    outputs = ["logits", "probabilities", "features"]

    described = parse_text(text(outputs=outputs, files=["labels.txt", "labels_pt-BR.txt"]), where="x").outputs

    named = (("", "labels.txt"), ("pt-BR", "labels_pt-BR.txt"))
    assert [(tensor.name, tensor.label_files) for tensor in described] == [
        ("logits", named),
        ("probabilities", named),
        ("features", ()),
    ]


@given(st.text(), st.text(), st.text())
def test_every_text_comes_back_as_it_was(name, description, license):
    names = [value.encode(errors="backslashreplace").decode() for value in (name, description, license)]

    read = parse_text(text(name=names[0], description=names[1], license=names[2]), where="x")

    assert [read.name, read.description, read.license] == names


def test_the_metadata_of_equal_models_are_equal_bytes():
    assert text() == text()


@pytest.mark.parametrize(
    ("labels", "translations", "reason"),
    [
        (["a", "b\nc"], None, "line break"),
        (["a", " b"], None, "white space"),
        (["a", "b"], {"de": ["x"]}, "1 names for 2 labels"),
        (["a", "b"], {"../de": ["x", "y"]}, "translation"),
        (["a", "b"], {"de": ["x", ""]}, "empty"),
    ],
)
def test_names_that_cannot_be_lines_of_a_label_file_are_refused(labels, translations, reason):
    with pytest.raises(ValueError, match=reason):
        label_files(labels, translations)


# --- the entry of our own


@given(
    st.builds(
        Identity,
        variant=st.text(),
        contract=st.builds(Contract, size=st.integers(1, 4096)),
        precision=st.text(),
        outputs=st.lists(st.text()).map(tuple),
        classes=st.none() | st.integers(1, 10**6),
        labels_sha256=st.none() | st.text(),
        weights_sha256=st.text(),
        package_version=st.text(),
        quantization=st.none()
        | st.builds(
            Int8Identity,
            effort=st.text(),
            method=st.text(),
            photos=st.integers(1, 10**6),
            calibration_sha256=st.text(),
            kept=st.lists(st.text()).map(tuple),
        ),
    )
)
def test_an_identity_comes_back_as_it_was(identity):
    assert Identity.from_bytes(identity.to_bytes(), where="x") == identity


def test_the_identity_is_an_entry_of_the_model():
    assert Identity.from_bytes(read_entries(FULL)[OWN_ENTRY], where="x") == tiny.IDENTITY


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        (b'"schema":1', b'"schema":2', "form"),
        (b'"classes":4', b'"classes":0', "'classes'"),
        (b'"classes":4', b'"classes":true', "'classes'"),
        (b'"variant":"lite0"', b'"variant":0', "'variant'"),
        (b'"outputs":["probabilities"]', b'"outputs":"probabilities"', "'outputs'"),
        (b'"size":32', b'"size":-1', "'size'"),
        (b"{", b"[", "JSON"),
        (b'{"classes":4', b'{"classes":' + b"[" * 100_000, "JSON"),
        (b'"kept":["stem/conv"]', b'"kept":"stem/conv"', "'quantization'"),
        (b'"kept":["stem/conv"]', b'"kept":[7]', "'quantization'"),
        (b'"photos":100', b'"photos":0', "'quantization'"),
    ],
)
def test_an_identity_that_cannot_be_is_refused_by_the_name_of_its_field(before, after, complaint):
    made = Int8Identity("standard", "2", 100, "3" * 64, kept=("stem/conv",))
    entry = replace(tiny.IDENTITY, quantization=made).to_bytes()
    assert before in entry

    with pytest.raises(ArtifactError, match=complaint):
        Identity.from_bytes(entry.replace(before, after, 1), where="x")


# --- what strangers write


def test_labels_of_a_file_without_metadata_are_those_called_labels_txt():
    plain = tiny.changed(BARE, lambda tree: setattr(tree, "metadata", None))

    packed = pack_labels(plain, {"labels.txt": b"a\r\nb\r\nc\r\n"})

    assert read_labels(packed) == {"": ("a", "b", "c")}


def test_an_empty_line_among_the_labels_keeps_its_place():
    assert read_labels(zipped(("labels.txt", "a\n\nc\n"), ("labels_de.txt", "x\ny\nz")))[""] == ("a", "", "c")


def test_only_a_line_feed_ends_a_label_as_in_mediapipe():
    packed = zipped(("labels.txt", "a\u2028b\x0bc\nd\n"), ("labels_de.txt", "x\ny\n"))

    assert read_labels(packed)[""] == ("a\u2028b\x0bc", "d")


def test_a_model_without_labels_has_none():
    plain = tiny.changed(BARE, lambda tree: setattr(tree, "metadata", None))

    assert read_labels(plain) is None
    assert read_text(plain) is None
    assert read_normalization(plain) is None


def test_metadata_that_name_a_missing_file_are_refused():
    with pytest.raises(ArtifactError, match=r"labels\.txt"):
        read_labels(BARE)


def test_compressed_labels_are_read_as_well():
    files = [("labels.txt", "a\nb\n"), ("labels_de.txt", "x\ny\n")]

    assert read_labels(zipped(*files, method=zipfile.ZIP_DEFLATED)) == {"": ("a", "b"), "de": ("x", "y")}


def test_a_bomb_is_refused_before_it_fills_the_memory():
    bomb = zipped(("labels.txt", bytes(32 << 20)), method=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 1 << 20

    with pytest.raises(ArtifactError, match="larger than 8,388,608 bytes"):
        read_files(bomb)


def test_two_files_of_one_name_are_refused():
    with pytest.warns(UserWarning, match="Duplicate name"):
        twins = zipped(("labels.txt", "a\n"), ("labels.txt", "b\n"))

    with pytest.raises(ArtifactError, match="of one name"):
        read_files(twins)


def test_too_many_files_are_refused():
    many = zipped(*((str(i), "") for i in range(MAX_FILES + 1)))

    with pytest.raises(ArtifactError, match="257 files"):
        read_files(many)


def test_an_endless_list_of_files_is_refused_before_it_is_read():
    full = bytearray(FULL)
    end = full.rfind(b"PK\5\6")
    struct.pack_into("<I", full, end + 12, 1 << 30)

    with pytest.raises(ArtifactError, match="1,073,741,824 bytes"):
        read_files(bytes(full))


def test_a_zip64_whose_sizes_hide_behind_the_small_ones_is_refused():
    end = FULL.rfind(b"PK\5\6")
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, 0, 1)

    with pytest.raises(ArtifactError, match="ZIP64"):
        read_files(FULL[:end] + locator + FULL[end:])


def test_names_that_lead_elsewhere_are_names_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    files = read_files(zipped(("../evil.txt", "x"), ("/etc/evil", "y")))

    assert set(files) == {"../evil.txt", "/etc/evil"}
    assert list(tmp_path.parent.glob("evil*")) == []


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\n\x80\n"])
def test_labels_that_are_no_utf8_are_refused(content):
    with pytest.raises(ArtifactError, match="UTF-8"):
        read_labels(zipped(("labels.txt", content), ("labels_de.txt", "x")))


def test_bytes_that_only_look_like_the_end_of_a_zip_are_data():
    assert read_files(BARE + b"PK\5\6" + bytes(40)) == {}


@pytest.mark.parametrize(
    ("count", "std"),
    [(1, 0.0), (1, float("nan")), (1, 1e30), (0, 255.0)],
    ids=["zero", "nan", "huge", "none"],
)
def test_a_normalization_that_cannot_be_applied_is_refused(count, std):
    written, spoiled = struct.pack("<If", 1, 255.0), struct.pack("<If", count, std)
    assert BARE.count(written) == 1

    with pytest.raises(ArtifactError, match="normalization"):
        read_normalization(BARE.replace(written, spoiled))


def test_a_normalization_of_endless_channels_is_refused():
    entry = text()
    at = entry.index(struct.pack("<If", 1, 255.0))
    endless = entry[:at] + struct.pack("<I", 300) + entry[at + 4 :] + bytes(2000)

    with pytest.raises(ArtifactError, match="300 channels"):
        parse_text(endless, where="x")


def test_entries_larger_than_a_description_can_be_are_refused():
    def grow(tree):
        tree.buffers[tree.metadata[1].buffer].data = np.zeros(5 << 20, np.uint8)

    with pytest.raises(ArtifactError, match="larger than 4,194,304 bytes"):
        read_entries(tiny.changed(BARE, grow))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_damaged_metadata_are_refused_or_read_and_nothing_else_happens(data):
    entry = bytearray(text(files=["labels.txt", "labels_de.txt"]))
    for _ in range(data.draw(st.integers(1, 4))):
        entry[data.draw(st.integers(0, len(entry) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(entry[: data.draw(st.integers(0, len(entry)))] if data.draw(st.booleans()) else entry)

    with suppress(ArtifactError):
        parse_text(cut, where="x")


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_zip_is_refused_or_read_and_nothing_else_happens(data):
    packed = bytearray(FULL)
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(len(BARE), len(packed) - 1))] = data.draw(st.integers(0, 255))

    with suppress(ArtifactError):
        read_files(bytes(packed))


def test_two_entries_of_one_name_are_refused():
    doubled = tiny.changed(BARE, lambda tree: tree.metadata.append(tree.metadata[0]))

    with pytest.raises(ArtifactError, match="two metadata entries"):
        read_entries(doubled)


def test_an_entry_whose_buffer_is_missing_is_refused():
    lost = tiny.changed(BARE, lambda tree: setattr(tree.metadata[0], "buffer", 1000))

    with pytest.raises(ArtifactError, match="buffer 1000"):
        read_entries(lost)


def test_an_identity_of_a_later_form_names_the_way_out():
    entry = tiny.IDENTITY.to_bytes().replace(b'"schema":1', b'"schema":2')

    with pytest.raises(ArtifactError) as caught:
        Identity.from_bytes(entry, where="x")

    assert "upgrade" in caught.value.fix
