"""A head on frozen features: `head` fits the logistic regression on what `features/feature_store` keeps.

May import the rooms up to `features`.
"""
