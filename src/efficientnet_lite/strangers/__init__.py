"""What a stranger's `.tflite` file is asked before a runtime opens it: open `structure` first.

And what accelerators take: `readiness`.
"""
