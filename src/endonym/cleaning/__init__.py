"""Cleaning: rules that change a text, and rules that drop it with a reason."""
