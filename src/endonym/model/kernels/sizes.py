"""Sizes and rules of the kernels, by which memory is counted too. Imports no torch."""

CHUNK_LOGITS = 1 << 24
"""Logits held at once: 32 MB in bf16. With fewer the matrix products are too narrow to be fast."""
CPU_CHUNK = 64
CHUNK = 128
"""Tokens of a chunk of Mamba-2, on a CPU and elsewhere.

Longer chunks take more exponentials (C per token), shorter ones more states.
"""
LENGTHS = sorted(length << shift for length in (32, 48) for shift in range(12))
"""Lengths that segments of packed rows are padded to, where attention on a CPU computes their
documents apart; at most half is padding."""
LAYING_OUT = 256
"""Cost of copying a token into a segment and back, in keys that attention could read instead.

Measured forward and backward in fp32 and bf16, with 3 and 8 heads. Cutting rows of 256 tokens was
always slower (4 layers of 192 channels, documents of 19 tokens: a step took 1.25 times as long).
"""
LONGEST_WHOLE_SCORES = 1024
"""Longest rows in bf16, cut or not, whose attention scores are all saved; longer need memory."""


def padded(length: int) -> int:
    """The padded length of a segment that holds a document."""
    return next((each for each in LENGTHS if each >= length), length)


def is_cut(length: int, window: int | None) -> bool:
    """Whether a document is cut after every window; a piece then also reads the one before it."""
    return window is not None and length > 2 * window


def is_cutting_worth(keys: int, tokens: int, context: int) -> bool:
    """Whether cutting rows is faster. keys: read by all their tokens together if they are cut."""
    return keys + LAYING_OUT * tokens <= tokens * context


def keys_a_token(context: int, window: int | None, longest_document: int) -> int | None:
    """Keys that a token is multiplied with, masked ones included; None if rows are not cut.

    Exact if all documents are as long as the longest, and an upper bound otherwise: rows of shorter
    ones may be cut although this returns None.
    """
    longest = min(longest_document, context)
    keys = 2 * (window or 0) if is_cut(longest, window) else padded(longest)
    return keys if is_cutting_worth(keys, 1, context) else None
