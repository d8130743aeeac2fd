"""Try a model on photos, in a browser: a run, a .tflite file of anyone's, or lite0.

pip install gradio
python examples/try_it.py runs/photos
"""

import sys

import gradio as gr

import efficientnet_lite as el

model = el.load(sys.argv[1] if len(sys.argv) > 1 else "lite0")


def classify(photo: str | None) -> dict[str, float]:
    """The likeliest classes of a photo file, with their probabilities."""
    if photo is None:
        raise gr.Error("Choose a photo first.")
    try:
        return {found.label: found.probability for found in model.classify(photo, k=5)}
    except el.EfficientNetLiteError as error:
        raise gr.Error(str(error)) from error


# The file as it was uploaded (image_mode=None), so that what is said here is what `predict` says.
photo = gr.Image(type="filepath", image_mode=None, label="photo")
gr.Interface(classify, photo, gr.Label(label="class"), title=f"{model.where}", flagging_mode="never").launch()
