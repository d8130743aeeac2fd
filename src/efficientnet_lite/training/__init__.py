"""Training from scratch and fine-tuning, on Keras 3 with any backend; recipes and schedules need none."""
