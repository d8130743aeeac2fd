"""Which operations AutoAugment v0 and RandAugment choose from, how often, and how strong: data.

A level of 0 to 10 (RandAugment takes larger ones) becomes each operation's own argument in `argument`.

Source: tensorflow/tpu, models/official/efficientnet/autoaugment.py, `policy_v0`, `level_to_arg`,
`distort_image_with_autoaugment` and `distort_image_with_randaugment`.
"""

from typing import Literal, NamedTuple, get_args

Name = Literal["none", "autoaugment", "randaugment"]
Operation = Literal[
    "AutoContrast",
    "Equalize",
    "Invert",
    "Rotate",
    "Posterize",
    "Solarize",
    "Color",
    "Contrast",
    "Brightness",
    "Sharpness",
    "ShearX",
    "ShearY",
    "TranslateX",
    "TranslateY",
    "Cutout",
    "SolarizeAdd",
]

MAX_LEVEL = 10
TRANSLATE = {"autoaugment": 250, "randaugment": 100}  # pixels at level 10, whatever the image's size
CUTOUT = {"autoaugment": 100, "randaugment": 40}  # half of the side at level 10, pixels

# RandAugment draws one of these with equal chances; in this order, so that a number names one.
RANDAUGMENT: tuple[Operation, ...] = get_args(Operation)
SIGNED = frozenset({"Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY"})  # either way, by chance
WITHOUT_ARGUMENT = frozenset({"AutoContrast", "Equalize", "Invert"})


class Choice(NamedTuple):
    """One operation of a sub-policy."""

    operation: Operation
    probability: float
    level: int


V0: tuple[tuple[Choice, Choice], ...] = (
    (Choice("Equalize", 0.8, 1), Choice("ShearY", 0.8, 4)),
    (Choice("Color", 0.4, 9), Choice("Equalize", 0.6, 3)),
    (Choice("Color", 0.4, 1), Choice("Rotate", 0.6, 8)),
    (Choice("Solarize", 0.8, 3), Choice("Equalize", 0.4, 7)),
    (Choice("Solarize", 0.4, 2), Choice("Solarize", 0.6, 2)),
    (Choice("Color", 0.2, 0), Choice("Equalize", 0.8, 8)),
    (Choice("Equalize", 0.4, 8), Choice("SolarizeAdd", 0.8, 3)),
    (Choice("ShearX", 0.2, 9), Choice("Rotate", 0.6, 8)),
    (Choice("Color", 0.6, 1), Choice("Equalize", 1.0, 2)),
    (Choice("Invert", 0.4, 9), Choice("Rotate", 0.6, 0)),
    (Choice("Equalize", 1.0, 9), Choice("ShearY", 0.6, 3)),
    (Choice("Color", 0.4, 7), Choice("Equalize", 0.6, 0)),
    (Choice("Posterize", 0.4, 6), Choice("AutoContrast", 0.4, 7)),
    (Choice("Solarize", 0.6, 8), Choice("Color", 0.6, 9)),
    (Choice("Solarize", 0.2, 4), Choice("Rotate", 0.8, 9)),
    (Choice("Rotate", 1.0, 7), Choice("TranslateY", 0.8, 9)),
    (Choice("ShearX", 0.0, 0), Choice("Solarize", 0.8, 4)),
    (Choice("ShearY", 0.8, 0), Choice("Color", 0.6, 4)),
    (Choice("Color", 1.0, 0), Choice("Rotate", 0.6, 2)),
    (Choice("Equalize", 0.8, 4), Choice("Equalize", 0.0, 8)),
    (Choice("Equalize", 1.0, 4), Choice("AutoContrast", 0.6, 2)),
    (Choice("ShearY", 0.4, 7), Choice("SolarizeAdd", 0.6, 7)),
    (Choice("Posterize", 0.8, 2), Choice("Solarize", 0.6, 10)),
    (Choice("Solarize", 0.6, 8), Choice("Equalize", 0.6, 1)),
    (Choice("Color", 0.8, 6), Choice("Rotate", 0.4, 5)),
)


def argument(operation: Operation, level: float, policy: Literal["autoaugment", "randaugment"]) -> float:
    """What `operation` takes at `level`: degrees, a slope, pixels, a factor, bits or a threshold; 0 for none.

    Those of `SIGNED` go either way by chance.
    """
    share = level / MAX_LEVEL
    if operation in WITHOUT_ARGUMENT:
        return 0
    match operation:
        case "Rotate":
            return share * 30.0
        case "ShearX" | "ShearY":
            return share * 0.3
        case "TranslateX" | "TranslateY":
            return share * float(TRANSLATE[policy])
        case "Posterize":
            return int(share * 4)
        case "Solarize":
            return int(share * 256)
        case "SolarizeAdd":
            return int(share * 110)
        case "Cutout":
            return int(share * CUTOUT[policy])
        case _:  # Color, Contrast, Brightness, Sharpness
            return share * 1.8 + 0.1
