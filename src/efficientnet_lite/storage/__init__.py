"""Where what we write lies on the user's disk, and what of it is ours: files, folders, targets, the cache.

`files` is the one door to the file system, `folders` the one atomic replacement of a folder.
"""
