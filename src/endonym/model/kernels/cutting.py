"""Whether packed rows are cut into documents for attention on a CPU, by lengths alone.

Imports no torch: memory is counted by the same rule.
"""

LENGTHS = sorted(length << shift for length in (32, 48) for shift in range(12))
"""Stretches are padded to one of these: half more at most."""
LAYING_OUT = 256
"""What laying a token out and back costs, as keys that it could have looked at instead.

Measured forward and back in fp32 and bf16, 3 and 8 heads: rows of 256 tokens were never worth
cutting (4 layers of 192 channels, documents of 19 tokens: a step took 1.25 times as long).
"""
LONGEST_WHOLE_SCORES = 1024
"""Rows in bf16, cut or not, that have their scores computed and kept whole: longer ones would fill
the memory."""


def padded(length: int) -> int:
    """The length of the stretch in which a document is laid out."""
    return next((each for each in LENGTHS if each >= length), length)


def is_cut(length: int, window: int | None) -> bool:
    """Whether a document is cut after every window: pieces also read as much before them."""
    return window is not None and length > 2 * window


def is_worth(keys: int, tokens: int, context: int) -> bool:
    """Whether cutting pays, for rows of so many tokens in all, which then look at so many keys."""
    return keys + LAYING_OUT * tokens <= tokens * context


def keys_a_token(context: int, window: int | None, longest_document: int) -> int | None:
    """Keys that a token looks at, those it may not see included; None where rows are whole.

    Exact where all documents are as long as the longest, and an upper bound otherwise: of shorter
    ones, rows may be cut where this says that they are whole.
    """
    longest = min(longest_document, context)
    keys = 2 * (window or 0) if is_cut(longest, window) else padded(longest)
    return keys if is_worth(keys, 1, context) else None
