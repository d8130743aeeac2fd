"""Photos, from a folder or a manifest to pixels as the model takes them: found, counted, decoded, viewed, split.

`contract` is what a model expects of an image, `decode` the one place where bytes become pixels, `dataset` what a
folder means, `accounting` what became of every photo.
"""
