"""Where photos are listed from: folders and files, manifests, archives, record files, tables, addresses.

Each module turns one kind of source into a stream of `SourceItem`. Open `named` first: what a caller names, told apart.
May import the rooms up to `records`.
"""
