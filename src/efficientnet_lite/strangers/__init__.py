"""What a stranger's `.tflite` file is asked before a runtime opens it: open `check` first.

And what accelerators take: `readiness`.
"""
