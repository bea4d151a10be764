"""Validation on held-out text: the right tokens, the right sources, and no trace left behind."""

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from toys import END, distinct_documents, lively_decoder, toy_config, toy_decoder, write_toy_shards

from endonym.data.order import Order
from endonym.data.shards import TokenShards
from endonym.model.decoder import Decoder
from endonym.train import inputs as module
from endonym.train.distributed import Group
from endonym.train.inputs import VALIDATION_SEED, judged_shares, validate


def held_out(folder: Path, lengths: list[int]) -> tuple[TokenShards, Decoder]:
    documents, vocab = distinct_documents(lengths)
    _, dev = write_toy_shards(folder, [[1]], documents, vocab=vocab, sources=("tatar", "khmer"))
    return dev, lively_decoder(toy_config(vocab=vocab, context=12))


@torch.no_grad()
def piece_nats(decoder: Decoder, tokens: list[int], targets: list[int]) -> list[float]:
    """A stretch of one document, read alone."""
    shares_TV = decoder.logits(torch.tensor([tokens]))[0].double().softmax(-1)
    return [-math.log(float(shares_TV[n, target])) for n, target in enumerate(targets)]


def slow_validation(dev: TokenShards, decoder: Decoder, rows: int) -> dict[str, tuple[float, int]]:
    """Nats and bytes of each source, document by document; ids show which source they are from.

    Text alone counts: what predicts end-of-text is left out.
    """
    documents = [dev.document(number) for number in range(len(dev))]
    source_of = {int(token): dev.sources[each.source] for each in documents for token in each.ids}
    totals: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0])
    found = Order(dev, context=decoder.config.context, seed=VALIDATION_SEED).rows(0, rows)
    for tokens, targets, numbers in zip(*(part.tolist() for part in found[:3]), strict=True):
        for number in dict.fromkeys(numbers):
            here = [index for index, each in enumerate(numbers) if each == number]
            inputs, outputs = [tokens[p] for p in here], [targets[p] for p in here]
            known = next(token for token in [*inputs, *outputs] if token != END)
            total = totals[source_of[known]]
            read = zip(piece_nats(decoder, inputs, outputs), outputs, strict=True)
            total[0] += sum(nats for nats, token in read if token != END)
            total[1] += sum(int(dev.byte_counts[token]) for token in outputs)
    return {name: (nats, int(n_bytes)) for name, (nats, n_bytes) in totals.items()}


LENGTHS = [9, 14, 5, 20, 11]
"""Sixty-four positions: five rows of twelve, and four that no validation reads."""
READINGS = [(LENGTHS, 10_000, 5), (LENGTHS, 30, 2), (LENGTHS, 1, 1), ([4, 2], 10_000, 1)]


@pytest.mark.parametrize(("lengths", "tokens", "rows"), [*READINGS, ([1, 2, 1, 1], 10_000, 1)])
def test_a_slow_validation_agrees(tmp_path: Path, lengths: list[int], tokens: int, rows: int):
    dev, decoder = held_out(tmp_path, lengths)
    expected = slow_validation(dev, decoder, rows)
    found = validate(decoder, dev, tokens, "cpu")
    nats = sum(part for part, _ in expected.values())
    n_bytes = sum(part for _, part in expected.values())
    order = Order(dev, context=12, seed=VALIDATION_SEED)
    assert found.n_tokens == int((order.rows(0, rows).targets_BT != END).sum())
    assert found.nats == pytest.approx(nats / found.n_tokens, rel=1e-5)
    assert found.bits_per_byte == pytest.approx(nats / math.log(2) / n_bytes, rel=1e-5)
    per_source = {name: part / math.log(2) / size for name, (part, size) in expected.items()}
    assert found.sources == pytest.approx(per_source, rel=1e-5)


