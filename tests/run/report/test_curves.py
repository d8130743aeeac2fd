"""The learning curves: drawn from a log's own rows, the same bytes each time, and nothing of the user's settings."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from efficientnet_lite.run.report import page
from efficientnet_lite.run.report.facts import read_facts
from efficientnet_lite.run.summary import summary_of
from efficientnet_lite.training import curves
from efficientnet_lite.training.curves import draw_curves
from efficientnet_lite.training.epochs import apart, panels_of

ROWS = [
    {
        "epoch": epoch,
        "loss": None if epoch == 0 else 1 / epoch,
        "validation_loss": 0.5 / (1 + epoch),
        "top1_crop": 0.8 + 0.02 * epoch,
        "top1_squash": 0.7 + 0.03 * epoch,
        "learning_rate": 1e-3 * (4 - epoch),
    }
    for epoch in range(5)
]


@pytest.fixture(autouse=True)
def matplotlib():
    return pytest.importorskip("matplotlib", reason="the extra `report` is not installed: make test-all")


def pixels(png):
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def amount(png, color):
    """How many pixels have `color`, "#rrggbb"."""
    wanted = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
    return int((np.abs(pixels(png) - wanted).max(axis=2) < 8).sum())


def without(*columns):
    return [{name: value for name, value in row.items() if name not in columns} for row in ROWS]


def changed(epoch, column, value):
    return [row | {column: value} if row["epoch"] == epoch else row for row in ROWS]


def test_the_rows_of_a_log_as_text_give_the_same_bytes_as_numbers():
    file = io.StringIO()
    writer = csv.DictWriter(file, ROWS[0])
    writer.writeheader()
    writer.writerows(ROWS)

    read = list(csv.DictReader(file.getvalue().splitlines()))

    assert draw_curves(read, best=3) == draw_curves(ROWS, best=3)
    assert b"matplotlib" not in draw_curves(ROWS).lower()  # no version, no date: they would differ elsewhere


@pytest.mark.parametrize("column", ["loss", "validation_loss", "top1_crop", "top1_squash", "learning_rate"])
def test_every_column_is_drawn(column):
    assert draw_curves(changed(2, column, 0.31)) != draw_curves(ROWS)


def test_what_is_no_curve_changes_nothing():
    assert draw_curves([row | {"seconds": 3.5, "images": 40} for row in ROWS]) == draw_curves(ROWS)


def test_the_best_epoch_is_marked_in_both_panels():
    plain, marked = draw_curves(ROWS), draw_curves(ROWS, best=3)
    both = (draw_curves(without("top1_crop", "top1_squash"), best=each) for each in (None, 3))

    assert amount(marked, curves.PNG.faint) > amount(plain, curves.PNG.faint)  # a line
    for color in curves.PNG.lines[:2]:
        assert amount(marked, color) > amount(plain, color)  # a larger dot, and its value
    assert np.subtract(*(amount(png, curves.PNG.lines[0]) for png in both)) < 0


def test_a_panel_without_columns_is_left_out():
    whole, accuracy_alone = pixels(draw_curves(ROWS)), without("loss", "validation_loss", "learning_rate")

    assert pixels(draw_curves(accuracy_alone)).shape[0] < whole.shape[0] / 2


def test_epochs_without_an_evaluation_leave_no_gap_in_its_line():
    sparse = [row | {"top1_crop": "" if row["epoch"] % 2 else row["top1_crop"]} for row in ROWS]
    straight = draw_curves(sparse)

    assert amount(straight, curves.PNG.lines[0]) > 0.8 * amount(draw_curves(ROWS), curves.PNG.lines[0])


def test_names_beside_lines_that_end_together_stand_apart():
    moved = apart([0.5, 0.5, 0.9], 0.085)

    assert moved[1] - moved[0] >= 0.085 - 1e-9
    assert abs(sum(moved) - 1.9) < 1e-9


def test_one_epoch_and_hundreds_can_be_drawn():
    many = [dict(ROWS[1], epoch=epoch, loss=7 / epoch) for epoch in range(1, 351)]

    assert pixels(draw_curves(ROWS[:1])).shape == pixels(draw_curves(many, best=350)).shape


def test_the_users_own_matplotlib_is_left_as_it_was_and_does_not_show(matplotlib):
    wanted = draw_curves(ROWS)
    with matplotlib.rc_context({"lines.linewidth": 7, "font.size": 30}):
        own = dict(matplotlib.rcParams)
        assert draw_curves(ROWS) == wanted
        assert dict(matplotlib.rcParams) == own


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (changed(2, "loss", "low"), "the log's loss is 'low'"),
        (changed(2, "epoch", ""), "a row of the log has no epoch"),
        ([], "no loss, accuracy or learning rate"),
        ([{"epoch": 1, "loss": float("nan")}], "no loss, accuracy or learning rate"),
    ],
)
def test_a_log_that_cannot_be_drawn_says_why(rows, said):
    with pytest.raises(ValueError, match=said):
        draw_curves(rows)


TUNING = {
    "blocks": 5,
    "epochs_run": 4,
    "chosen_epoch": 3,
    "before": {"crop": 0.8, "squash": 0.7},
    "after": {"crop": 0.86, "squash": 0.79},
}


def rendered(card, panels=()):
    counts = {split: [1] * len(card["labels"]) for split in ("train", "validation", "test")}
    facts = read_facts(card)
    return page.render(
        facts, summary_of(card, Path("run")), counts=counts, gallery=None, panels=panels
    ).decode()


def test_the_page_of_a_fine_tuned_run_shows_before_after_and_curves(trained):
    def shown(tuning, panels=()):
        return rendered({**trained.card, "fine_tuning": tuning}, panels)

    tuned, alone = shown(TUNING, panels_of(ROWS)), shown(None)
    unmoved = shown(TUNING | {"chosen_epoch": 0, "after": TUNING["before"]})

    assert "The uppermost 5 blocks went on learning with the head, for 4 epochs." in tuned
    assert "Epoch 3 was the best" in tuned
    for view, *figures in (("cropped", "80 %", "86 %", "+6.0"), ("squashed", "70 %", "79 %", "+9.0")):
        row = tuned.partition(
            f'role="rowheader">{view}</th><td role="cell" class="number" data-of="the head'
        )[2]
        assert [each.partition("</span>")[0] for each in row.split("<span>")[1:4]] == figures
    for width in ("wide", "narrow"):
        assert f'<div class="for-{width}"><svg' in tuned
        assert f'id="{width}-figure_1"' in tuned
    assert "the epoch of the fine-tuning that was kept" in tuned
    assert "None was better" in unmoved
    assert "<h2>Fine-tuning" not in alone
    assert "<svg" not in alone
    assert "the epoch of the fine-tuning" not in alone


def test_without_the_library_that_draws_the_epochs_are_a_table_that_says_what_draws_them(
    trained, monkeypatch
):
    monkeypatch.setattr(curves, "is_installed", lambda: False)

    shown = rendered({**trained.card, "fine_tuning": TUNING}, panels_of(ROWS))

    assert "<svg" not in shown
    assert "<code>pip install &#39;efficientnet-lite[report]&#39;</code> lets this page draw them." in shown
    row = shown.partition(">accuracy, %, crop</th>")[2]
    assert [each.partition("</span>")[0] for each in row.split("<span>")[1:4]] == ["80.0", "86.0", "88.0"]


def test_the_page_of_a_run_by_a_recipe_speaks_of_its_steps_and_of_no_head(trained):
    training = {"recipe": "imagenet", "images": 1234, "best": {"step": 5678}, "best_epoch": 3}
    card = {**trained.card, "training": training, "head": trained.card["head"] | {"path": []}}

    shown = rendered(card, panels_of(ROWS))

    assert "they chose\nthe step of the training that was kept" in shown
    assert "learned from 1,234 photos by the recipe <code>imagenet</code>" in shown
    assert "step\n5,678, in epoch 3, were the best on the validation photos" in shown
    assert "regularisation" not in shown
    assert "The head was" not in shown


def test_a_log_of_absurd_values_is_drawn_without_them():
    rows = [row | {"loss": "1e300", "validation_loss": -1e29 if row["epoch"] else 1e29} for row in ROWS]

    (losses, *_) = panels_of(rows)

    assert [line.name for line in losses.lines] == ["validation"]
    assert losses.lines[0].label == "validation -1e+29"
    assert pixels(draw_curves(rows)).any()


@pytest.mark.parametrize(
    "spoiled",
    [{"chosen_epoch": -1}, {"after": {"crop": 0.8}}, {"before": {"crop": 2, "squash": 1}}, {"blocks": "5"}],
)
def test_a_card_whose_fine_tuning_makes_no_sense_is_refused(trained, spoiled):
    with pytest.raises(ValueError, match=r"its|blocks"):
        read_facts({**trained.card, "fine_tuning": TUNING | spoiled})
