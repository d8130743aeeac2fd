"""Feature vectors: `feature_store` is what `train` keeps, `extract` what `embed` makes of any number of photos.

Open `extract` first: photos to vectors. Which photos: `sources/`. How vectors are written and resumed: `vector_folder`.
May import the rooms up to `runtimes`.
"""
