"""How near a file is to what it came from: open `gate` for the bars, `replay` for the proof of a run."""
