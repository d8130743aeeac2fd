"""What a stranger's `.tflite` file is asked before a runtime opens it: open `structure` first.

`operators` is the table of what may stand in a file. What accelerators take of one is in `accelerators`, asked by
`readiness`. May import the rooms up to `tflite`.
"""
