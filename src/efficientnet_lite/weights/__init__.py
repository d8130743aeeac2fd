"""Weights of strangers and of the authors, read as if they meant harm: open `read` first.

Each format has a module of its own that gives plain arrays; `fit` brings them to the names of `network.plan`.
"""
