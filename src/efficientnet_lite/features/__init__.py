"""Feature vectors: `feature_store` is what `train` keeps, `extract` what `embed` makes of any number of photos.

Open `extract` first. May import the rooms up to `runtimes`.
"""
