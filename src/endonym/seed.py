"""Random streams, named by purpose and derived from a recipe's one seed."""

import hashlib


def named_seed(seed: int, *purpose: str | int) -> int:
    """63 bits for one purpose: SHA-256 of the seed and the purpose's words. Stable everywhere."""
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "little") >> 1
