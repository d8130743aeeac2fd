"""EfficientNet-Lite: from a folder of photos to a verified int8 file, without TensorFlow.

Public names are resolved on first use, so that `import efficientnet_lite` costs nothing.
"""

__version__ = "0.1.0"
