"""Shares of a batch: what several processes read is together what one would have read."""

from pathlib import Path

import pytest
import torch
from toys import distinct_documents, write_toy_shards

from endonym.data.batches import Batches
from endonym.data.order import Order
from endonym.train.distributed import Group


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
