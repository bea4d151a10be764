"""Order: every position once an epoch; joined documents in stretches; mixtures by shares."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toys import END, distinct_documents, write_toy_shards

from endonym.data.batches import Batches
from endonym.data.config import PackConfig
from endonym.data.order import (
    Mixture,
    Order,
    largest_gap,
    main_source,
    parts_of,
    rows_by_source,
    shuffled,
)
from endonym.data.shards import TokenShards
from endonym.errors import RecipeError

Patch = pytest.MonkeyPatch

SETTINGS = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=12)
CONTEXTS = st.integers(1, 24)
SEEDS = st.integers(0, 2**62)


def shards_of(folder: Path, lengths: list[int]) -> TokenShards:
    documents, vocab = distinct_documents(lengths)
    return write_toy_shards(folder, documents, vocab=vocab)[0]


def visits(order: Order, rows: int) -> list[tuple[int, int, int]]:
    """Every (input, target, document number) of the first rows."""
    found = order.rows(0, rows)
    return list(zip(*(part.flatten().tolist() for part in found[:3]), strict=True))


def positions(lengths: list[int]) -> set[tuple[int, int]]:
    """Input and target of every position that a pass must visit, read off the documents."""
    documents, _ = distinct_documents(lengths)
    rows = [[END, *ids, END] for ids in documents]
    return {pair for row in rows for pair in pairwise(row)}


@SETTINGS
@given(lengths=LENGTHS, context=CONTEXTS, seed=SEEDS, epochs=st.integers(1, 4))
def test_every_position_is_visited_exactly_once_an_epoch(
    tmp_path: Path, lengths: list[int], context: int, seed: int, epochs: int
) -> None:
    order = Order(shards_of(tmp_path, lengths), context=context, seed=seed)
    n_rows = -(-epochs * (sum(lengths) + len(lengths)) // context)
    seen = visits(order, n_rows)
    assert len(seen) == n_rows * context
    by_epoch: dict[int, list[tuple[int, int]]] = {}
    for token, target, number in seen:
        by_epoch.setdefault(number // len(lengths), []).append((token, target))
    for epoch in range(max(by_epoch) + 1):
        assert len(by_epoch[epoch]) == len(set(by_epoch[epoch]))
        assert set(by_epoch[epoch]) <= positions(lengths)
        assert epoch >= epochs or set(by_epoch[epoch]) == positions(lengths)


@SETTINGS
@given(lengths=LENGTHS, context=CONTEXTS, seed=SEEDS, first=st.integers(0, 40))
def test_a_row_is_the_same_whatever_was_read_before_it(
    tmp_path: Path, lengths: list[int], context: int, seed: int, first: int
) -> None:
    shards = shards_of(tmp_path, lengths)
    used = Order(shards, context=context, seed=seed)
    together = used.rows(0, first + 3)[:3]
    for number in reversed(range(first, first + 3)):
        alone = Order(shards, context=context, seed=seed).rows(number, 1)[:3]
        again = used.rows(number, 1)[:3]
        for whole, one, two in zip(together, alone, again, strict=True):
            np.testing.assert_array_equal(whole[number], one[0])
            np.testing.assert_array_equal(whole[number], two[0])


def test_a_document_longer_than_many_rows_keeps_its_number_in_all_of_them(tmp_path: Path) -> None:
    order = Order(shards_of(tmp_path, [100]), context=8, seed=1)
    tokens_BT, _, numbers_BT = order.rows(0, 13)[:3]
    begins = tokens_BT[:, 0].tolist()
    assert begins != sorted(begins)
    assert sorted(begins) == list(range(0, 104, 8))
    last = begins.index(96)
    assert numbers_BT[last].tolist() == [0] * 5 + [1] * 3
    assert set(np.delete(numbers_BT, last, axis=0).flatten().tolist()) == {0}


def test_the_order_differs_between_epochs_and_between_seeds(tmp_path: Path) -> None:
    shards = shards_of(tmp_path, [7] * 32)
    orders = {
        tuple(Order(shards, context=8, seed=seed).rows(epoch * 32, 32).tokens_BT.flatten().tolist())
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(orders) == 9
    passes = [Order(shards, context=8, seed=s).epoch(n) for s in range(3) for n in range(3)]
    for part in ("documents", "rows"):
        assert len({tuple(getattr(each, part).tolist()) for each in passes}) == 9


def test_rows_of_an_epoch_are_shuffled_so_that_a_book_is_not_read_page_by_page(tmp_path: Path):
    order = Order(shards_of(tmp_path, [640]), context=8, seed=0)
    begins = order.rows(0, 80).tokens_BT[:, 0]
    neighbours = np.abs(np.diff(begins)) == 8
    assert neighbours.mean() < 0.15


def test_several_shards_are_read_as_one(tmp_path: Path, monkeypatch: Patch) -> None:
    lengths = [9, 4, 17, 3, 8, 1, 12]
    whole = Order(shards_of(tmp_path / "one", lengths), context=7, seed=5)
    monkeypatch.setattr("endonym.data.shards.SHARD_TOKENS", 12)
    shards = shards_of(tmp_path / "many", lengths)
    assert len(shards.parts) == 4
    many = Order(shards, context=7, seed=5).rows(0, 30)
    for one, other in zip(whole.rows(0, 30)[:3], many[:3], strict=True):
        np.testing.assert_array_equal(one, other)


def test_shuffling_is_a_permutation_that_no_library_version_may_change() -> None:
    assert sorted(shuffled(1000, 7).tolist()) == list(range(1000))
    assert shuffled(0, 7).tolist() == []
    assert shuffled(8, 42).tolist() == philox_order(8, 42)


def philox_order(count: int, key: int) -> list[int]:
    """The same by Philox 4x64-10 written out (Salmon et al. 2011, section 3.3)."""
    mask, numbers, counter = (1 << 64) - 1, [], 1
    while len(numbers) < count:
        a, b, c, d = counter, 0, 0, 0
        low, high = key & mask, key >> 64
        for _ in range(10):
            first, second = a * 0xD2E7470EE14C6C93, c * 0xCA5A826395121157
            a, b = (second >> 64) ^ b ^ low, second & mask
            c, d = (first >> 64) ^ d ^ high, first & mask
            low, high = (low + 0x9E3779B97F4A7C15) & mask, (high + 0xBB67AE8584CAA73B) & mask
        numbers += [a, b, c, d]
        counter += 1
    return sorted(range(count), key=lambda index: numbers[index])


def test_the_original_of_a_numbered_document_is_found_in_every_epoch(tmp_path: Path) -> None:
    lengths = [3, 5, 2, 8]
    order = Order(shards_of(tmp_path, lengths), context=6, seed=11)
    documents, _ = distinct_documents(lengths)
    found = order.rows(0, 20)
    originals = order.originals(found.documents_BT)
    for token, original in zip(found.tokens_BT.flatten(), originals.flatten(), strict=True):
        assert token == END or int(token) in documents[int(original)]


def with_line_end(
    folder: Path, lengths: list[int], **keys: Any
) -> tuple[TokenShards, list[list[int]], int]:
    """Shards of such documents, the documents, and the id of a line end."""
    documents, vocab = distinct_documents(lengths)
    shards, _ = write_toy_shards(folder, documents, vocab=vocab + 1, line_end=vocab, **keys)
    return shards, documents, vocab


def joined(
    folder: Path, lengths: list[int], *, context: int = 64, positions: list[int] | None = None
) -> tuple[Order, int]:
    """The order of one joined source of such documents, and the id of its line end."""
    shards, _, line_end = with_line_end(folder, lengths, positions=positions)
    return Order(shards, context=context, seed=4, join=["letters"]), line_end


def counts(order: Order, epoch: int) -> np.ndarray:
    """How many documents each stretch of a pass holds, in the order of the shards."""
    return np.diff([*sorted(order.epoch(epoch).documents), len(order.lengths)])


def test_six_of_seven_are_read_alone_others_in_stretches_evenly_by_doublings(tmp_path: Path):
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


def test_stretches_are_drawn_anew_in_every_pass_and_are_the_same_in_every_process(tmp_path: Path):
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


def test_parts_of_a_text_are_read_as_one_up_to_what_is_held_out(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    monkeypatch.setattr("endonym.data.order.PART_BYTES", 0.5)
    positions = [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13]
    # They are joined even if each is longer than a row.
    order, line_end = joined(tmp_path, [20] * 12, context=16, positions=positions)
    for epoch in range(3):
        assert sorted(order.epoch(epoch).documents) == [0, 6, 10]
    rows = order.rows(0, order.first_row(3))
    assert (rows.targets_BT == line_end).any()
    assert not (rows.targets_BT == END).any()


def test_only_named_sources_are_joined_and_none_with_another(tmp_path: Path) -> None:
    sources = ["book"] * 10 + ["lines"] * 10 + ["news"] * 10
    shards = with_line_end(tmp_path, [3] * 30, sources=sources)[0]
    order = Order(shards, context=500, seed=1, join=["lines", "news"])
    passes = [set(order.epoch(epoch).documents.tolist()) for epoch in range(60)]
    assert all({*range(10), 10, 20} <= firsts for firsts in passes)
    assert set.intersection(*passes) == {*range(10), 10, 20}


def test_rows_are_as_many_with_and_without_joining(tmp_path: Path) -> None:
    order, _ = joined(tmp_path, [5, 8, 3] * 20)
    alone = Order(order.shards, context=64, seed=4)
    assert order.positions_per_epoch == alone.positions_per_epoch
    assert [order.first_row(n) for n in range(5)] == [alone.first_row(n) for n in range(5)]


def test_a_list_goes_on_where_a_stretch_is_over_and_a_book_ends(tmp_path: Path) -> None:
    sources = ["book"] * 10 + ["lines"] * 10
    shards, documents, line_end = with_line_end(tmp_path, [4] * 20, sources=sources)
    order = Order(shards, context=50, seed=1, join=["lines"])
    rows = order.rows(0, order.first_row(3))
    after = dict(zip(rows.tokens_BT.flatten(), rows.targets_BT.flatten(), strict=True))
    assert [after[ids[-1]] for ids in documents] == [END] * 10 + [line_end] * 10


def test_documents_as_long_as_a_row_are_read_alone(tmp_path: Path) -> None:
    order, line_end = joined(tmp_path, [63, 80, 49, 66, 70] * 4, context=64)
    assert all(len(order.epoch(epoch).documents) == 20 for epoch in range(4))
    rows = order.rows(0, order.first_row(1))
    assert (rows.targets_BT == END).sum() >= len(order.lengths)
    assert not (rows.targets_BT == line_end).any()


def test_a_source_that_is_not_there_and_a_missing_line_end_are_refused(tmp_path: Path) -> None:
    shards, _ = write_toy_shards(tmp_path, [[1, 2], [3]], vocab=5)
    with pytest.raises(RecipeError, match='no source is called "verse"; there are letters'):
        Order(shards, context=8, seed=0, join=["verse"])
    with pytest.raises(RecipeError, match="line end"):
        Order(TokenShards(tmp_path, "train"), context=8, seed=0, join=["letters"])


CONTEXT = 8
NAMES = ("web", "books", "songs")


def three_sources(folder: Path, count: int = 60) -> TokenShards:
    """Documents of three sources in turn, in which no id stands twice."""
    documents, vocab = distinct_documents([3 + n % 11 for n in range(count)])
    return write_toy_shards(folder, documents, vocab=vocab, sources=NAMES)[0]


def mixture_of(shards: TokenShards, **shares: float) -> Mixture:
    return Mixture(shards, shares, context=CONTEXT, seed=5)


def source_of_ids(shards: TokenShards) -> dict[int, str]:
    """The source of each id, by reading the documents."""
    documents = [shards.document(number) for number in range(len(shards))]
    return {int(i): shards.sources[each.source] for each in documents for i in each.ids}


def chosen(shares: list[float], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each of the first rows of a mixture, the source and the row of that source."""
    mixture = Mixture.__new__(Mixture)
    mixture.parts = parts_of({str(n): share for n, share in enumerate(shares)})
    return mixture.chosen(np.arange(count))


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=8), st.integers(1, 5000))
def test_at_any_row_each_source_has_its_share_within_two_rows(weights: list[int], count: int):
    shares = sorted((each / sum(weights) for each in weights), reverse=True)
    numbers, indices = chosen(shares, count)
    for number, share in enumerate(shares):
        here = np.cumsum(numbers == number)
        assert np.abs(here - share * np.arange(1, count + 1)).max() <= 2
        assert indices[numbers == number].tolist() == list(range(int(here[-1])))
    named = {f"{n:02d}": share for n, share in enumerate(shares)}
    counted = np.bincount(numbers, minlength=len(shares)).tolist()
    assert list(rows_by_source(named, count).values()) == counted


