"""The page of a map: names are data and never markup, its policy lets nothing else run, and its colors stay apart."""

import base64
import hashlib
import json
import re
from itertools import pairwise

import numpy as np
import pytest

from efficientnet_lite.neighbors.map_page import NONE, common_folder, groups_of, own_text, render, squared
from efficientnet_lite.neighbors.plane import Plane
from efficientnet_lite.neighbors.stored_parts import VectorRow
from efficientnet_lite.neighbors.thumbnails import Thumbnails

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!-- <script>",
    "<img src=x onerror=alert(1)>",
    "&lt;/script&gt;",
    "quotes \" ' ` ${x} {{ y }}",
    "turned \u202e around",
    "line\nbreak \u2028 and more",
    "\udcff no UTF-8",
    "長袖 👩🏽‍🚀",
    "x" * 4000,
)


def page_of(rows, thumbnails=None, points=None):
    points = np.arange(2 * len(rows), dtype=np.float32).reshape(-1, 2) if points is None else points
    return render(rows, Plane(points, "pca", 0.5), thumbnails, title=HOSTILE[0], made=None).decode()


def script(page, name):
    (found,) = re.findall(rf'<script type="[^"]*" id="{name}">(.*?)</script>', page, re.DOTALL)
    return found


def numbers(text, kind="<u2"):
    return np.frombuffer(base64.b64decode(text), kind).tolist()


def test_hostile_names_come_back_as_data_and_are_no_markup():
    rows = [VectorRow(name, f"photos/{name}.jpg", label=name) for name in HOSTILE]

    page = page_of(rows)

    facts = json.loads(script(page, "data"))
    assert len(facts["names"]) == len(facts["groups"][0]["names"]) == len(HOSTILE)
    assert facts["names"][0] == f"{HOSTILE[0]}.jpg"
    assert facts["names"][9] == f"{HOSTILE[9]}.jpg"
    assert not re.search("[\u202e\u2028\udcff]", page)
    assert page.count("<script") == page.count("</script>") == 3
    assert "<img src=x" not in page
    assert "<title>Map of &lt;/script&gt;" in page


def test_its_policy_names_its_own_style_and_script_and_nothing_else():
    page = page_of([VectorRow("a", "a.jpg")])

    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)">', page)
    (style,) = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    own = re.findall("<script>(.*?)</script>", page, re.DOTALL)[-1]

    def digest(text):
        return f"&#39;sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}&#39;"

    assert policy == (
        f"default-src &#39;none&#39;; img-src data:; style-src {digest(style)}; script-src {digest(own)}"
    )
    assert not re.search(r"https?:(?!//www\.w3\.org/2000/svg)", page)
    assert "style=" not in page.replace(own, "")


def test_a_point_knows_its_class_and_its_part():
    rows = [
        VectorRow("1", "set/train/a/1.jpg", "a"),
        VectorRow("2", "set/val/b/2.jpg", "b"),
        VectorRow("3", "set/train/b/3.jpg", "b"),
        VectorRow("4", "set/other/4.jpg", split="Test"),
    ]

    classes, parts = groups_of(rows)

    assert (classes["names"], classes["counts"], numbers(classes["codes"])) == (
        ["b", "a"],
        [2, 1],
        [1, 0, 0, NONE],
    )
    assert parts["names"] == ["train", "test", "validation"]
    assert numbers(parts["codes"]) == [0, 2, 0, 1]


def test_without_labels_there_is_nothing_to_color_by():
    rows = [VectorRow("1", "photos/1.jpg"), VectorRow("2", "photos/2.jpg")]

    assert groups_of(rows) == []
    assert 'class="legend"' not in page_of(rows)


def test_pictures_stand_once_and_where_they_are_said_to(tmp_path):
    images = [b"one", b"other!!"]
    rows = [VectorRow(str(at), f"{at}.jpg") for at in range(4)]

    page = page_of(rows, Thumbnails(images, [1, None, 0, 1], 64))

    facts, text = json.loads(script(page, "data")), script(page, "thumbnails")
    starts = numbers(facts["starts"], "<u4")
    assert numbers(facts["picture"], "<u4") == [2, 0, 1, 2]
    assert [base64.b64decode(text[a:b]) for a, b in pairwise(starts)] == images
    assert "1 photo is gone or changed" in page


def test_points_fill_a_square_in_their_own_proportions():
    x, y = squared(np.array([[0, 0], [4, 1], [2, 0.5]], np.float32))

    assert x.tolist() == [0, 65535, 32768]
    assert y.tolist() == [40959, 24576, 32767]  # up is less
    alone = squared(np.zeros((2, 2), np.float32))
    assert [each.tolist() for each in alone] == [[32768, 32768], [32767, 32767]]


@pytest.mark.parametrize(
    ("paths", "folder"),
    [
        (["/a/b/1.jpg", "/a/b/2.jpg"], "/a/b/"),
        (["/a/b/1.jpg", "/a/bc/1.jpg"], "/a/"),
        (["a.jpg", "b.jpg"], ""),
        (["a/b.jpg"], "a/"),
        (["a/b.jpg", "a/b.jpg"], "a/"),
    ],
)
def test_what_all_paths_begin_with_is_said_once(paths, folder):
    assert common_folder(paths) == folder


# How the three kinds of color-blind people see linear RGB. Source: Machado, Oliveira, Fernandes, IEEE TVCG 15 (2009),
# severity 1. Distances are in Oklab (Ottosson, 2020), where the palette of Okabe and Ito has 0.076 at its closest.
SEEN = {
    "all": np.eye(3),
    "no red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_LMS = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
TO_LAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]


def linear(color):
    values = np.array([int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colors_stay_apart_for_everybody_and_from_the_paper(scheme):
    style = own_text("map.css")
    colors = [re.findall(rf"--{number}: (#[0-9a-f]{{6}});", style)[scheme] for number in range(12)]
    paper = re.findall(r"--paper: (#[0-9a-f]{3,6});", style)[scheme]
    paper = paper if len(paper) == 7 else "#" + "".join(2 * digit for digit in paper[1:])

    light = np.stack([linear(each) for each in [*colors, paper]])
    for kind, seen in SEEN.items():
        lab = (
            np.cbrt(np.maximum((light[:-1] @ np.array(seen).T).clip(0, 1) @ np.array(TO_LMS).T, 0))
            @ np.array(TO_LAB).T
        )
        apart = np.linalg.norm(lab[:, None] - lab, axis=2) + 9 * np.eye(len(lab))
        assert apart.min() > 0.09, kind
    brightness = light @ [0.2126, 0.7152, 0.0722] + 0.05
    contrast = np.maximum(brightness[:-1], brightness[-1]) / np.minimum(brightness[:-1], brightness[-1])
    assert contrast.min() > 2.99
