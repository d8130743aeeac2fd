"""The version of this package, and how its markers say that it wrote them."""

__version__ = "0.1.0"

_NAME = "efficientnet-lite "
MADE_BY = f"{_NAME}{__version__}"  # under `made_by` in the marker of a folder


def is_made_by_us(said: object) -> bool:
    """Whether `made_by` of a marker names this package, in whichever version."""
    return str(said).startswith(_NAME)