def test_shares_hold_at_every_hundredth_of_a_run_by_the_ids_that_were_read(tmp_path: Path) -> None:
    shards = three_sources(tmp_path)
    known, planned = source_of_ids(shards), {"web": 0.1, "books": 0.85, "songs": 0.05}
    batches = Batches(mixture_of(shards, **planned), rows=10)
    read, counted = dict.fromkeys(NAMES, 0), dict.fromkeys(NAMES, 0)
    for step in range(200):
        batch = batches[step]
        for ids in np.hstack([batch.tokens_BT, batch.targets_BT]).tolist():
            # A row is of one source: any of its ids tells which.
            (name,) = {known[each] for each in ids if each in known}
            read[name] += CONTEXT
        for name, count in batch.read.items():
            counted[name] += count
        if step % 2:
            total = sum(read.values())
            for name, share in planned.items():
                rows = total // CONTEXT
                assert abs(read[name] / total - share) <= (0.005 if rows >= 400 else 2 / rows)
    assert counted == read


def test_each_source_is_read_to_its_end_before_any_document_is_read_again(tmp_path: Path) -> None:
    shards = three_sources(tmp_path)
    mixture = mixture_of(shards, web=0.5, books=0.3, songs=0.2)
    rows = mixture.rows(0, 400)
    for number, order in enumerate(mixture.orders):
        here = (rows.documents_BT % 3 == number).all(axis=1)
        alone = order.rows(0, int(here.sum()))
        assert rows.tokens_BT[here].tolist() == alone.tokens_BT.tolist()
        assert rows.targets_BT[here].tolist() == alone.targets_BT.tolist()
        once = order.positions_per_epoch // CONTEXT
        seen = alone.targets_BT[:once].flatten()
        seen = seen[seen != shards.end_id]
        # The last row of an epoch ends in the next one.
        assert len(seen) - len(set(seen.tolist())) < CONTEXT


