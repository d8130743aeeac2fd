"""What learns by gradients, the extra `train`: open `simulation` first, the written file as a TensorFlow function.

Nothing else in this room may import TensorFlow, and this part imports it inside functions.
"""
