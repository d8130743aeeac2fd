"""Photos of a list looked at by many machines: the same vectors as on one, since only where they are made differs.

Open `cluster_work` first: a list's photos as calls of a Ray cluster. `looking` is what runs on its nodes, `nodes` what
they are asked before, `connection` how a cluster is reached. Nothing else imports Ray. May import the rooms up to
`features`.
"""
