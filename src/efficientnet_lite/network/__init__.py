"""The network as data and as arithmetic: the plan of every variant, batch norm folded, a run in plain numpy, names.

Open `plan` first. May import the ground, `storage` and `photos` (the contract), and reaches nothing outside;
`keras_model` and `keras_arrays` alone need Keras, and are imported where an extra is asked for.
"""
