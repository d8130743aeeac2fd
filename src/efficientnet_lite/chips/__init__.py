"""What the chips' own tools say of a `.tflite` file: open `tool` first, the way to ask one.

A tool is somebody else's program, of an extra, and dies, hangs or refuses as it likes: each runs in a process of its
own. May import the rooms up to `quantize`.
"""
