"""The classes of `transformers` that say our shapes, a file for each way of naming things."""
