"""Law 5, for data: rows, baselines and readings equal their slow, obvious counterparts."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference.counting import SlowCounts
from reference.order import rows_of
from reference.reading import document_nats
from toys import END, lively_decoder, toy_config, write_toy_shards

from endonym.data.baselines import count
from endonym.data.order import Epoch, Order
from endonym.generate.reading import read_nats
from endonym.model.families import FAMILIES

VOCAB = 9
SETTINGS = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
DOCUMENTS = st.lists(
    st.lists(st.integers(1, VOCAB - 1), min_size=1, max_size=15), min_size=1, max_size=6
)


@SETTINGS
@given(
    documents=DOCUMENTS,
    context=st.integers(1, 20),
    seed=st.integers(0, 99),
    join=st.sets(st.sampled_from(["prose", "verse"])),
)
def test_rows_equal_the_stream_of_all_epochs_written_down_and_cut(
    tmp_path: Path, documents: list[list[int]], context: int, seed: int, join: set[str]
) -> None:
    epochs = 3
    sources = ["prose" if n < len(documents) // 2 else "verse" for n in range(len(documents))]
    shards, _ = write_toy_shards(
        tmp_path, documents, vocab=VOCAB + 1, sources=sources, line_end=VOCAB
    )
    order = Order(shards, context=context, seed=seed, join=join & set(sources))
    # Documents that fill a row on average are not joined.
    sizes = {
        name: [len(ids) + 1 for ids, its in zip(documents, sources, strict=True) if its == name]
        for name in join
    }
    short = [name for name, each in sizes.items() if each and sum(each) < context * len(each)]
    passes = [order.epoch(number) for number in range(epochs + 20)]
    slow = rows_of(
        documents,
        [stretches(each, len(documents)) for each in passes],
        [each.rows.tolist() for each in passes[:epochs]],
        context=context,
        end_id=END,
        line_end=VOCAB,
        lists=[number for number, name in enumerate(sources) if name in short],
    )
    fast = order.rows(0, len(slow))
    for number, (tokens, targets, documents_T) in enumerate(slow):
        assert fast.tokens_BT[number].tolist() == tokens
        assert fast.targets_BT[number].tolist() == targets
        assert fast.documents_BT[number].tolist() == documents_T


def stretches(epoch: Epoch, count: int) -> list[list[int]]:
    """The documents of each stretch of a pass, in the order in which they are read."""
    firsts = sorted(epoch.documents.tolist())
    ends = dict(pairwise([*firsts, count]))
    return [list(range(first, ends[first])) for first in epoch.documents.tolist()]


@SETTINGS
@given(documents=DOCUMENTS, asked=DOCUMENTS)
def test_baselines_equal_counting_with_dictionaries(
    tmp_path: Path, documents: list[list[int]], asked: list[list[int]]
) -> None:
    fast = count(write_toy_shards(tmp_path, documents, vocab=VOCAB)[0])
    slow = SlowCounts(documents, vocab=VOCAB, end_id=END)
    for ids in asked:
        nats = fast.nats(np.array(ids))
        pairs = zip([END, *ids[:-1]], ids, strict=True)
        assert nats["bigram"].tolist() == pytest.approx(
            [-math.log(slow.bigram(before, token)) for before, token in pairs]
        )
        assert nats["unigram"].tolist() == pytest.approx(
            [-math.log(slow.unigram(token)) for token in ids]
        )


@pytest.mark.parametrize("context", [8, 9, 13])
@pytest.mark.parametrize("family", FAMILIES)
def test_reading_in_batches_equals_reading_window_by_window(family: str, context: int) -> None:
    decoder = lively_decoder(toy_config(family, vocab=VOCAB, context=context))
    random = np.random.default_rng(context)
    lengths = [1, 2, context - 2, context - 1, context, context + 1, 2 * context, 5 * context + 3]
    documents = [random.integers(1, VOCAB, size) for size in random.permutation(lengths)]
    found = list(read_nats(decoder, documents, [END]))
    for nats, ids in zip(found, documents, strict=True):
        assert nats.tolist() == pytest.approx(
            document_nats(decoder, ids.tolist(), END), rel=1e-4, abs=1e-5
        )
