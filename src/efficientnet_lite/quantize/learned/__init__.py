"""What learns by gradients, the extra `train`: open `biases` first; `simulation` is the file as a TensorFlow function.

Nothing else in this room may import TensorFlow, and this part imports it inside functions.
"""

import os

# What TensorFlow's C++ side says of CUDA and processors; it reads this when it is loaded.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