def test_a_later_phase_goes_on_where_an_earlier_one_stopped(tmp_path: Path) -> None:
    shards = three_sources(tmp_path)
    first = mixture_of(shards, web=0.5, books=0.5)
    read = rows_by_source({"web": 0.5, "books": 0.5}, 21)
    later = Mixture(shards, {"web": 1.0}, context=CONTEXT, seed=5, first_rows=read)
    alone = Order(shards, context=CONTEXT, seed=5, source="web")
    whole = alone.rows(0, read["web"] + 4).tokens_BT.tolist()
    rows = first.rows(0, 21)
    web = list(first.shares).index("web")
    here = (rows.documents_BT % 2 == web).all(axis=1)
    assert [*rows.tokens_BT[here].tolist(), *later.rows(0, 4).tokens_BT.tolist()] == whole


def test_rows_do_not_depend_on_how_many_are_asked_for_at_once(tmp_path: Path) -> None:
    mixture = mixture_of(three_sources(tmp_path), web=0.7, songs=0.3)
    together = mixture.rows(3, 40)
    for number in range(40):
        alone = mixture.rows(3 + number, 1)
        assert alone.tokens_BT[0].tolist() == together.tokens_BT[number].tolist()
        assert alone.documents_BT[0].tolist() == together.documents_BT[number].tolist()


