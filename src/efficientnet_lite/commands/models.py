"""`models`: the variants as they are offered."""

from efficientnet_lite.arguments import called
from efficientnet_lite.network.plan import VARIANTS, ModelName
from efficientnet_lite.weights.offers import Offer, offer


@called
def models() -> list[Offer]:
    """List the five variants: input size, parameters, multiply-adds, published accuracy, and their weights."""
    return [offer(ModelName(variant, variant.size)) for variant in VARIANTS.values()]
