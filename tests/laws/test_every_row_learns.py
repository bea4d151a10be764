"""Every family overfits one batch: nothing between its parts stops a gradient."""

import pytest
import torch
from laws.shapes import NAMED, OF_FAMILY, shape
from toys import toy_decoder, toy_texts, toy_tokenizer, train_config

from endonym.data.batches import Batch
from endonym.train.optimizer import Optimizer
from endonym.train.step import require_finite, take_step

STEPS, ENOUGH = 200, 0.1
ROWS, CONTEXT = 4, 32
ALL = [
    name
    for name, (family, variant) in NAMED.items()
    if variant in {"plain", *OF_FAMILY.get(family, {})} - {"self", "capped"}
]
"""A window of the token itself knows too little, and capped logits cannot be sure enough."""


def one_batch() -> Batch:
    """Rows of Tatar, Romanian, French and Khmer sentences, two documents in each."""
    tokenizer = toy_tokenizer("bpe")
    ids = [index for text in toy_texts()[::9] for index in tokenizer.encode(text)]
    tokens_BT = torch.tensor(ids[: ROWS * CONTEXT]).view(ROWS, CONTEXT)
    documents_BT = torch.arange(CONTEXT).expand(ROWS, -1) // 19
    return Batch(tokens_BT[:, :-1], tokens_BT[:, 1:], documents_BT[:, :-1])


@pytest.mark.parametrize("name", ALL)
def test_one_batch_is_learnt_by_heart(name: str) -> None:
    config = shape(*NAMED[name], vocab=toy_tokenizer("bpe").vocab, context=CONTEXT)
    decoder = toy_decoder(config).train()
    phase = train_config(lr=1e-2, embedding_lr=2e-2, weight_decay=0.0)
    optimizer, batch = Optimizer(decoder, phase), one_batch()
    nats: list[float] = []
    while len(nats) < STEPS and min(nats, default=9.0) >= ENOUGH:
        refuses = require_finite(name)
        step = take_step(optimizer, batch, lr_scale=1.0, rows=ROWS, refuses=refuses)
        nats.append(step.nats)
    assert nats[0] > 5.5
    assert min(nats) < ENOUGH
