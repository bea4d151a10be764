"""Validation in chunks and by several processes: no row of dev text is left out or read twice."""

from pathlib import Path

import pytest
from torch import Tensor
from toys import distinct_documents, lively_decoder, toy_config, write_toy_shards

from endonym.data.shards import TokenShards
from endonym.model.decoder import Decoder
from endonym.train.distributed import Group
from endonym.train.validate import validate

LENGTHS = [9, 14, 5, 20, 11]
"""Sixty-four positions: five rows of twelve, and four that no validation reads."""


class Unheard(Group):
    """One of several processes that hears nothing of the others."""

    def total(self, tensor: Tensor) -> Tensor:
        """What this process has."""
        return tensor


def held_out(folder: Path) -> tuple[TokenShards, Decoder]:
    documents, vocab = distinct_documents(LENGTHS)
    _, val = write_toy_shards(folder, [[1]], documents, vocab=vocab, sources=("tatar", "khmer"))
    return val, lively_decoder(toy_config(vocab=vocab, context=12))


@pytest.mark.parametrize("together", [1, 2, 3, 4, 5, 9])
def test_the_last_chunk_of_a_validation_may_be_a_short_one(
    together: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    val, decoder = held_out(tmp_path)
    at_once = validate(decoder, val, 10_000, "cpu")
    monkeypatch.setattr("endonym.train.validate.ROWS_TOKENS", 12 * together)
    in_chunks = validate(decoder, val, 10_000, "cpu")
    assert in_chunks.n_tokens == at_once.n_tokens
    assert in_chunks.nats == pytest.approx(at_once.nats, rel=1e-6)
    assert in_chunks.sources == pytest.approx(at_once.sources, rel=1e-6)


@pytest.mark.parametrize("together", [1, 2])
@pytest.mark.parametrize("size", [2, 3, 4, 7])
def test_the_validations_of_several_processes_make_up_that_of_one(
    size: int, together: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    val, decoder = held_out(tmp_path)
    alone = validate(decoder, val, 10_000, "cpu")
    monkeypatch.setattr("endonym.train.validate.ROWS_TOKENS", 12 * together)
    parts = [
        validate(decoder, val, 10_000, "cpu", group=Unheard(rank, size)) for rank in range(size)
    ]
    assert sum(part.n_tokens for part in parts) == alone.n_tokens
    nats = sum(part.nats * part.n_tokens for part in parts)
    assert nats / alone.n_tokens == pytest.approx(alone.nats, rel=1e-6)
