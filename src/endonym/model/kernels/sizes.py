"""Chunk sizes of kernels, which the memory formula also uses. Imports no torch."""

CHUNK_LOGITS = 1 << 24
"""Logits held at once: 32 MB in bf16. With fewer the matrix products are too narrow to be fast."""
CPU_CHUNK, CHUNK = 64, 128
"""Tokens of a chunk of Mamba-2, on a CPU and elsewhere.

Longer chunks take more exponentials (C per token), shorter ones more states.
"""
