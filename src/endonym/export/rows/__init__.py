"""Classes of `transformers`, a file for each naming scheme."""
