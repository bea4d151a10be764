"""Models in the transformers format: folders, weights, and classes that are not ours."""
