"""A head on frozen features: `features` extracts and keeps them, `head` fits the logistic regression."""