def test_an_epoch_ends_when_the_source_with_the_largest_share_was_read_once(tmp_path: Path) -> None:
    shards = three_sources(tmp_path)
    mixture = mixture_of(shards, web=0.2, books=0.8)
    books = Order(shards, context=CONTEXT, seed=0, source="books").positions_per_epoch
    assert mixture.positions_per_epoch == pytest.approx(books / 0.8, abs=1)
    texts = [shards.document(n) for n in range(len(shards))]
    sizes = {name: [0, 0] for name in NAMES}
    for each in texts:
        sizes[shards.sources[each.source]][0] += int(shards.byte_counts[each.ids].sum())
        sizes[shards.sources[each.source]][1] += len(each.ids) + 1
    wanted = sum(share * sizes[n][0] / sizes[n][1] for n, share in (("web", 0.2), ("books", 0.8)))
    assert mixture.bytes_per_position == pytest.approx(wanted)


@pytest.mark.parametrize(("rows", "points"), [(1, 90.0), (8, 10.0), (30, 3.4), (200, 0.5)])
def test_the_fewer_rows_a_slice_has_the_further_its_shares_are_off(rows: int, points: float):
    given = {"web": 0.1, "books": 0.9}
    books = chosen([0.9, 0.1], 100 * rows)[0].reshape(100, rows) == 0
    gap = np.abs(books.mean(axis=1) - 0.9).max()
    assert largest_gap(given, range(rows, 100 * rows + 1, rows)) == pytest.approx(gap)
    assert gap <= points / 100 + 1e-9
    assert largest_gap({"web": 1.0}, [4, 4, 9]) == 0


