"""Random seeds, derived by purpose from a recipe's one seed."""

import hashlib


def named_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose: SHA-256 of seed and purpose. The same on every machine."""
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "little") >> 1
