"""What is held out, and that no training text nearly repeats it."""
