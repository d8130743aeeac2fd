"""Pages of real runs, from two classes to three hundred, maps, and a browser that looks at them."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/commands"))
import scenes  # noqa: E402

import efficientnet_lite as el  # noqa: E402
from efficientnet_lite.commands.report import report  # noqa: E402
from efficientnet_lite.commands.train import train  # noqa: E402
from efficientnet_lite.neighbors.map_page import render  # noqa: E402
from efficientnet_lite.neighbors.plane import Plane  # noqa: E402
from efficientnet_lite.neighbors.stored_parts import VectorRow  # noqa: E402
from efficientnet_lite.neighbors.thumbnails import Thumbnails  # noqa: E402

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "قميص بأكمام طويلة للرجال",
    "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenhersteller",
    "長袖シャツと短いスカートそして古い革靴の写真が入っている分類",
    "a very long name that somebody wrote as a sentence, with a comma, to say all that the photos of this class show",
    "&amp; \"quoted\" 'twice' `x` $y$ {{ z }}",
    "x" * 120,
    "👩🏽‍🚀 rocket",
)
TEMPTING = (
    "</script><script>alert(1)</script>",
    "\u202egnp.exe",
    *HOSTILE,
)  # names of classes and files of a map
LOG = """epoch,loss,validation_loss,top1_crop,top1_mediapipe,learning_rate
0,,0.61,0.71,0.72,0.001
1,0.55,0.5,0.78,0.781,0.001
2,0.41,0.44,0.83,0.831,0.0007
3,0.33,0.43,0.84,0.842,0.0003
4,0.3,0.46,0.83,0.833,0.0001
"""
TUNING = {
    "blocks": 5,
    "epochs_run": 4,
    "chosen_epoch": 3,
    "before": {"crop": 0.71, "mediapipe": 0.72},
    "after": {"crop": 0.84, "mediapipe": 0.842},
}


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFICIENTNET_LITE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Name -> the page of a run."""
    folder = tmp_path_factory.mktemp("runs")
    digits = tmp_path_factory.mktemp("digits") / "digits"
    subprocess.run(
        [sys.executable, ROOT / "scripts/make_digits.py", digits], check=True, stdout=subprocess.DEVNULL
    )
    train(digits, folder / "digits", model="lite0@96", min_agreement=0)
    few = tmp_path_factory.mktemp("few")
    scenes.photograph(few, labels=("ball", "box"), count=12)
    for name, photos in (
        ("two classes", few),
        ("twenty classes", drawn(tmp_path_factory.mktemp("twenty"), 20, each=4)),
        ("forty classes", drawn(tmp_path_factory.mktemp("forty"), 40, each=4)),
        ("many classes", drawn(tmp_path_factory.mktemp("many"), 300, each=3)),
        ("one photo a class", one_judged(tmp_path_factory.mktemp("one"))),
    ):
        train(photos, folder / name, model=scenes.MODEL, calibration=8, val=0.5, max_drop=1, min_agreement=0)
    fine_tuned = shutil.copytree(folder / "two classes", folder / "fine-tuned")
    (fine_tuned / "log.csv").write_text(LOG)
    changed(fine_tuned, lambda card: card.update(fine_tuning=TUNING))
    older = shutil.copytree(folder / "digits", folder / "of the version before")
    changed(older, without_phones)
    bare = shutil.copytree(folder / "digits", folder / "without photos")
    (bare / "config.toml").write_text(f"photos = {json.dumps(str(folder / 'gone'))}\n")
    for each in (fine_tuned, older, bare):
        report(each, overwrite=True)
    return {each.name: each / "report.html" for each in sorted(folder.iterdir())}


def drawn(folder, classes, *, each):
    """A manifest of drawn photos with hostile names of classes, and long ones in between."""
    rows = []
    for at in range(classes):
        label = f"{HOSTILE[at % len(HOSTILE)]} {at}" if at % 3 == 0 else f"class {at}"
        for seed in range(each):
            name = f"{at}-{seed}.png"
            scenes.draw(scenes.LABELS[at % 3], 1000 * at + seed).save(folder / name)
            rows.append((name, label))
    return manifest(folder, ("path", "label"), rows)


