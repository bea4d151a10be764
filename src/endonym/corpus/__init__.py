"""The steps that make a corpus; making.py tells the story."""
