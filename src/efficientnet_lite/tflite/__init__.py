"""`.tflite` files, written by ourselves: open `artifact` first, then `float` or `int8`, then `container`.

`metadata`, `identity` and `label_files` are what stands beside the operators. May import the rooms up to `weights`.
"""
