"""A class of a photo, for people and for programs."""

from efficientnet_lite.runtimes.prediction import Prediction


def test_a_synset_is_shown_once_and_only_where_there_is_one():
    panda = Prediction("giant panda", 388, 0.97782, "n02510455")

    assert (panda.name, str(panda)) == ("giant panda (n02510455)", "giant panda (n02510455), 97.8 %")
    assert Prediction("crane (n02012849)", 134, 1.0, "n02012849").name == "crane (n02012849)"
    assert str(Prediction("shirt", 3, 0.5)) == "shirt, 50.0 %"


def test_a_prediction_comes_apart_and_makes_a_table():
    label, probability = Prediction("giant panda", 388, 0.75, "n02510455")

    assert (label, probability) == ("giant panda", 0.75)
    assert dict([Prediction("a", 0, 0.5), Prediction("b", 1, 0.25)]) == {"a": 0.5, "b": 0.25}
    assert Prediction("a", 0, 0.5).to_json() == {"label": "a", "index": 0, "probability": 0.5}
