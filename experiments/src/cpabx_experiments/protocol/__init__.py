"""What is trained, on what, and for how long."""
