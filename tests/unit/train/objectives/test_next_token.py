"""The next token of a text, as plain cross-entropy computes it."""

import torch
from torch.nn import functional as F
from toys import lively_decoder

from endonym.data.batches import Batch
from endonym.model.span import Span
from endonym.train.objectives.next_token import NEXT_TOKEN


def test_the_loss_is_the_sum_of_cross_entropies_and_every_target_weighs_the_same() -> None:
    decoder = lively_decoder()
    ids_BT = torch.randint(0, decoder.config.vocab, (3, 9), generator=torch.Generator())
    documents_BT = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 2]]).expand(3, 8)
    batch = Batch(ids_BT[:, :-1], ids_BT[:, 1:], documents_BT)
    loss = NEXT_TOKEN.loss(decoder, batch)
    logits_BTV = decoder.logits(batch.tokens_BT, Span.packed(documents_BT))
    plain = F.cross_entropy(logits_BTV.flatten(0, 1), ids_BT[:, 1:].flatten(), reduction="sum")
    torch.testing.assert_close(loss.nats, plain, rtol=1e-5, atol=0)
    assert torch.equal(loss.nats, loss.objective)
    assert NEXT_TOKEN.weight(batch) == 24
