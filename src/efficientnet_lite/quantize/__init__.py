"""From floats to integers: open `stages` first, which names the steps in order.

`calibration` chooses the photos that set the ranges. May import the rooms up to `neighbors`.
"""
