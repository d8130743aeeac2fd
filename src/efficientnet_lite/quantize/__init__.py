"""From floats to integers: `stages` names the steps in order, `calibration` the photos that set the ranges."""
