"""A network that learns: fine-tuning and the reference's recipe, driven by one loop. Open `loop` first, then `learner`.

`settings` is what `train` is asked for, `learned` what a training gave, `examples` what is learned from.
JAX and Grain are imported here alone; what is asked for is checked without them and without Keras. May import the
rooms up to `artifacts`.
"""

import os

# TensorFlow speaks of drivers that nobody asked for; its real failures come as exceptions.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
