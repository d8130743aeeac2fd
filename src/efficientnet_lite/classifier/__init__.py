"""A head on frozen features: `features` extracts and keeps them, `head` fits the logistic regression.

Open `features` first. May import the rooms up to `runtimes`.
"""
