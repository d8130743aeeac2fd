"""The README.md of a run: what it is, how good, under which licence, and for which photos."""

from collections.abc import Iterable, Mapping
from typing import Any

from efficientnet_lite.figures import within
from efficientnet_lite.markdown import code_span
from efficientnet_lite.metrics import too_few_to_judge
from efficientnet_lite.photos.contract import PHONE_VIEW
from efficientnet_lite.run.report.facts import choices
from efficientnet_lite.run.report.int8_facts import int8_facts

VERDICTS = {  # a file that failed has no run
    "verified": "It is proven that the int8 file loses no more than was allowed",
    "not refuted": "Nothing shows that the int8 file loses more than was allowed, but too few photos prove it",
}
VIEWS = {  # how photos are looked at: name and explanation
    "mediapipe": ("phone", "as phones see them"),
    "crop": ("crop", "the square in the middle of each"),
    "squash": ("squash", "each squashed into a square"),
}


def model_card(name: str, card: Mapping[str, Any]) -> str:
    """The page of the run `name` with this card; names and texts of any origin stay texts."""
    split, weights, views = card["metrics"]["split"], card["weights"], _phone_first(card["exports"][0]["as"])
    from_scratch = card["training"] is not None
    chosen = f"; the validation photos also chose {choices(card)}" if split == "validation" else ""
    if not from_scratch:
        network, learned = "The network below the head is", "The head was trained on your photos and"
    else:
        network, learned = "The network was", "What was learned from your photos"
    rows = [
        f"| {export['precision']} | {export['bytes']:,} | "
        + " | ".join(f"{100 * export['as'][view]['top1']:.1f} %" for view in views)
        + f" | {export['latency_ms']:.1f} ms |"
        for export in card["exports"]
    ]
    count, measured = card["data"]["photos"], card["metrics"]
    judged = str(measured["photos"])
    if measured["judged"] < measured["photos"]:
        judged = f"{measured['judged']} of {measured['photos']}, the others were lost while the run was made"
    few = too_few_to_judge(measured["judged"])
    notice = f" {code_span(weights['notice'])}" if weights["notice"] else ""
    made_by = f"efficientnet-lite {card['package']['efficientnet-lite']}"
    header, ways = ([VIEWS.get(view, (view, view))[number] for view in views] for number in range(2))
    seen = ", ".join(f"**{name}** {way}" for name, way in zip(header, ways, strict=True))
    labels = "\n".join(f"{number}. {code_span(label)}" for number, label in enumerate(card["labels"]))
    return f"""# {code_span(name)}

A classifier of photos into {len(card["labels"])} classes: EfficientNet-{card["variant"].capitalize()} at \
{card["size"]} pixels{"" if from_scratch else " with a head of its own"}, made by {made_by}.

| file | bytes | {" | ".join(header)} | one image, one thread |
|---|---|{"---|" * len(views)}---|
{chr(10).join(rows)}

Accuracy is top-1, how many of the {split} photos ({judged}) are named right: {seen}. It was fitted on \
{count["train"]} photos{chosen}.{f" The accuracy is {few}." if few else ""}

{VERDICTS[card["verification"]["verdict"]]}. `card.json` has the intervals, the accuracy of each class, and how
often both files name the same class.{_int8(card)}

Input: RGB, {card["size"]} x {card["size"]}; float32 in [0, 1], or uint8 as the pixels are. The file
normalizes by itself. `exports/golden.npz` has five inputs and the outputs to expect of them, for tests of your \
app.{_of_kernels(card["exports"])}

One label for each photo; a photo of none of the classes gets one of them all the same.

## Classes, in the order of the outputs, from 0

{labels}

## Licence

{network} {code_span(weights["source"])}. Its licence: {code_span(weights["license"])}.{notice}
{learned} is yours; so are the labels.
"""


def _int8(card: Mapping[str, Any]) -> str:
    """How the int8 file was made, as a paragraph; empty for a card that does not say."""
    made = int8_facts(card.get("int8"))
    if made is None:
        return ""
    warnings = "".join(f" {each[0].upper()}{each[1:]}." for each in made.warnings)
    return f"\n\nHow int8 was made: {made.sentence}.{warnings}"


def _of_kernels(exports: Iterable[Mapping[str, Any]]) -> str:
    """How near an app must come with the int8 file, where that was measured."""
    found = next((each["kernels"] for each in exports if each.get("kernels")), None)
    if found is None:
        return ""
    near = " and ".join(
        f"{name}: {within(found['codes'][key])}"
        for key, name in (("reference", "its reference kernels"), ("optimized", "without XNNPACK"))
        if key in found["codes"]
    )
    return f" LiteRT gives them with XNNPACK; the int8 file's codes hold on its other kernels too ({near})."


def _phone_first(views: Iterable[str]) -> list[str]:
    return sorted(views, key=lambda view: view != PHONE_VIEW)
