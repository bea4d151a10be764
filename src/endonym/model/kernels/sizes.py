"""Sizes of the pieces that kernels work on; memory is counted by them. Imports no torch."""

CHUNK_LOGITS = 1 << 24
"""Logits that exist at once."""
CPU_CHUNK, CHUNK = 64, 128
"""Tokens of a chunk of Mamba-2, on a CPU and elsewhere."""
