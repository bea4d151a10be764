"""Batches: rows as tensors, split into parts that fit in memory, shared among processes."""

import threading
from pathlib import Path

import pytest
import torch
from toys import distinct_documents, write_toy_shards

from endonym.data.batches import Batch, Batches
from endonym.data.order import Mixture, Order, Rows
from endonym.train.distributed import Group

Patch = pytest.MonkeyPatch


@pytest.fixture
def batches(tmp_path: Path) -> Batches:
    documents, vocab = distinct_documents([6, 9, 3, 14, 5])
    shards, _ = write_toy_shards(tmp_path, documents, vocab=vocab)
    return Batches(Order(shards, context=4, seed=9), rows=5)


def test_the_batch_of_a_step_holds_the_rows_that_follow_the_step_before(batches: Batches) -> None:
    rows = batches.order.rows(0, 15)
    for step in (2, 0, 1):
        assert batches.row_numbers(step) == range(step * 5, step * 5 + 5)
        batch = batches[step]
        for found, part in zip(
            (batch.tokens_BT, batch.targets_BT, batch.documents_BT), rows[:3], strict=True
        ):
            assert found.dtype == torch.int64
            assert found.tolist() == part[step * 5 : step * 5 + 5].tolist()


def test_parts_of_a_batch_are_the_batch(batches: Batches) -> None:
    batch = batches[1]
    parts = list(batch.micro_batches(2))
    assert [(len(part), part.whole_rows) for part in parts] == [(2, 5), (2, 5), (1, 5)]
    for name in ("tokens_BT", "targets_BT", "documents_BT"):
        joined = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(joined, getattr(batch, name))
    assert len(list(Batch.micro_batches(batch, 99))) == 1


def test_tokens_are_counted_by_source(batches: Batches, tmp_path: Path, monkeypatch: Patch):
    documents, vocab = distinct_documents([6, 9, 3, 14, 5])
    names = ("tatar", "khmer")
    shards, _ = write_toy_shards(tmp_path / "two", documents, vocab=vocab, sources=names)
    two = Batches(Order(shards, context=4, seed=9), rows=5)
    assert sum(two[0].read.values()) == two.tokens
    assert set(two[0].read) == set(names)

    def looked_up(*_: object) -> None:
        raise AssertionError("documents were looked up")

    monkeypatch.setattr(Order, "originals", looked_up)
    assert batches[0].read == {}
    alone = Mixture(batches.order.shards, {"letters": 1.0}, context=4, seed=9)
    assert Batches(alone, rows=5)[0].read == {}


def test_epochs_are_tokens_over_positions(batches: Batches) -> None:
    assert batches.tokens == 20
    assert batches.order.positions_per_epoch == 6 + 9 + 3 + 14 + 5 + 5
    assert batches.epochs(21) == pytest.approx(21 * 20 / 42)


def test_rows_for_a_gpu_are_prepared_while_it_works(batches: Batches, monkeypatch: Patch):
    """Without a GPU: what is pinned is put on the processor."""
    made: list[tuple[int, bool]] = []
    rows = Order.rows

    def noted(order: Order, first: int, count: int) -> Rows:
        made.append((first // 5, threading.current_thread() is threading.main_thread()))
        return rows(order, first, count)

    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda part: part)
    monkeypatch.setattr(Batch, "to", lambda batch, device: batch)
    expected = {step: batches[step].tokens_BT.tolist() for step in (0, 1, 2, 7, 8)}
    monkeypatch.setattr(Order, "rows", noted)
    ahead = Batches(batches.order, rows=5, device="cuda:0")
    for step in (0, 1, 2, 7, 8):
        assert ahead[step].tokens_BT.tolist() == expected[step]
    by_us = [step for step, is_main in made if is_main]
    assert by_us == [0, 7], "only what does not follow on the step before is waited for"


def test_line_ends_count_as_bytes_of_a_pass(tmp_path: Path) -> None:
    documents, vocab = distinct_documents([5] * 40)
    shards, _ = write_toy_shards(tmp_path, documents, vocab=vocab + 1, line_end=vocab)
    order = Order(shards, context=60, seed=2, join=["letters"])
    text = sum(int(shards.byte_counts[ids].sum()) for ids in documents)
    per_token = order.bytes_per_position
    assert per_token == pytest.approx((text + 40) / order.positions_per_epoch)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_the_shares_of_all_processes_are_the_batch_row_by_row(size: int, tmp_path: Path) -> None:
    documents, vocab = distinct_documents([9, 14, 5, 20, 11, 30])
    train, _ = write_toy_shards(tmp_path, documents, vocab=vocab)
    batches = Batches(Order(train, context=6, seed=3), rows=4)
    for step in (0, 1, 5):
        whole = batches[step]
        shares = [batches.part(step, Group(rank, size).share(4)) for rank in range(size)]
        assert sum(map(len, shares)) == len(whole) == 4
        for name in ("tokens_BT", "targets_BT", "documents_BT"):
            parts = [getattr(share, name) for share in shares if len(share)]
            assert torch.equal(torch.cat(parts), getattr(whole, name)), name
