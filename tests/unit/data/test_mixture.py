"""Mixtures: shares of tokens, each source in its own order, nothing read twice."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import distinct_documents, write_toy_shards

from endonym.data.batches import Batches
from endonym.data.order import (
    Mixture,
    Order,
    Share,
    largest_gap,
    main_source,
    parts_of,
    rows_by_source,
)
from endonym.data.shards import TokenShards

CONTEXT = 8
NAMES = ("web", "books", "songs")


def shards_of(folder: Path, count: int = 60) -> TokenShards:
    """Documents of three sources in turn, in which no id stands twice."""
    documents, vocab = distinct_documents([3 + n % 11 for n in range(count)])
    return write_toy_shards(folder, documents, vocab=vocab, sources=NAMES)[0]


def mixture_of(shards: TokenShards, **shares: float) -> Mixture:
    given = [Share(name, share) for name, share in shares.items()]
    return Mixture(shards, given, context=CONTEXT, seed=5)


def source_of_ids(shards: TokenShards) -> dict[int, str]:
    """The source of each id, by reading the documents."""
    documents = [shards.document(number) for number in range(len(shards))]
    return {int(i): shards.sources[each.source] for each in documents for i in each.ids}


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=8), st.integers(1, 5000))
def test_after_any_number_of_rows_each_source_has_its_share_to_within_two_rows(
    weights: list[int], count: int
) -> None:
    shares = sorted((each / sum(weights) for each in weights), reverse=True)
    mixture = Mixture.__new__(Mixture)
    mixture.parts = parts_of(shares)
    numbers, indices = mixture.chosen(np.arange(count))
    for number, share in enumerate(shares):
        here = np.cumsum(numbers == number)
        assert np.abs(here - share * np.arange(1, count + 1)).max() <= 2
        assert indices[numbers == number].tolist() == list(range(int(here[-1])))
    named = [Share(f"{n:02d}", share) for n, share in enumerate(shares)]
    assert (
        list(rows_by_source(named, count).values())
        == np.bincount(numbers, minlength=len(shares)).tolist()
    )


def test_shares_hold_at_every_hundredth_of_a_run_by_the_ids_that_were_read(tmp_path: Path) -> None:
    shards = shards_of(tmp_path)
    known, planned = source_of_ids(shards), {"web": 0.1, "books": 0.85, "songs": 0.05}
    batches = Batches(mixture_of(shards, **planned), rows=10)
    read, counted = dict.fromkeys(NAMES, 0), dict.fromkeys(NAMES, 0)
    for step in range(200):
        batch = batches[step]
        for tokens, targets in zip(
            batch.tokens_BT.tolist(), batch.targets_BT.tolist(), strict=True
        ):
            # A row is of one source: any of its ids tells which.
            (name,) = {known[each] for each in (*tokens, *targets) if each in known}
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
    shards = shards_of(tmp_path)
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
    shards = shards_of(tmp_path)
    first = Mixture(shards, [Share("web", 0.5), Share("books", 0.5)], context=CONTEXT, seed=5)
    read = rows_by_source([Share("web", 0.5), Share("books", 0.5)], 21)
    later = Mixture(shards, [Share("web", 1.0, read["web"])], context=CONTEXT, seed=5)
    alone = Order(shards, context=CONTEXT, seed=5, source="web")
    whole = alone.rows(0, read["web"] + 4).tokens_BT.tolist()
    rows = first.rows(0, 21)
    web = [each.source for each in first.shares].index("web")
    here = (rows.documents_BT % 2 == web).all(axis=1)
    assert [*rows.tokens_BT[here].tolist(), *later.rows(0, 4).tokens_BT.tolist()] == whole


def test_rows_do_not_depend_on_how_many_are_asked_for_at_once(tmp_path: Path) -> None:
    mixture = mixture_of(shards_of(tmp_path), web=0.7, songs=0.3)
    together = mixture.rows(3, 40)
    for number in range(40):
        alone = mixture.rows(3 + number, 1)
        assert alone.tokens_BT[0].tolist() == together.tokens_BT[number].tolist()
        assert alone.documents_BT[0].tolist() == together.documents_BT[number].tolist()


def test_an_epoch_ends_when_the_source_with_the_largest_share_was_read_once(tmp_path: Path) -> None:
    shards = shards_of(tmp_path)
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
def test_the_fewer_rows_a_slice_has_the_further_its_shares_are_off(
    rows: int, points: float
) -> None:
    given = [Share("web", 0.1), Share("books", 0.9)]
    mixture = Mixture.__new__(Mixture)
    mixture.parts = parts_of([0.9, 0.1])
    books = mixture.chosen(np.arange(100 * rows))[0].reshape(100, rows) == 0
    gap = np.abs(books.mean(axis=1) - 0.9).max()
    assert largest_gap(given, range(rows, 100 * rows + 1, rows)) == pytest.approx(gap)
    assert gap <= points / 100 + 1e-9
    assert largest_gap([Share("web", 1.0)], [4, 4, 9]) == 0


@pytest.mark.parametrize("rows", [3, 5, 8])
def test_a_source_that_gets_too_little_is_off_as_well(rows: int) -> None:
    """The largest one lacks what two small ones have too much of."""
    given = [Share("books", 0.5), Share("songs", 0.25), Share("web", 0.25)]
    mixture = Mixture.__new__(Mixture)
    mixture.parts = parts_of([0.5, 0.25, 0.25])
    chosen = mixture.chosen(np.arange(40 * rows))[0].reshape(40, rows)
    means = np.stack([(chosen == number).mean(axis=1) for number in range(3)], axis=1)
    gap = np.abs(means - np.array([0.5, 0.25, 0.25])).max()
    assert largest_gap(given, range(rows, 40 * rows + 1, rows)) == pytest.approx(gap)
    ends = [4, 5, 8]  # of the second slice the web or the songs have nothing
    assert largest_gap(given, ends) == pytest.approx(
        max(
            np.abs((chosen.ravel()[first:end] == number).mean() - share).max()
            for first, end in ((0, 4), (4, 5), (5, 8))
            for number, (_, share, _) in enumerate(given)
        )
    )


def test_of_equal_shares_the_largest_source_is_an_epoch(tmp_path: Path) -> None:
    documents, vocab = distinct_documents([3 + 9 * (n % 3 == 1) for n in range(60)])
    shards = write_toy_shards(tmp_path, documents, vocab=vocab, sources=NAMES)[0]
    sizes = {
        name: Order(shards, context=CONTEXT, seed=0, source=name).positions_per_epoch
        for name in NAMES
    }
    assert sizes["web"] == sizes["songs"] < sizes["books"]
    for names in (("web", "books"), ("books", "songs")):
        found = mixture_of(shards, **dict.fromkeys(names, 0.5)).positions_per_epoch
        assert found == 2 * sizes["books"]
    assert main_source({"books": 0.5, "songs": 0.5}, {"books": 3, "songs": 5}) == "songs"
    assert main_source({"songs": 0.4, "books": 0.2, "web": 0.4}, sizes) == "songs"
    assert main_source({"web": 0.5, "books": 0.4, "songs": 0.1}, sizes) == "web"


def test_joined_documents_of_one_source_end_with_line_ends_and_others_do_not(
    tmp_path: Path,
) -> None:
    documents, vocab = distinct_documents([3 + n % 3 for n in range(60)])
    shards, _ = write_toy_shards(
        tmp_path, documents, vocab=vocab + 1, sources=("lines", "news"), line_end=vocab
    )
    given = [Share("lines", 0.5), Share("news", 0.5)]
    rows = Mixture(shards, given, context=64, seed=5, join=["lines"]).rows(0, 12)
    lines = (rows.documents_BT % 2 == 0).all(axis=1)
    assert (rows.targets_BT[lines] == vocab).any()
    assert not (rows.targets_BT[lines] == shards.end_id).any()
    assert not (rows.targets_BT[~lines] == vocab).any()
