"""GGUF files, which llama.cpp and the programs that are built on it load."""
