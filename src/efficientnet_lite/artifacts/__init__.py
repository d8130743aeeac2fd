"""What leaves as a file or folder: open `kind` first (what a kind is), then `kinds` (which there are).

Each kind is one module; `publication` is the one transaction of all. Modules that end in `_graph` need a library of an
extra and are imported where they are used. May import the rooms up to `proof`.
"""
