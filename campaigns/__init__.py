"""What is sent, when, and what became of it."""
