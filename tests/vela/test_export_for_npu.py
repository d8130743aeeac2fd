"""`export --target ethos-u…`: the compiled file beside the plain one, with its report; whole or not at all."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "commands"))
import scenes

import efficientnet_lite as el
from efficientnet_lite.artifacts import compiled
from efficientnet_lite.artifacts.compiled import report_path
from efficientnet_lite.errors import UsageError, VerificationFailed
from efficientnet_lite.storage import files

pytest.importorskip("ethosu.regor", reason="needs Vela: make test-vela", exc_type=ImportError)
MODEL = "lite0@32"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return scenes.photograph(tmp_path_factory.mktemp("data") / "photos")


@pytest.fixture
def trained(photos, tmp_path):
    return el.train(photos, tmp_path / "shapes", model=MODEL, calibration=8, max_drop=1, min_agreement=0).run


def report_of(path: Path) -> dict[str, object]:
    return json.loads(report_path(path).read_text())


def test_a_run_gets_its_own_int8_file_compiled_and_verify_says_that_no_npu_is_here(trained):
    found = el.export(trained, target="ethos-u55-128")

    assert found.path == trained / "exports/shapes_int8_ethos-u55-128.tflite"
    assert (found.format, found.sha256) == ("ethos-u", files.sha256_file(found.path))
    report, own = report_of(found.path), trained / "exports/shapes_int8.tflite"
    assert report["made_of"] == {"file": own.name, "sha256": files.sha256_file(own)}
    assert report["compiled"] == {"file": found.path.name, "bytes": found.bytes, "sha256": found.sha256}
    assert (report["ready"], report["system"]) == (True, "Ethos_U55_High_End_Embedded")
    card = json.loads((trained / "card.json").read_text())
    assert [each["path"] for each in card["artifacts"]] == ["exports/shapes_int8_ethos-u55-128.tflite"]
    assert set(card["files"]) >= {f"exports/{found.path.name}", f"exports/{report_path(found.path).name}"}
    verified = el.verify(trained)
    assert verified.verdict != "failed"
    assert any("compiled for an Ethos-U, and none is here" in note for note in verified.notes)


def test_a_changed_compiled_file_is_found_by_verify(trained):
    path = el.export(trained, target="ethos-u55-128").path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    assert el.verify(trained).verdict == "failed"


def test_it_is_replaced_only_when_asked_for_and_a_strangers_report_never_is(trained):
    path = el.export(trained, target="ethos-u85-256").path

    with pytest.raises(UsageError, match="the target exists"):
        el.export(trained, target="ethos-u85-256")
    assert el.export(trained, target="ethos-u85-256", overwrite=True).path == path
    report_path(path).write_text('{"mine": true}')
    with pytest.raises(UsageError, match="no report of ours"):
        el.export(trained, target="ethos-u85-256", overwrite=True)
    assert report_path(path).read_text() == '{"mine": true}'


def test_with_photos_both_files_are_written_side_by_side(photos, tmp_path):
    found = el.export(
        MODEL, tmp_path / "a.tflite", data=photos, target="ethos-u65-256", calibration=8, min_agreement=0
    )

    beside = tmp_path / "a_ethos-u65-256.tflite"
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "a.tflite",
        "a.tflite.golden.npz",
        beside.name,
        report_path(beside).name,
    ]
    assert (found.precision, found.path.name, found.compiled.path) == ("int8", "a.tflite", beside)
    assert report_of(beside)["made_of"] == {"file": "a.tflite", "sha256": found.sha256}


def test_too_large_for_the_sram_nothing_is_published_and_the_size_that_fits_is_named(
    photos, trained, tmp_path
):
    needs = el.info("lite0@64", target="ethos-u55-128").smallest.sram_bytes // 1024
    before = sorted(trained.rglob("*"))

    with pytest.raises(VerificationFailed, match="KiB more than it may use") as caught:
        el.export(
            "lite0@64",
            tmp_path / "b.tflite",
            data=photos,
            target="ethos-u55-128",
            sram=needs - 1,
            calibration=8,
            min_agreement=0,
        )
    assert "train it at 32 pixels" in caught.value.fix
    with pytest.raises(VerificationFailed, match="more than it may use"):
        el.export(trained, target="ethos-u55-128", sram=1)
    assert not (tmp_path / "b.tflite").exists()
    assert sorted(trained.rglob("*")) == before


def test_a_compiled_file_that_takes_something_else_is_not_published(trained, monkeypatch):
    """No Vela that does so is known, so its answer is taken for another."""
    compiled_by_vela, other = (
        compiled.compiled_by_vela,
        (trained / "exports/shapes_float32.tflite").read_bytes(),
    )
    monkeypatch.setattr(
        compiled,
        "compiled_by_vela",
        lambda *given, **named: compiled_by_vela(*given, **named)._replace(model=other),
    )
    before = sorted(trained.rglob("*"))

    with pytest.raises(VerificationFailed, match=r"float32.*expected.*uint8"):
        el.export(trained, target="ethos-u55-128")

    assert sorted(trained.rglob("*")) == before


def test_what_is_about_another_file_is_refused(trained, tmp_path):
    for options, why in (
        ({"io": "int8"}, "`io=` is about an int8 file that is made anew"),
        ({"precision": "float16"}, "`target=` is for int8"),
        ({"format": "onnx"}, "`target=` is for"),
        ({"sram": 0}, "sram=0"),
    ):
        with pytest.raises(UsageError, match=why):
            el.export(trained, target="ethos-u55-128", **options)
    with pytest.raises(UsageError, match="int8 needs photos"):
        el.export(MODEL, tmp_path / "c.tflite", target="ethos-u55-128")
    with pytest.raises(UsageError, match="`sram=` is about an Ethos-U"):
        el.export(trained, tmp_path / "c.tflite", precision="int8", data=tmp_path, sram=100)
