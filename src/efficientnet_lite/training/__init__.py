"""Training on Keras, by TensorFlow or JAX; what is asked for is checked here without either."""

import os

# TensorFlow speaks of drivers that nobody asked for; its real failures come as exceptions.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
