"""An OpenAI-compatible server for language models."""
