"""Weights, of strangers and of the authors: any checkpoint to arrays by the names of `network.plan`.

Open `read` first: each format has a module that gives plain arrays, and `fit` brings them to the plan's names. Every
byte is read as if it meant harm. May import the ground, `storage`, `photos` (the contract) and `network`.
"""
