"""Where what we write lies on the user's disk, and what of it is ours."""
