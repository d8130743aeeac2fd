"""Order and nothing else: what each command does, step by step."""
