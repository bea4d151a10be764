"""Uses of a trained model: continuing a text."""
