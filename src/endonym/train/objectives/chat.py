"""The answers of conversations: the mean over all answer tokens of a batch."""

from endonym.data.batches import Batch
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.kernels.loss import summed_nats
from endonym.model.span import Span
from endonym.train.objectives.objective import Loss, Objective


def loss(decoder: AnyDecoder, batch: Batch) -> Loss:
    """Summed nats of the targets that are learnt: -Σ ln p(target). Their weights are 1, or 0."""
    assert batch.weights_BT is not None, "conversations say what is learnt"
    hidden_BTD, penalty = decoder(batch.tokens_BT, Span.packed(batch.documents_BT))
    learnt_N = batch.weights_BT.flatten().nonzero()[:, 0]
    hidden_ND = hidden_BTD.flatten(0, 1)
    if not len(learnt_N):  # a blank micro-batch, or a row without an answer here
        nothing = hidden_ND.sum() * 0.0
        return Loss(nothing.float(), nothing.float())
    targets_N = batch.targets_BT.flatten()[learnt_N]
    nats = summed_nats(hidden_ND[learnt_N], decoder.readout, targets_N)
    return Loss(nats, nats + penalty * len(learnt_N))


def weight(batch: Batch) -> float:
    """How many targets are learnt."""
    assert batch.weights_BT is not None, "conversations say what is learnt"
    return float(batch.weights_BT.sum())


CHAT = Objective(loss, weight)
