"""How near a file is to what it came from, and how good it is: open `gate` first, which has the bars.

`parity` holds a file to numpy, `replay` two files of a run to each other on photos, `golden` keeps outputs for later.
May import the rooms up to `quantize`.
"""
