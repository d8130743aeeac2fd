"""The order of each command, and nothing else: what is done stands in the rooms below.

A file is a command, and what Python calls; `train` goes on in `learn`. May import every room but `cli`.
"""
