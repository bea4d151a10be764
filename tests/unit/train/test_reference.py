"""What the starting weights say is computed once, in pieces, and the same after a kill."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_conversations import write_toy_examples
from toys import lively_decoder, toy_config

from endonym.train import inputs as module
from endonym.train.distributed import ALONE
from endonym.train.inputs import reference

CONFIG = toy_config(vocab=24, context=32)


def computed(folder: Path, tokens: Any, asked: list[int]) -> np.ndarray:
    def make() -> Any:
        asked.append(1)
        return lively_decoder(CONFIG)

    return reference(make, tokens, context=32, folder=folder, device="cpu", group=ALONE)


def test_pieces_that_are_whole_are_kept_and_others_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PIECE_TOKENS", 64)
    tokens, _ = write_toy_examples(tmp_path / "a", "preferences", vocab=24, longest=32)
    asked: list[int] = []
    whole = computed(tmp_path / "one", tokens, asked)
    pieces = sorted((tmp_path / "one").glob("reference-train-*.f4"))
    assert len(pieces) > 2
    assert asked == [1]
    assert (computed(tmp_path / "one", tokens, asked) == whole).all()
    assert asked == [1]
    before = [piece.read_bytes() for piece in pieces]
    pieces[1].unlink()
    pieces[2].write_bytes(before[2][:-3])  # as after a power cut
    assert (computed(tmp_path / "one", tokens, asked) == whole).all()
    assert asked == [1, 1]
    for place in range(0, len(before[0]), 7):
        flipped = bytearray(before[0])
        flipped[place] ^= 16
        pieces[0].write_bytes(flipped)
        assert (computed(tmp_path / "one", tokens, asked) == whole).all()
    other = module._piece(np.full(1, -2.0))  # whole, but of other examples
    for odd in (b"", b"null", before[0] + before[0][-4:], before[0][:32], other):
        pieces[0].write_bytes(odd)
        assert (computed(tmp_path / "one", tokens, asked) == whole).all()
    assert [piece.read_bytes() for piece in pieces] == before
    assert (whole < 0).all()


def test_it_is_the_sum_over_learnt_tokens(tmp_path: Path) -> None:
    tokens, _ = write_toy_examples(tmp_path / "a", "preferences", vocab=24, longest=32)
    found = computed(tmp_path / "one", tokens, [])
    from endonym.generate.reading import read_nats

    decoder = lively_decoder(CONFIG)
    for number in range(len(tokens)):
        here = slice(tokens.starts[number], tokens.starts[number] + tokens.lengths[number])
        (nats,) = read_nats(decoder, [tokens.ids[here].astype(np.int64)], tokens.end_id)
        expected = -float(nats[tokens.learnt[here] > 0].sum())
        assert found[number] == pytest.approx(expected, rel=1e-4)
