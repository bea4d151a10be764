"""What training minimises: the cross-entropy of tokens, also beside a teacher, or direct
preference optimization.

Source of the last: Rafailov et al. 2023, arXiv:2305.18290, equation 7, the mean over the pairs of
a batch: -ln σ(β ((ln π(c) - ln ρ(c)) - (ln π(r) - ln ρ(r)))), with c and r the chosen and the
rejected answer to the same prompt, π the model, and ρ the model before the phase
(`inputs.reference`).

N: tokens that are learnt. E: examples. P: pairs.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from endonym.data.batches import Batch
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.kernels.loss import learnable_nats, summed_nats, taught_nats
from endonym.model.span import Span
from endonym.train.config import BETA, TrainConfig
from endonym.train.teacher import Teach


class Loss(NamedTuple):
    """Sums over a micro-batch, with gradients.

    nats: the loss that is reported. objective: the loss to minimise, with the experts' penalty.
    """

    nats: Tensor
    objective: Tensor


class Objective(NamedTuple):
    """A kind of loss.

    loss: of a micro-batch, summed. weight: of the targets of a batch, or of a part of it; the sums
    of all micro-batches are divided by the sum of these.
    """

    loss: Callable[[AnyDecoder, Batch], Loss]
    weight: Callable[[Batch], float]


def cross_entropy(decoder: AnyDecoder, batch: Batch, teach: Teach | None = None) -> Loss:
    """Summed nats of the targets, -Σ ln p(target); with weights, of those of weight 1, not 0.

    teach: says what a teacher expects of them, if there is one (`taught_nats`).
    """
    learnt_N: Tensor | None = None
    hidden_BTD, penalty = decoder(batch.tokens_BT, Span.packed(batch.documents_BT))
    hidden_ND = hidden_BTD.flatten(0, 1)
    targets_N = batch.targets_BT.flatten()
    if batch.weights_BT is not None:
        learnt_N = batch.weights_BT.flatten().nonzero()[:, 0]
        if not len(learnt_N):  # a blank micro-batch, or a row without an answer here
            return _nothing(hidden_ND)
        hidden_ND = hidden_ND[learnt_N]
        targets_N = targets_N[learnt_N]
    if teach is None:
        loss = nats = summed_nats(hidden_ND, decoder.readout, targets_N)
    else:
        loss, nats = taught_nats(hidden_ND, decoder.readout, targets_N, teach(batch, learnt_N))
    return Loss(nats, loss + penalty * len(targets_N))


def _nothing(hidden_ND: Tensor) -> Loss:
    """A loss of zero with gradients of zero."""
    nothing = (hidden_ND.sum() * 0.0).float()
    return Loss(nothing, nothing)


def learnt_targets(batch: Batch) -> float:
    """How many targets there are, or are learnt."""
    weights_BT = batch.weights_BT
    return float(batch.targets_BT.numel() if weights_BT is None else weights_BT.sum())


CROSS_ENTROPY = Objective(cross_entropy, learnt_targets)


class Pairs(NamedTuple):
    """The pairs of a batch: where the tokens of their answers are, and what the reference says.

    learnt_N: indices of these tokens in the flat batch. examples_N: the example of each, even for a
    chosen answer and odd for a rejected one. reference_P2: log-probabilities of both answers.
    """

    learnt_N: Tensor
    examples_N: Tensor
    reference_P2: Tensor

    def __len__(self) -> int:
        return len(self.reference_P2)

    def margins(self, nats_N: Tensor, beta: float) -> Tensor:
        """By how much the reward of the chosen answer is above that of the rejected one, (P,).

        nats_N: of the learnt tokens.
        """
        sums_E = nats_N.new_zeros(2 * len(self)).index_add(0, self.examples_N, -nats_N)
        rewards_P2 = beta * (sums_E.view(-1, 2) - self.reference_P2.to(nats_N.dtype))
        return rewards_P2[:, 0] - rewards_P2[:, 1]


def pairs_of(batch: Batch) -> Pairs:
    """The pairs of a batch. Both examples of a pair are in it: they stand in one row."""
    assert batch.weights_BT is not None, "pairs say what is learnt"
    assert batch.reference_BT is not None, "the reference is known before training"
    learnt_N = batch.weights_BT.flatten().nonzero()[:, 0]
    documents = batch.documents_BT.flatten()
    numbers_E, examples_N = documents[learnt_N].unique(return_inverse=True)
    # The reference stands at the first token of an example, which is never learnt itself.
    reference = batch.reference_BT.flatten()
    firsts = reference.nonzero()[:, 0]
    examples = torch.searchsorted(numbers_E, documents[firsts])
    no_reference_E = reference.new_zeros(len(numbers_E))
    reference_E = no_reference_E.index_add(0, examples, reference[firsts])
    return Pairs(learnt_N, examples_N, reference_E.view(-1, 2))


def preference_loss(decoder: AnyDecoder, batch: Batch, *, beta: float) -> Loss:
    """The summed loss of the pairs of a micro-batch."""
    pairs = pairs_of(batch)
    hidden_BTD, penalty = decoder(batch.tokens_BT, Span.packed(batch.documents_BT))
    hidden_ND = hidden_BTD.flatten(0, 1)
    if not len(pairs):  # a blank micro-batch
        return _nothing(hidden_ND)
    targets_N = batch.targets_BT.flatten()[pairs.learnt_N]
    nats_N = learnable_nats(hidden_ND[pairs.learnt_N], decoder.readout, targets_N)
    total = -F.logsigmoid(pairs.margins(nats_N, beta)).sum()
    return Loss(total, total + penalty * len(pairs))


def pair_count(batch: Batch) -> float:
    """How many pairs there are."""
    assert batch.weights_BT is not None, "pairs say what is learnt"
    return float(len(batch.documents_BT[batch.weights_BT > 0].unique()) // 2)


def preferences(beta: float) -> Objective:
    """The objective with this β."""
    return Objective(functools.partial(preference_loss, beta=beta), pair_count)


OBJECTIVES: dict[str, Callable[[TrainConfig], Objective]] = {
    "next_token": lambda config: CROSS_ENTROPY,
    "autocorrect": lambda config: CROSS_ENTROPY,
    "chat": lambda config: CROSS_ENTROPY,
    "preferences": lambda config: preferences(config.beta or BETA),
}
"""By the names that a recipe gives them."""


def objective_of(config: TrainConfig, teach: Teach | None = None) -> Objective:
    """What a phase minimises. teach: of its teacher, if it has one."""
    if teach is None:
        return OBJECTIVES[config.objective](config)
    return Objective(functools.partial(cross_entropy, teach=teach), learnt_targets)
