"""Raw files to clean documents. Imports no torch."""
