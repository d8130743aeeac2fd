"""Where what we write lies on the user's disk, and what of it is ours: files, folders, targets, tables, the cache.

Open `files` first, the one door to the file system; `folders` has the one way a folder or artifact gets its name, and
`targets` the one rule for where something may be written. May import the ground.
"""
