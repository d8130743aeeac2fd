"""What the vectors of photos are good for: the nearest to a photo, near-duplicates, doubtful labels, a plane.

Open `vectors` first: a folder that `embed` wrote, as rows and numbers. May import the rooms up to `classifier`.
"""
