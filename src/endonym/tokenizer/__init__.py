"""Text to ids and back, without loss. Imports no torch."""
