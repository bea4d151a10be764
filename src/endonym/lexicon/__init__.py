"""Words of texts: where they stand, and which of a corpus belong in a dictionary."""
