"""Adapters as folders of their own: low-rank matrices and DoRA, in our names and in PEFT's."""
