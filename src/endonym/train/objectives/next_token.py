"""The next token of a text: every target has the same weight."""

from endonym.data.batches import Batch
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.kernels.loss import summed_nats
from endonym.model.span import Span
from endonym.train.objectives.objective import Loss, Objective


def loss(decoder: AnyDecoder, batch: Batch) -> Loss:
    """Summed nats of all targets: -Σ ln p(target)."""
    hidden_BTD, penalty = decoder(batch.tokens_BT, Span.packed(batch.documents_BT))
    targets_N = batch.targets_BT.flatten()
    nats = summed_nats(hidden_BTD.flatten(0, 1), decoder.readout, targets_N)
    return Loss(nats, nats + penalty * len(targets_N))


def weight(batch: Batch) -> float:
    """How many targets there are."""
    return float(batch.targets_BT.numel())


NEXT_TOKEN = Objective(loss, weight)