@pytest.mark.parametrize("rows", [3, 5, 8])
def test_a_source_that_gets_too_little_is_off_as_well(rows: int) -> None:
    """The largest one lacks what two small ones have too much of."""
    given = {"books": 0.5, "songs": 0.25, "web": 0.25}
    found = chosen([0.5, 0.25, 0.25], 40 * rows)[0]
    # Of the second of the unequal slices the web or the songs have nothing.
    for ends in (range(rows, 40 * rows + 1, rows), [4, 5, 8]):
        gap = max(
            abs((found[first:end] == number).mean() - share)
            for first, end in pairwise([0, *ends])
            for number, share in enumerate(given.values())
        )
        assert largest_gap(given, ends) == pytest.approx(gap)


def test_of_equal_shares_the_largest_source_is_an_epoch(tmp_path: Path) -> None:
    documents, vocab = distinct_documents([3 + 9 * (n % 3 == 1) for n in range(60)])
    shards = write_toy_shards(tmp_path, documents, vocab=vocab, sources=NAMES)[0]
    orders = {name: Order(shards, context=CONTEXT, seed=0, source=name) for name in NAMES}
    sizes = {name: order.positions_per_epoch for name, order in orders.items()}
    assert sizes["web"] == sizes["songs"] < sizes["books"]
    for names in (("web", "books"), ("books", "songs")):
        found = mixture_of(shards, **dict.fromkeys(names, 0.5)).positions_per_epoch
        assert found == 2 * sizes["books"]
    assert main_source({"books": 0.5, "songs": 0.5}, {"books": 3, "songs": 5}) == "songs"
    assert main_source({"songs": 0.4, "books": 0.2, "web": 0.4}, sizes) == "songs"
    assert main_source({"web": 0.5, "books": 0.4, "songs": 0.1}, sizes) == "web"


def test_joined_documents_of_one_source_end_with_line_ends_and_others_do_not(tmp_path: Path):
    lengths = [3 + n % 3 for n in range(60)]
    shards, _, line_end = with_line_end(tmp_path, lengths, sources=("lines", "news"))
    given = {"lines": 0.5, "news": 0.5}
    rows = Mixture(shards, given, context=64, seed=5, join=["lines"]).rows(0, 12)
    lines = (rows.documents_BT % 2 == 0).all(axis=1)
    assert (rows.targets_BT[lines] == line_end).any()
    assert not (rows.targets_BT[lines] == shards.end_id).any()
    assert not (rows.targets_BT[~lines] == line_end).any()
