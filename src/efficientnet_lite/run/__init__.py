"""The run folder: what lies in it, how it is opened again, its card, its page."""
