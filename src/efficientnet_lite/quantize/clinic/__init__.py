"""What int8 costs a finished file, and where: open `substitution` first, which measures the share of each part.

`integer_file` reads a file's integers, `prepared` finds the float network of the same form behind them.
"""
