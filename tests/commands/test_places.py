"""`verify` and `report` of a stranger's run: what they open, and what they leave alone."""

import csv
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import scenes

from efficientnet_lite.commands.export import export
from efficientnet_lite.commands.verify import verify
from efficientnet_lite.errors import ArtifactError, UnusableInput
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.storage import files

EVENTS = {"open", "os.scandir", "os.listdir"}


class Opened:
    """Every file that is opened and every folder that is listed, as the interpreter itself tells it."""

    def __init__(self):
        self.paths, self.active = [], False
        sys.addaudithook(self.hook)

    def hook(self, event, args):
        if self.active and event in EVENTS and isinstance(args[0], (str, bytes, os.PathLike)):
            self.paths.append((event, os.path.realpath(os.fsdecode(args[0]))))

    def below(self, folder):
        return [(event, path) for event, path in self.paths if Path(path).is_relative_to(folder)]

    def __enter__(self):
        self.paths, self.active = [], True
        return self

    def __exit__(self, *_):
        self.active = False


OPENED = Opened()  # an audit hook cannot be taken off


@pytest.fixture
def secret(tmp_path):
    """A photo that is none of the run's business."""
    folder = tmp_path / "outside"
    folder.mkdir()
    scenes.draw("ball", 5).save(folder / "secret.png")
    return folder / "secret.png"


