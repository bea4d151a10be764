"""Looks at held-out text in turns: none of its rows is left out, however they fall into turns."""

from pathlib import Path

import pytest
from toys import distinct_documents, lively_decoder, toy_config, write_toy_shards

from endonym.train.validate import look

LENGTHS = [9, 14, 5, 20, 11]
"""Sixty-four positions: five rows of twelve, and four that no look reads."""


@pytest.mark.parametrize("together", [1, 2, 3, 4, 5, 9])
def test_the_last_turn_of_a_look_may_be_a_short_one(
    together: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents, vocab = distinct_documents(LENGTHS)
    _, val = write_toy_shards(tmp_path, [[1]], documents, vocab=vocab, sources=("tatar", "khmer"))
    decoder = lively_decoder(toy_config(vocab=vocab, context=12))
    at_once = look(decoder, val, 10_000, "cpu")
    monkeypatch.setattr("endonym.train.validate.ROWS_TOKENS", 12 * together)
    in_turns = look(decoder, val, 10_000, "cpu")
    assert in_turns.n_tokens == at_once.n_tokens
    assert in_turns.nats == pytest.approx(at_once.nats, rel=1e-6)
    assert in_turns.sources == pytest.approx(at_once.sources, rel=1e-6)
