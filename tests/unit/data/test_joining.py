"""Joined documents: neighbours in stretches of random length, with line ends between them."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from toys import END, distinct_documents, write_toy_shards

from endonym.data.batches import Batches
from endonym.data.config import PackConfig
from endonym.data.order import Order
from endonym.data.shards import TokenShards
from endonym.errors import RecipeError


def joined(
    folder: Path, lengths: list[int], *, context: int = 64, positions: list[int] | None = None
) -> tuple[Order, int]:
    """The order of one joined source of such documents, and the id of its line end."""
    documents, vocab = distinct_documents(lengths)
    shards, _ = write_toy_shards(
        folder, documents, vocab=vocab + 1, line_end=vocab, positions=positions
    )
    return Order(shards, context=context, seed=4, join=["letters"]), vocab


def counts(order: Order, epoch: int) -> np.ndarray:
    """How many documents each stretch of a pass holds, in the order of the shards."""
    return np.diff([*sorted(order.epoch(epoch).documents), len(order.lengths)])


def test_every_document_is_read_once_a_pass_and_a_line_end_follows_each(
    tmp_path: Path,
) -> None:
    lengths = [3, 9, 1, 4, 12, 6, 2, 5] * 6
    order, line_end = joined(tmp_path, lengths)
    documents, _ = distinct_documents(lengths)
    for epoch in range(4):
        per_epoch = order.positions_per_epoch
        rows = order.rows(0, -(-(epoch + 1) * per_epoch // order.context))
        here = rows.documents_BT // len(lengths) == epoch
        pairs = list(zip(rows.tokens_BT[here], rows.targets_BT[here], strict=True))
        inner = {pair for ids in documents for pair in pairwise(ids)}
        firsts = {ids[0]: ids[-1] for ids in documents}
        expected = list(inner)
        stretches = np.split(np.arange(len(lengths)), np.cumsum(counts(order, epoch))[:-1])
        for stretch in stretches:
            ids = [documents[number] for number in stretch]
            expected += [(END, ids[0][0]), (ids[-1][-1], line_end)]
            expected += [(before[-1], line_end) for before in ids[:-1]]
            expected += [(line_end, after[0]) for after in ids[1:]]
        assert sorted(pairs) == sorted(expected)
        assert len(firsts) == len(documents)


def test_six_of_seven_are_read_alone_others_in_stretches_evenly_by_doublings(
    tmp_path: Path,
) -> None:
    order, _ = joined(tmp_path, [9] * 3_000, context=320)
    lengths = np.concatenate([order.epoch(number).lengths for number in range(4)])
    assert lengths.min() == 10
    assert 300 < lengths.max() <= 330
    alone = (lengths == 10).sum() / (4 * 3_000)
    assert 0.83 < alone < 0.89
    # Log-uniform from 10 to 320: each doubling is as likely as another.
    doublings = np.histogram(np.log2(lengths / 10), bins=[0.5, 1.5, 2.5, 3.5, 4.5])[0]
    assert doublings.min() > 0.15 * (lengths > 10).sum()
    # What a usual token is read with, as speed is probed.
    expected = PackConfig(context=320, join=("letters",)).usual_length(10)
    assert (lengths**2).sum() / lengths.sum() == pytest.approx(expected, rel=0.1)


def test_stretches_are_drawn_anew_in_every_pass_and_are_the_same_in_every_process(
    tmp_path: Path,
) -> None:
    order, _ = joined(tmp_path, [4, 7, 2] * 40)
    again = Order(order.shards, context=64, seed=4, join=["letters"])
    other = Order(order.shards, context=64, seed=5, join=["letters"])
    assert counts(order, 0).tolist() == counts(again, 0).tolist()
    assert counts(order, 0).tolist() != counts(order, 1).tolist()
    assert counts(order, 0).tolist() != counts(other, 0).tolist()


def test_what_is_held_out_in_between_is_not_bridged(tmp_path: Path) -> None:
    # Positions 6 and 11 are in another split: documents 6 and 10 begin stretches of their own.
    positions = [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13]
    order, _ = joined(tmp_path, [2] * 12, context=2_000, positions=positions)
    for epoch in range(10):
        assert {0, 6, 10} <= set(order.epoch(epoch).documents.tolist())
    assert any(len(order.epoch(epoch).documents) == 3 for epoch in range(10))


def test_only_named_sources_are_joined_and_none_with_another(tmp_path: Path) -> None:
    documents, vocab = distinct_documents([3] * 30)
    sources = ["book"] * 10 + ["lines"] * 10 + ["news"] * 10
    shards, _ = write_toy_shards(
        tmp_path, documents, vocab=vocab + 1, sources=sources, line_end=vocab
    )
    order = Order(shards, context=500, seed=1, join=["lines", "news"])
    passes = [set(order.epoch(epoch).documents.tolist()) for epoch in range(60)]
    assert all({*range(10), 10, 20} <= firsts for firsts in passes)
    assert set.intersection(*passes) == {*range(10), 10, 20}


def test_rows_are_as_many_with_and_without_joining(tmp_path: Path) -> None:
    order, _ = joined(tmp_path, [5, 8, 3] * 20)
    alone = Order(order.shards, context=64, seed=4)
    assert order.positions_per_epoch == alone.positions_per_epoch
    assert [order.first_row(n) for n in range(5)] == [alone.first_row(n) for n in range(5)]


def test_line_ends_count_as_bytes_of_a_pass(tmp_path: Path) -> None:
    documents, vocab = distinct_documents([5] * 40)
    shards, _ = write_toy_shards(tmp_path, documents, vocab=vocab + 1, line_end=vocab)
    order = Order(shards, context=60, seed=2, join=["letters"])
    text = sum(int(shards.byte_counts[ids].sum()) for ids in documents)
    per_token = Batches(order, rows=2).bytes_per_token
    assert per_token == pytest.approx((text + 40) / order.positions_per_epoch)


def test_a_list_goes_on_where_a_stretch_is_over_and_a_book_ends(tmp_path: Path) -> None:
    documents, vocab = distinct_documents([4] * 20)
    sources = ["book"] * 10 + ["lines"] * 10
    shards, _ = write_toy_shards(
        tmp_path, documents, vocab=vocab + 1, sources=sources, line_end=vocab
    )
    order = Order(shards, context=50, seed=1, join=["lines"])
    rows = order.rows(0, order.first_row(3))
    after = dict(zip(rows.tokens_BT.flatten(), rows.targets_BT.flatten(), strict=True))
    lasts = [after[ids[-1]] for ids in documents]
    assert lasts == [END] * 10 + [vocab] * 10


def test_several_shards_are_not_read_across(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endonym.data.shards.SHARD_TOKENS", 12)
    order, line_end = joined(tmp_path, [3] * 20, context=500)
    assert len(order.shards.parts) > 3
    tokens_BT, targets_BT, _ = order.rows(0, 1)
    assert line_end in tokens_BT
    firsts = order.shards.index["shard"][order.epoch(0).documents]
    assert set(firsts) == set(range(len(order.shards.parts)))
    inside = tokens_BT[:, 1:] != END
    np.testing.assert_array_equal(tokens_BT[:, 1:][inside], targets_BT[:, :-1][inside])


def test_documents_as_long_as_a_row_are_read_alone(tmp_path: Path) -> None:
    order, line_end = joined(tmp_path, [63, 80, 49, 66, 70] * 4, context=64)
    assert all(len(order.epoch(epoch).documents) == 20 for epoch in range(4))
    rows = order.rows(0, order.first_row(1))
    assert (rows.targets_BT == END).sum() >= len(order.lengths)
    assert not (rows.targets_BT == line_end).any()


def test_a_source_that_is_not_there_and_a_missing_line_end_are_refused(tmp_path: Path) -> None:
    shards, _ = write_toy_shards(tmp_path, [[1, 2], [3]], vocab=5)
    with pytest.raises(RecipeError, match='no source is called "verse"'):
        Order(shards, context=8, seed=0, join=["verse"])
    with pytest.raises(RecipeError, match="line end"):
        Order(TokenShards(tmp_path, "train"), context=8, seed=0, join=["letters"])
