"""Named random streams: the same on every machine, different for every purpose."""

import hashlib

from endonym.seed import named_seed


def test_a_seed_is_the_hash_of_its_purpose() -> None:
    digest = hashlib.sha256(b"7/init/embedding.weight").hexdigest()
    first_eight = bytes.fromhex(digest[:16])
    number = sum(byte << (8 * index) for index, byte in enumerate(first_eight))
    assert named_seed(7, "init", "embedding.weight") == number // 2


def test_seeds_never_change() -> None:
    assert named_seed(0, "order", 0) == 3991725939186754870
    assert named_seed(2**62, "таш") == 7653124827615182929


def test_every_purpose_and_every_seed_has_its_own_stream() -> None:
    found = {named_seed(seed, word, n) for seed in range(9) for word in "ab" for n in range(9)}
    assert len(found) == 9 * 2 * 9
    assert all(0 <= seed < 2**63 for seed in found)
