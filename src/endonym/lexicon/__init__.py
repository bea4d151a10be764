"""Words of texts: where they stand, which belong in a dictionary, and how they are mistyped."""
