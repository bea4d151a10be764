"""Documents and a tokenizer in, batches out; and the baselines that need only counting."""
