"""Choosing what a recipe leaves out: by counting, by measuring here, by looking at texts."""
