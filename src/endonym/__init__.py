"""endonym makes a language model of your own language from your own texts, and measures it."""
