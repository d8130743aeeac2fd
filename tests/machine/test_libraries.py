"""What our own metadata asks for, and which of it is installed: by records in a folder that comes first."""

import pytest
from installed import install, install_ours

from efficientnet_lite.machine import libraries
from efficientnet_lite.machine.libraries import NoMetadata, wanted


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_the_records_are_held_to_what_is_asked_for(folder):
    install_ours(
        folder,
        *("quince>=2", "medlar>=1.5", "sorb-apple", "rowan; sys_platform == 'nowhere'"),
        *("quince>=2; extra == 'jam'", "damson==1.0; extra == 'jam'"),
        extras=("jam",),
    )
    install(folder, "quince", "2.1")
    install(folder, "medlar", "1.4")
    install(folder, "damson", "1.0")

    found = wanted()

    said = [(each.name, each.asked, each.version, each.fits, each.module) for each in found.base]
    assert said == [
        ("quince", ">=2", "2.1", True, "quince"),
        ("medlar", ">=1.5", "1.4", False, "medlar"),
        ("sorb-apple", "", None, False, "sorb_apple"),
    ]
    assert [each.name for each in found.extras["jam"]] == ["damson"], (
        "what the base asks for is not named again"
    )


def test_an_extra_for_other_systems_alone_is_not_taken_for_installed(folder):
    install_ours(
        folder,
        *("quince", "rowan; extra == 'wild' and sys_platform == 'nowhere'", "quince; extra == 'tame'"),
        extras=("wild", "tame"),
    )

    found = wanted()

    assert (found.extras, found.elsewhere) == ({"wild": (), "tame": ()}, ("wild",))


def test_a_package_by_another_name_that_gives_the_module_is_found(folder):
    install_ours(folder, "tensorberry>=2")
    install(folder, "tensorberry-cpu", "2.3", None)
    (folder / "tensorberry_cpu-2.3.dist-info/top_level.txt").write_text("tensorberry\n")
    (folder / "tensorberry").mkdir()
    (folder / "tensorberry/__init__.py").touch()

    (library,) = wanted().base

    assert (library.version, library.instead, library.is_there) == (None, "by tensorberry-cpu 2.3", True)


def test_remains_of_another_version_in_the_same_folder_are_told(folder):
    install_ours(folder, "quince")
    install(folder, "quince", "2.1")
    install(folder, "quince", "1.9", None)

    (library,) = wanted().base

    assert {library.version, *library.also} == {"2.1", "1.9"}


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe\x00", b"Version: \x1b[31mred\n", None])
def test_a_damaged_record_is_survived(folder, damage):
    install_ours(folder, "quince>=2")
    install(folder, "quince", "2.1")
    record = folder / "quince-2.1.dist-info/METADATA"
    record.unlink()
    if damage is not None:
        record.write_bytes(damage)

    (library,) = wanted().base

    assert not library.fits or library.version is None
    assert (library.version or "").isprintable()


def test_without_a_record_of_ours_it_is_said_that_nothing_is_known(monkeypatch):
    monkeypatch.setattr(libraries, "OWN_NAME", "efficientnet-lite-that-is-not-there")

    with pytest.raises(NoMetadata, match="not installed"):
        wanted()


def test_a_damaged_record_of_ours_is_said_too(folder):
    install_ours(folder, "quince >>> 2")

    with pytest.raises(NoMetadata, match="cannot be read"):
        wanted()
