"""What runs a model file: `litert` and `onnx`, each as an `engine`; open `model` first, which brings photos to
answers; `model_files` opens one.

May import the rooms up to `strangers`, which look at every file before it is opened.
"""
