"""A head on frozen features, which `features/feature_store` keeps: the logistic regression and its path of strengths.

Open `head` first. May import the rooms up to `features`.
"""
