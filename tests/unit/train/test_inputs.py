"""Held-out answers and pairs, and what the starting weights say of pairs, computed once."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_conversations import toy_inputs, write_toy_examples
from toys import distinct_documents, lively_decoder, toy_config, train_config, write_toy_shards

from endonym.data.order import Mixture, Order
from endonym.data.subwords import Subwords
from endonym.generate.reading import read_nats
from endonym.train import inputs as module
from endonym.train.config import SourceShare
from endonym.train.distributed import ALONE
from endonym.train.inputs import TrainingInputs, reference

CONFIG = toy_config(vocab=24, context=32)


def test_the_loss_of_answers_is_per_learnt_token(tmp_path: Path) -> None:
    decoder = lively_decoder(CONFIG)
    inputs = toy_inputs(tmp_path / "a", "chat", decoder, tmp_path / "work")
    phase = train_config(context=32, objective="chat", eval_tokens=10_000)
    found = inputs.validate(decoder, phase, ALONE)
    assert found.n_tokens == inputs.dev.totals()["learnt"]
    expected = found.nats * found.n_tokens / math.log(2) / inputs.dev.totals()["bytes"]
    assert found.bits_per_byte == pytest.approx(expected)
    assert not found.figures
    one, other = (inputs.batches(phase, 32, seed)[0].tokens_BT.tolist() for seed in (1, 2))
    assert one != other


def test_pairs_tell_accuracy_and_margin(tmp_path: Path) -> None:
    decoder = lively_decoder(CONFIG)
    inputs = toy_inputs(tmp_path / "a", "preferences", decoder, tmp_path / "work")
    phase = train_config(context=32, objective="preferences", eval_tokens=10_000, beta=0.5)
    start = inputs.validate(decoder, phase, ALONE)
    assert start.nats == pytest.approx(math.log(2), abs=1e-5)
    assert start.figures["margin"] == pytest.approx(0.0, abs=1e-4)
    assert start.figures["accuracy"] == 0.5  # every pair is a tie, whatever its rounding


def test_figures_of_pairs_are_those_of_their_log_probabilities(tmp_path: Path) -> None:
    """Those of both decoders, by `reference`."""
    decoder, moved = lively_decoder(CONFIG), lively_decoder(CONFIG, seed=3)
    inputs = toy_inputs(tmp_path / "a", "preferences", decoder, tmp_path / "work")
    phase = train_config(context=32, objective="preferences", eval_tokens=10_000, beta=0.5)
    found = inputs.validate(moved, phase, ALONE)
    folder = tmp_path / "moved"
    keys = {"context": 32, "folder": folder, "device": "cpu", "group": ALONE}
    logs = reference(lambda: moved, inputs.dev, **keys)
    gains = 0.5 * (logs - inputs.references["dev"]).reshape(-1, 2)
    margins = gains[:, 0] - gains[:, 1]
    assert (margins < 0).any()
    assert (margins > 0).any()
    assert found.n_tokens == len(margins) == len(inputs.dev) // 2
    assert found.figures["accuracy"] == (margins > 0).mean()
    assert found.figures["margin"] == pytest.approx(margins.mean(), rel=1e-4)
    assert found.nats == pytest.approx(np.log1p(np.exp(-margins)).mean(), rel=1e-4)
    ids = [inputs.dev.answers(number)[0] for number in range(0, len(inputs.dev), 2)]
    n_bytes = inputs.dev.byte_counts[np.concatenate(ids)].sum()
    assert found.bits_per_byte == pytest.approx(-logs[::2].sum() / math.log(2) / n_bytes, rel=1e-4)


def computed(folder: Path, tokens: Any, asked: list[int]) -> np.ndarray:
    def make() -> Any:
        asked.append(1)
        return lively_decoder(CONFIG)

    return reference(make, tokens, context=32, folder=folder, device="cpu", group=ALONE)


def test_whole_pieces_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
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
    for place in range(0, len(before[0]), 29):
        flipped = bytearray(before[0])
        flipped[place] ^= 16
        pieces[0].write_bytes(flipped)
        assert (computed(tmp_path / "one", tokens, asked) == whole).all()
    other = module._piece_bytes(np.full(1, -2.0))  # whole, but of other examples
    for odd in (b"", b"null", before[0] + before[0][-4:], before[0][:32], other):
        pieces[0].write_bytes(odd)
        assert (computed(tmp_path / "one", tokens, asked) == whole).all()
    assert [piece.read_bytes() for piece in pieces] == before
    assert (whole < 0).all()


def test_it_is_the_sum_over_learnt_tokens(tmp_path: Path) -> None:
    tokens, _ = write_toy_examples(tmp_path / "a", "preferences", vocab=24, longest=32)
    found = computed(tmp_path / "one", tokens, [])
    decoder = lively_decoder(CONFIG)
    for number in range(len(tokens)):
        here = slice(tokens.starts[number], tokens.starts[number] + tokens.lengths[number])
        (nats,) = read_nats(decoder, [tokens.ids[here].astype(np.int64)], [tokens.end_id])
        expected = -float(nats[tokens.learnt[here] > 0].sum())
        assert found[number] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("shares", [{}, {"tatar": 0.75, "khmer": 0.25}])
def test_texts_are_read_as_their_phase_says(tmp_path: Path, shares: dict[str, float]) -> None:
    documents, vocab = distinct_documents([30, 9, 22, 14, 25, 7])
    names = ("tatar", "khmer")
    train, dev = write_toy_shards(
        tmp_path, documents, documents[:2], vocab=vocab + 1, line_end=vocab, sources=names
    )
    parts = np.full(vocab + 1, -1)
    subwords = Subwords(parts, parts, 0.5, 3)
    inputs = TrainingInputs(
        train, dev, tmp_path, 9.0, device="cpu:0", join=("khmer",), subwords=subwords
    )
    firsts = {"tatar": 3, "khmer": 1}
    sources = [SourceShare(name=n, share=s, first_row=firsts[n]) for n, s in shares.items()]
    phase = train_config(context=8, batch_tokens=29).but(sources=(*sources,))
    batches = inputs.batches(phase, 8, 4)
    assert (batches.rows, batches.device, batches.subwords is subwords) == (3, "cpu:0", True)
    expected = (
        Mixture(train, shares, context=8, seed=4, join=("khmer",), first_rows=firsts)
        if shares
        else Order(train, context=8, seed=4, join=("khmer",))
    )
    assert type(batches.order) is type(expected)
    found, wanted = batches.order.rows(0, 9), expected.rows(0, 9)
    assert [each.tolist() for each in found[:3]] == [each.tolist() for each in wanted[:3]]
    plain = TrainingInputs(train, dev, tmp_path, 9.0).batches(phase, 8, 4)
    assert (plain.device, plain.subwords) == ("cpu", None)