def place(run, photos=None, names=None, **config):
    """Let the run's config name `photos`, and its split the photos `names` with their true content."""
    if photos is not None:
        config["photos"] = str(photos)
    if config:
        text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in config.items())
        (run / "config.toml").write_text(text)
    if names is not None:
        with (run / "split.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["path", "label", "split", "sha256", "group"])
            for name, content in names.items():
                table.writerow([name, "ball", "validation", content, ""])


def ways_out(folder, secret):
    """Names of `secret` that lead out of `folder`."""
    return [
        "../outside/secret.png",
        "ball/../../outside/secret.png",
        "./../outside/secret.png",
        str(secret),
        "//" + str(secret),
        "..",
        "",
        ".",
        "/",
    ]


@pytest.mark.parametrize("number", range(9))
def test_no_name_of_the_split_leads_out_of_the_folder_of_the_photos(run, tmp_path, secret, number):
    photos = scenes.photograph(tmp_path / "photos", count=1)
    name = ways_out(photos, secret)[number]
    place(run, photos, {name: files.sha256_file(secret)})

    with OPENED as opened:
        found = verify(run)

    assert opened.below(secret.parent) == []
    assert found.comparisons == ()
    assert found.verdict == "not refuted"
    assert len(found.notes) == 1


@pytest.mark.parametrize("root", ["/", "//", "/./", "/tmp/.."])
def test_the_root_of_a_file_system_is_no_folder_of_photos(run, secret, root):
    place(run, root, {str(secret).lstrip("/"): files.sha256_file(secret)})

    with OPENED as opened:
        found = verify(run)

    assert opened.below(secret.parent) == []
    assert [path for event, path in opened.paths if event != "open" and path == "/"] == []
    assert found.comparisons == ()
    assert "root of a file system" in found.notes[0]


def test_a_link_to_the_root_is_the_root(run, tmp_path, secret):
    (tmp_path / "photos").symlink_to("/")
    place(run, tmp_path / "photos", {str(secret).lstrip("/"): files.sha256_file(secret)})

    with OPENED as opened:
        found = verify(run)

    assert opened.below(secret.parent) == []
    assert "root of a file system" in found.notes[0]


@pytest.mark.parametrize("written", ["..", "../outside", "outside", ".", "", "C:\\photos"])
def test_a_place_without_a_whole_path_is_none(run, secret, monkeypatch, written):
    monkeypatch.chdir(secret.parent.parent)
    place(run, written, {"secret.png": files.sha256_file(secret)})

    with OPENED as opened:
        found = verify(run)

    assert opened.below(secret.parent) == []
    assert found.comparisons == ()


def test_the_folder_of_the_photos_is_not_walked(trained, photos):
    with OPENED as opened:
        found = verify(trained.run)

    seen = opened.below(os.path.realpath(photos))
    with (trained.run / "split.csv").open(newline="") as file:
        names = [row["path"] for row in csv.DictReader(file) if row["split"] == "validation"]
    assert len(found.comparisons) == 3
    assert {event for event, _ in seen} == {"open"}
    assert {path for _, path in seen} == {os.path.realpath(photos / name) for name in names}


def test_a_link_among_the_photos_is_followed(fit, photos, tmp_path):
    """Data sets are linked from big disks."""
    moved = shutil.copytree(photos, tmp_path / "disk")
    own = shutil.copytree(photos, tmp_path / "photos")
    run = fit(own, tmp_path / "run").run
    for photo in own.rglob("*.*"):
        photo.unlink()
        photo.symlink_to(moved / photo.parent.name / photo.name)

    found = verify(run)

    assert len(found.comparisons) == 3
    assert found.notes == ()


def test_a_pipe_in_place_of_a_photo_is_not_waited_for(fit, photos, tmp_path):
    own = shutil.copytree(photos, tmp_path / "photos")
    run = fit(own, tmp_path / "run").run
    for photo in own.rglob("*.*"):
        photo.unlink()
        os.mkfifo(photo)

    assert "not there as they were" in verify(run).notes[0]


def test_photos_within_the_run_do_not_lead_out_of_it(run, secret):
    (run / "photos").mkdir()
    shutil.copy(secret, run / "photos" / "a.png")
    scenes.draw("box", 1).save(run / "photos" / "b.png")
    (run / "photos" / "link.png").symlink_to(secret)
    rows = [f"{secret},ball", "../../../outside/secret.png,ball", "link.png,ball"]
    good = ["a.png,ball", "b.png,box"]
    content = files.sha256_file(secret)
    for row in rows:
        (run / "photos" / "photos.csv").write_text("\n".join(["path,label", row, *good, *good[::-1]]))
        name = row.partition(",")[0]
        place(run, names={name: content}, proof_photos="photos/photos.csv")

        with OPENED as opened:
            found = verify(run)

        assert opened.below(secret.parent) == []
        assert found.comparisons == ()


@pytest.mark.parametrize(
    "name",
    [
        "split.csv",
        "exports/golden.npz",
        "exports/shapes_int8.tflite",
        "exports/shapes_float16.tflite",
        "exports/shapes_float16.tflite.golden.npz",
        "exports",
    ],
)
def test_a_link_that_leads_out_of_the_run_is_not_followed(run, secret, name):
    export(run, precision="float16")
    path = run / name
    moved = shutil.move(path, secret.parent / path.name)
    path.symlink_to(moved)

    with OPENED as opened, pytest.raises(ArtifactError, match="link that leads out of the run"):
        verify(run)

    assert opened.below(secret.parent) == []


def test_a_config_that_is_a_link_out_of_the_run_says_nothing(run, secret):
    shutil.move(run / "config.toml", secret.parent / "config.toml")
    (run / "config.toml").symlink_to(secret.parent / "config.toml")

    with OPENED as opened:
        found = verify(run)

    assert opened.below(secret.parent) == []
    assert found.comparisons == ()


def test_a_split_of_a_class_that_the_card_has_not_is_no_proof(run, photos):
    name = "ball/ball-00.png"
    place(run, photos, {name: files.sha256_file(photos / name)})
    text = (run / "split.csv").read_text().replace(",ball,", ",balloon,")
    (run / "split.csv").write_text(text)

    assert "'balloon'" not in verify(run).notes[0]
    assert "balloon" in verify(run).notes[0]


@pytest.mark.parametrize("name", ["log.csv", "exports", "exports/shapes_float32.tflite", "split.csv"])
def test_a_report_follows_no_link_out_of_the_run(run, tmp_path, secret, name):
    from efficientnet_lite.commands.report import report

    (run / "log.csv").write_text("epoch,loss,validation_loss\n1,1.0,1.0\n")
    path = run / name
    moved = shutil.move(path, secret.parent / path.name)
    path.symlink_to(moved)

    with OPENED as opened, pytest.raises(ArtifactError, match="link that leads out of the run"):
        report(run, out=tmp_path / "page.html")

    assert opened.below(secret.parent) == []
    assert not (tmp_path / "page.html").exists()


def test_a_report_opens_no_more_than_verify_does(run, tmp_path, secret):
    from efficientnet_lite.commands.report import report

    photos = scenes.photograph(tmp_path / "photos", count=1)
    place(run, photos, {"../outside/secret.png": files.sha256_file(secret)})

    with OPENED as opened:
        made = report(run, out=tmp_path / "page.html")
    with pytest.raises(UnusableInput, match="leads out"):
        report(run, photos=photos, out=tmp_path / "other.html")

    assert opened.below(secret.parent) == []
    assert made.mistakes is None
    assert run_folder.is_run(run)
