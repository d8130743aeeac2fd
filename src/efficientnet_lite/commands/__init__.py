"""The order of each command, and nothing else: what is done stands in the rooms below."""
