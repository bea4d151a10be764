"""Looking at texts before a corpus is made: what they are, what is wrong, and which rules help."""
