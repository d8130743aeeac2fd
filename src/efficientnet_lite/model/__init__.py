"""The network as a Keras model, for who trains it. Keras 3 on any backend; nothing here knows which one."""