def test_validation_reads_the_documents_of_a_joined_source_in_stretches(tmp_path: Path) -> None:
    """Line ends between them are text and predicted; an end-of-text would not be."""
    documents, line_end = distinct_documents([3, 2, 4, 2, 5, 3] * 40)
    keys = {"vocab": line_end + 1, "sources": ("tatar",), "line_end": line_end}
    _, dev = write_toy_shards(tmp_path, [[1]], documents, **keys)
    decoder = lively_decoder(toy_config(vocab=line_end + 1, context=24))
    order = Order(dev, context=24, seed=VALIDATION_SEED, join=("tatar",))
    targets = order.rows(0, order.positions_per_epoch // 24).targets_BT
    found = validate(decoder, dev, 10_000, "cpu", join=("tatar",))
    assert (targets == line_end).sum() > 0
    assert found.n_tokens == (targets != END).sum()
    n_bytes = dev.byte_counts[targets[targets != END]].sum()
    assert found.bits_per_byte * n_bytes == pytest.approx(found.nats * found.n_tokens / math.log(2))


def test_every_validation_reads_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    dev, decoder = held_out(tmp_path, LENGTHS)
    first = validate(decoder, dev, 60, "cpu")
    assert validate(decoder, dev, 60, "cpu") == first
    monkeypatch.setattr("endonym.train.inputs.ROWS_TOKENS", 1)
    assert validate(decoder, dev, 60, "cpu").nats == pytest.approx(first.nats, rel=1e-6)


def test_validation_leaves_dropout_and_the_random_stream_as_they_were(tmp_path: Path) -> None:
    dev, lively = held_out(tmp_path, [9, 14])
    decoder = toy_decoder(toy_config(vocab=25, context=12, dropout=0.5)).train()
    decoder.load_state_dict(lively.state_dict())
    torch.manual_seed(3)
    state = torch.get_rng_state()
    found = validate(decoder, dev, 100, "cpu")
    assert decoder.training
    assert torch.equal(torch.get_rng_state(), state)
    assert found.nats == pytest.approx(validate(lively, dev, 100, "cpu").nats)


class Unheard(Group):
    """One of several processes that hears nothing of the others."""

    def total(self, tensor: Tensor) -> Tensor:
        """What this process has."""
        return tensor


@pytest.mark.parametrize(("size", "together"), [(2, 2), (3, 1), (7, 2)])
def test_the_validations_of_several_processes_make_up_that_of_one(
    size: int, together: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    val, decoder = held_out(tmp_path, LENGTHS)
    alone = validate(decoder, val, 10_000, "cpu")
    monkeypatch.setattr("endonym.train.inputs.ROWS_TOKENS", 12 * together)
    groups = [Unheard(rank, size) for rank in range(size)]
    parts = [validate(decoder, val, 10_000, "cpu", group=each) for each in groups]
    assert sum(part.n_tokens for part in parts) == alone.n_tokens
    nats = sum(part.nats * part.n_tokens for part in parts)
    assert nats / alone.n_tokens == pytest.approx(alone.nats, rel=1e-6)


def test_with_shares_the_loss_is_that_of_the_mixture(tmp_path: Path):
    documents, vocab = distinct_documents([5 + n % 9 for n in range(60)])
    sources = ("tatar", "romanian", "khmer")
    _, dev = write_toy_shards(tmp_path, [[1]], documents, vocab=vocab, sources=sources)
    decoder = lively_decoder(toy_config(vocab=vocab, context=12))
    alone = {name: validate(decoder, dev, 4000, "cpu", shares={name: 1.0}) for name in dev.sources}
    mixed = validate(decoder, dev, 4000, "cpu", shares={"tatar": 0.25, "khmer": 0.75})
    assert mixed.nats == pytest.approx(0.25 * alone["tatar"].nats + 0.75 * alone["khmer"].nats)
    sizes = {name: each.nats / math.log(2) / each.bits_per_byte for name, each in alone.items()}
    size = 0.25 * sizes["tatar"] + 0.75 * sizes["khmer"]
    assert mixed.bits_per_byte == pytest.approx(mixed.nats / math.log(2) / size)
    assert mixed.sources.keys() == {"tatar", "romanian", "khmer"}
    for name in ("tatar", "khmer"):
        assert mixed.sources[name] == pytest.approx(alone[name].bits_per_byte)


def test_sources_without_dev_text_are_left_out_of_the_loss_and_alone_they_are_none(tmp_path: Path):
    documents, vocab = distinct_documents([5 + n % 9 for n in range(60)])
    sources = ("tatar", "romanian")
    write_toy_shards(tmp_path, [[1]], documents, vocab=vocab, sources=sources)
    told = json.loads((tmp_path / "shards.json").read_text(encoding="utf-8"))
    told["sources"].append("novel")  # one book, which training has
    (tmp_path / "shards.json").write_text(json.dumps(told), encoding="utf-8")
    dev = TokenShards(tmp_path, "dev")
    decoder = lively_decoder(toy_config(vocab=vocab, context=12))
    given = {"novel": 0.5, "tatar": 0.375, "romanian": 0.125}
    assert judged_shares(dev, given) == {"tatar": 0.75, "romanian": 0.25}
    found = validate(decoder, dev, 4000, "cpu", shares=given)
    assert found == validate(decoder, dev, 4000, "cpu", shares={"tatar": 0.75, "romanian": 0.25})
    alone = validate(decoder, dev, 4000, "cpu", shares={"novel": 1.0})
    assert alone == validate(decoder, dev, 4000, "cpu")
    assert alone.nats > 1


def test_watched_sources_get_a_fifth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    documents, vocab = distinct_documents([5 + n % 9 for n in range(60)])
    names = ("tatar", "khmer", "romanian")
    _, dev = write_toy_shards(tmp_path, (), documents, vocab=vocab, sources=names)
    decoder = lively_decoder(toy_config(vocab=vocab, context=12))
    asked: dict[str, int] = {}

    def batches(decoder: object, order: Order, rows: range, **keys: object) -> Iterator[object]:
        asked[order.streams[0]] = len(rows)
        return iter(())

    monkeypatch.setattr(module, "scored_batches", batches)
    for shares, wanted in (
        ({"tatar": 1.0}, (10, 1, 1)),
        ({"tatar": 0.25, "khmer": 0.75}, (2, 7, 2)),
        ({"tatar": 0.5, "khmer": 0.25, "romanian": 0.25}, (6, 3, 3)),
    ):
        validate(decoder, dev, 150, "cpu", shares=shares)
        assert tuple(asked[name] for name in names) == wanted
