"""Handing a model over, in formats that others read."""
