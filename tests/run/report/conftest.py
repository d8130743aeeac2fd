"""One finished run with mistakes in it, whose class and file names want to be markup."""

import shutil

import pytest
import scenes

from efficientnet_lite.commands.train import train

LABELS = ("<script>alert(1)</script>", '$x$ & "写真" onload=', "stripes")
NAMES = dict(zip(LABELS, scenes.LABELS, strict=True))
COUNT, WRONG = 12, 4  # photos of a class, and how many of them show the next class


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFICIENTNET_LITE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A manifest and its photos; the last ones of each class show another. Not to be changed."""
    folder = tmp_path_factory.mktemp("data") / "photos"
    folder.mkdir()
    rows = ["path,label"]
    for number, label in enumerate(LABELS):
        for seed in range(COUNT):
            shown = scenes.LABELS[(number + (seed >= COUNT - WRONG)) % 3]
            name = f"<b>{number}-{seed}&.png"
            scenes.draw(shown, 100 * number + seed).save(folder / name)
            quoted = label.replace('"', '""')
            rows.append(f'{name},"{quoted}"')
    (folder / "photos.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder / "photos.csv"


@pytest.fixture(scope="session")
def fit(tmp_path_factory):
    """`train` for the small model."""
    weights = scenes.weights(tmp_path_factory.mktemp("weights"))

    def fit(photos, out, **options):
        bars = {"max_drop": 1, "min_agreement": 0}  # few photos with wrong labels make a poor model
        small = {"model": scenes.MODEL, "calibration": 8, "workers": 2, "val": 0.5}
        return train(photos, out, weights=weights, **small, **bars, **options)

    return fit


@pytest.fixture(scope="session")
def trained(fit, photos, tmp_path_factory):
    """What `train` gave; not to be changed."""
    return fit(photos, tmp_path_factory.mktemp("runs") / "a<i>run")


@pytest.fixture
def run(trained, tmp_path):
    """A copy of that run, to be spoiled."""
    return shutil.copytree(trained.run, tmp_path / "runs" / "a<i>run")
