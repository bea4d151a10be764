"""One offline HTML page a run: what came of it, drawn and said."""
