"""`.tflite` files, written by ourselves: open `artifact` first, then `float` or `int8`, then `container`."""