def one_judged(folder):
    """Two classes, of each of which a single photo judges."""
    rows = []
    for label in ("ball", "box"):
        for seed in range(6):
            name = f"{label}-{seed}.png"
            scenes.draw(label, seed).save(folder / name)
            rows.append((name, label, "train" if seed else "validation"))
    return manifest(folder, ("path", "label", "split"), rows)


def manifest(folder, columns, rows):
    path = folder / "photos.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def changed(run, change):
    card = json.loads((run / "card.json").read_text(encoding="utf-8"))
    change(card)
    (run / "card.json").write_text(json.dumps(card))


def without_phones(card):
    """As a version wrote it that did not look at photos as MediaPipe does."""
    for precision in ("float32", "int8"):
        card["metrics"][precision] = [
            each for each in card["metrics"][precision] if each["as"] != "mediapipe"
        ]
    verification = card["verification"]
    verification["comparisons"] = [each for each in verification["comparisons"] if each["as"] != "mediapipe"]


@pytest.fixture(scope="session")
def maps(tmp_path_factory):
    """Name -> a map."""
    place = tmp_path_factory.mktemp("maps")
    pages = {name: place / f"{name}.html" for name in ("photos", "hostile", "bare", "one", "many")}
    photos = scenes.photograph(place / "photos", count=24)
    el.embed(scenes.MODEL, photos, place / "vectors")
    el.map(place / "vectors", out=pages["photos"], method="pca")

    hostile = place / "hostile"
    hostile.mkdir()
    rows = []
    for at, name in enumerate(TEMPTING):
        for seed in range(4):
            file = f"{name.replace('/', '_')[:60]} {at}-{seed}.png"
            scenes.draw(scenes.LABELS[at % 3], 100 * at + seed).save(hostile / file)
            rows.append((file, name, ("train", "validation")[seed % 2]))
    el.embed(scenes.MODEL, manifest(hostile, ("path", "label", "split"), rows), place / "hostile-vectors")
    (hostile / rows[0][0]).unlink()
    el.map(place / "hostile-vectors", out=pages["hostile"], method="pca")

    el.embed(scenes.MODEL, photos, place / "bare-vectors", format="npy")
    el.map(place / "bare-vectors", out=pages["bare"], method="pca")
    el.embed(scenes.MODEL, photos / "ball/ball-00.png", place / "one-vector")
    el.map(place / "one-vector", out=pages["one"])
    pages["many"].write_bytes(of_many(100_000))
    return pages


@pytest.fixture(scope="session")
def clinic(tmp_path_factory):
    """What int8 costs a run with hostile names of classes and photos, and its page."""
    place = tmp_path_factory.mktemp("clinic")
    rows = []
    for at, name in enumerate(TEMPTING):
        for seed in range(6):
            file = f"{name.replace('/', '_')[:60]} {at}-{seed}.png"
            scenes.draw(scenes.LABELS[at % 3], 100 * at + seed).save(place / file)
            rows.append((file, name))
    photos = manifest(place, ("path", "label"), rows)
    results = tmp_path_factory.mktemp("clinic-results")
    out, page = results / "run", results / "int8.html"
    train(photos, out, model=scenes.MODEL, calibration=8, val=0.5, max_drop=1, min_agreement=0)
    return el.quantize_report(out, data=photos, html=page, calibration=[4, 8, 30]), page


def of_many(count):
    random = np.random.default_rng(0)
    classes = random.integers(0, 300, count)
    points = random.normal(0, 6, (300, 2))[classes] + random.normal(0, 1, (count, 2))
    rows = [
        VectorRow(str(at), f"/data/{('train', 'val')[at % 5 == 0]}/photo-{at:06}.jpg", f"class {classes[at]}")
        for at in range(count)
    ]
    plane = Plane(points.astype(np.float32), "umap", None)
    return render(rows, plane, Thumbnails((), (None,) * count, None), title="many", made=None)


@pytest.fixture(scope="session")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser here: one of {', '.join(BROWSERS)}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found)
        yield opened
        opened.close()


@pytest.fixture
def look(browser):
    """Opens a page: `look(path, width, scheme)`. What it says to the console, and asks of a network, fails the test."""
    contexts, said = [], []

    def look(path, width, scheme="light", **options):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on(
            "request",
            lambda asked: said.append(asked.url) if not asked.url.startswith(("file:", "data:")) else None,
        )
        page.goto(path.as_uri())
        return page

    yield look
    for context in contexts:
        context.close()
    assert said == []
