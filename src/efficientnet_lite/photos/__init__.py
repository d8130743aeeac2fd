"""Photos, from a folder or a manifest to pixels as a model takes them: found, counted, decoded, viewed, split.

Open `dataset` first, for what a folder means, `decode` for where bytes become pixels (and where a photo is refused),
`contract` for what a model expects of an image. May import the ground and `storage`.
"""
