"""What leaves as a file or folder, one module for each kind."""
