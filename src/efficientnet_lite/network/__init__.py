"""The network as data and as arithmetic: the layer plan of every variant, batch norm folded, a run in numpy, names.

Open `plan` first. `keras_model` and `keras_arrays` need Keras and are imported where an extra is asked for.
"""
