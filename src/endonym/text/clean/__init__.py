"""Cleaning: rules that change a text, and rules that refuse it with a reason."""
