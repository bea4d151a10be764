"""A recipe: one TOML file that says everything about a language model. Imports no torch."""
