"""The stock way beside ours: Keras and the TFLite converter, in an environment of their own."""
