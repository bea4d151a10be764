"""From documents to batches; and baselines that need only counting."""
