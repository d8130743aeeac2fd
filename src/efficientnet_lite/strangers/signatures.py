"""Which of a file's signatures is meant."""

from collections.abc import Mapping


def main_signature(sizes: Mapping[str, int]) -> str | None:
    """The signature that is run, and by whose names inputs and outputs go; None where a file has none.

    That is `serving_default`, which is what converters call the only one; else the one that names the most.

    Args:
        sizes: signature -> how many inputs and outputs it names.
    """
    if "serving_default" in sizes or not sizes:
        return "serving_default" if sizes else None
    return max(sizes, key=lambda key: sizes[key])
