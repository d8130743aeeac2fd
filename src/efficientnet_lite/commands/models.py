"""`models`: the variants as they are offered."""

from efficientnet_lite.network.plan import VARIANTS, ModelName
from efficientnet_lite.weights.offers import Offer, offer


def models() -> list[Offer]:
    """The five variants at their own input sizes."""
    return [offer(ModelName(variant, variant.size)) for variant in VARIANTS.values()]
