"""The variants as they are offered: figures as published, and where their weights come from."""

from dataclasses import dataclass
from importlib.util import find_spec

from efficientnet_lite.network.plan import ModelName, make_plan
from efficientnet_lite.weights.published import HUB_FILES, PACKAGES


@dataclass(frozen=True, slots=True)
class Offer:
    """A variant at one input size. Accuracies are fractions, on ImageNet's validation photos."""

    model: str  # as `train` takes it
    size: int  # pixels
    parameters: int
    madds: int  # multiply-adds for one image
    top1: float
    top1_size: int  # pixels that it was measured at
    top1_int8: float
    top1_int8_size: int
    weights: str  # where they come from
    license: str
    installed: bool


def offer(name: ModelName) -> Offer:
    """What is known of a variant at a size, without opening its weights."""
    variant = name.variant
    package, hub = PACKAGES.get(variant.name), HUB_FILES[variant.name]
    return Offer(
        model=variant.name if name.size == variant.size else f"{variant.name}@{name.size}",
        size=name.size,
        parameters=variant.parameters,
        madds=make_plan(variant, size=name.size).madds(),
        top1=variant.top1,
        top1_size=variant.size,
        top1_int8=variant.top1_int8,
        top1_int8_size=variant.int8_size,
        weights=package.origin if package else hub.origin,
        license=package.license if package else hub.license,
        installed=package is not None and find_spec(package.module) is not None,
    )
