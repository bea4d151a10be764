"""Which of two answers is better: direct preference optimization.

Source: Rafailov et al. 2023, arXiv:2305.18290, equation 7, the mean over the pairs of a batch:
-ln σ(β ((ln π(c) - ln ρ(c)) - (ln π(r) - ln ρ(r)))), with c and r the chosen and the rejected
answer to the same prompt, π the model, and ρ the model before the phase (train/reference.py).

N: tokens that are learnt. E: examples. P: pairs.
"""

import functools
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from endonym.data.batches import Batch
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.kernels.loss import learnable_nats
from endonym.model.span import Span
from endonym.train.objectives.objective import Loss, Objective


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

    def sums(self, values_N: Tensor) -> Tensor:
        """Values of tokens, summed over each answer, (P, 2)."""
        sums_E = values_N.new_zeros(2 * len(self)).index_add(0, self.examples_N, values_N)
        return sums_E.view(-1, 2)


def pairs_of(batch: Batch) -> Pairs:
    """The pairs of a batch. Both examples of a pair are in it: they stand in one row."""
    assert batch.weights_BT is not None, "pairs say what is learnt"
    assert batch.reference_BT is not None, "the reference is known before training"
    learnt_N = batch.weights_BT.flatten().nonzero()[:, 0]
    documents = batch.documents_BT.flatten()
    numbers_E, examples_N = documents[learnt_N].unique(return_inverse=True)
    # The reference stands at the first token of an example, which is never learnt itself.
    known = batch.reference_BT.flatten()
    places = known.nonzero()[:, 0]
    found_E = torch.searchsorted(numbers_E, documents[places])
    reference_E = known.new_zeros(len(numbers_E)).index_add(0, found_E, known[places])
    return Pairs(learnt_N, examples_N, reference_E.view(-1, 2))


def margins(log_probabilities_P2: Tensor, reference_P2: Tensor, beta: float) -> Tensor:
    """How much more the chosen answer is rewarded than the rejected one, (P,)."""
    rewards_P2 = beta * (log_probabilities_P2 - reference_P2)
    return rewards_P2[:, 0] - rewards_P2[:, 1]


def loss(decoder: AnyDecoder, batch: Batch, *, beta: float) -> Loss:
    """The summed loss of the pairs of a micro-batch."""
    pairs = pairs_of(batch)
    hidden_BTD, penalty = decoder(batch.tokens_BT, Span.packed(batch.documents_BT))
    hidden_ND = hidden_BTD.flatten(0, 1)
    if not len(pairs):  # a blank micro-batch
        nothing = (hidden_ND.sum() * 0.0).float()
        return Loss(nothing, nothing)
    targets_N = batch.targets_BT.flatten()[pairs.learnt_N]
    nats_N = learnable_nats(hidden_ND[pairs.learnt_N], decoder.readout, targets_N)
    margin_P = margins(pairs.sums(-nats_N), pairs.reference_P2, beta)
    total = -F.logsigmoid(margin_P).sum()
    return Loss(total, total + penalty * len(pairs))


def weight(batch: Batch) -> float:
    """How many pairs there are."""
    assert batch.weights_BT is not None, "pairs say what is learnt"
    return float(len(batch.documents_BT[batch.weights_BT > 0].unique()) // 2)


def preferences(beta: float) -> Objective:
    """The objective with this β."""
    return Objective(functools.partial(loss, beta=beta), weight)
