"""The photos that vectors are made of: folders, files, manifests, archives, record files, tables, addresses, as a list.

Open `photo_list` first: the list on the disk. `named` tells apart what a caller names, and a module for each kind of
source turns it into a stream of `SourceItem`. May import the rooms up to `records`.
"""
