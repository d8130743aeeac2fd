"""`models`: the variants as they are offered."""

from efficientnet_lite.arguments import called
from efficientnet_lite.network.plan import VARIANTS, ModelName
from efficientnet_lite.weights.offers import Offer, offer


@called
def models() -> list[Offer]:
    """List the five variants: size, cost, accuracy, weights.

    Example:
        >>> import efficientnet_lite as el
        >>> {each.model: each.size for each in el.models()}
        {'lite0': 224, 'lite1': 240, 'lite2': 260, 'lite3': 300, 'lite4': 380}
    """
    return [offer(ModelName(variant, variant.size)) for variant in VARIANTS.values()]
