"""What `import efficientnet_lite` offers is what `__all__` says, and each name resolves on first use."""

import efficientnet_lite


def test_every_public_name_resolves_and_no_other_is_shown():
    assert dir(efficientnet_lite) == sorted(efficientnet_lite.__all__)
    for name in efficientnet_lite.__all__:
        assert getattr(efficientnet_lite, name) is not None


def test_public_names_say_what_they_are():
    for name in (each for each in efficientnet_lite.__all__ if each != "__version__"):
        assert getattr(efficientnet_lite, name).__doc__


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(efficientnet_lite, "trian")
