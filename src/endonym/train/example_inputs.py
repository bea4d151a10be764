"""What a phase reads that learns from conversations or preference pairs, and its validation."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from endonym.data.batches import Batch, Batches
from endonym.data.example_tokens import ExampleOrder, ExampleTokens
from endonym.data.order import Numbers
from endonym.model.foreign.decoder import AnyDecoder
from endonym.train.config import BETA, TrainConfig
from endonym.train.distributed import Group
from endonym.train.objectives.preferences import margins, pairs_of
from endonym.train.step import held_out_nats
from endonym.train.validate import ROWS_TOKENS, VALIDATION_SEED, ValidationResult, bits

TIE = 1e-5
"""Margins up to it, in nats times β, are rounding: at the start all are."""


@dataclass(frozen=True, slots=True)
class ExampleInputs:
    """Examples to train on and held-out ones, and the folder of the checkpoints.

    references: log-probabilities under the starting weights, by split; of preference pairs only.
    unigram_nats: infinite, as nobody has to be better than a unigram model at answers.
    """

    train: ExampleTokens
    dev: ExampleTokens
    folder: Path
    device: str = "cpu"
    references: dict[str, Numbers] = field(default_factory=dict[str, Numbers])
    unigram_nats: float = math.inf

    def batches(self, config: TrainConfig, context: int, seed: int) -> Batches:
        """The batches of a phase."""
        order = self.order(self.train, context, seed)
        return Batches(order, rows=config.batch_tokens // context, device=self.device)

    def order(self, tokens: ExampleTokens, context: int, seed: int) -> ExampleOrder:
        """The rows of a split."""
        order = ExampleOrder(tokens, context=context, seed=seed)
        order.reference = self.references.get(tokens.split)
        return order

    def validate(self, decoder: AnyDecoder, config: TrainConfig, group: Group) -> ValidationResult:
        """The loss on held-out examples, of at most `config.eval_tokens` positions.

        In a group each process scores its share of the rows, and all get the same sums.
        """
        context = decoder.config.context
        order = self.order(self.dev, context, VALIDATION_SEED)
        rows = max(1, min(config.eval_tokens // context, order.rows_per_epoch))
        together = max(1, ROWS_TOKENS // context)
        mine, most = group.share(rows), -(-rows // group.size)
        sums = np.zeros(6)
        # Sharded weights are gathered in every pass, so each process makes the same number.
        for start in range(0, most, together):
            part = mine[start : start + together]
            batch = Batch.of(order.rows(part.start, len(part) or 1))
            nats_BT = held_out_nats(decoder, batch.to(self.device)).cpu().double()
            if len(part):
                score = _pair_sums if config.objective == "preferences" else _answer_sums
                sums += score(batch, nats_BT, self.dev, config.beta or BETA)
        if group.size > 1:
            sums = group.total(torch.from_numpy(sums)).numpy()
        return _result(sums, is_pairs=config.objective == "preferences")


def _answer_sums(
    batch: Batch, nats_BT: torch.Tensor, tokens: ExampleTokens, beta: float
) -> np.ndarray:
    """Learnt targets, their nats and their bytes."""
    assert batch.weights_BT is not None, "conversations say what is learnt"
    is_learnt = batch.weights_BT > 0
    n_bytes = tokens.byte_counts[batch.targets_BT[is_learnt].numpy()].sum()
    nats = float(nats_BT[is_learnt].sum())
    return np.array([int(is_learnt.sum()), nats, nats, n_bytes, 0, 0])


def _pair_sums(
    batch: Batch, nats_BT: torch.Tensor, tokens: ExampleTokens, beta: float
) -> np.ndarray:
    """Pairs, their loss, nats and bytes of the chosen answers, right choices, margins.

    A tie is half a right choice.
    """
    pairs = pairs_of(batch)
    nats_N = nats_BT.flatten()[pairs.learnt_N]
    margin_P = margins(pairs.sums(-nats_N), pairs.reference_P2.double(), beta)
    is_chosen = pairs.examples_N % 2 == 0
    targets = batch.targets_BT.flatten()[pairs.learnt_N][is_chosen]
    loss = -torch.nn.functional.logsigmoid(margin_P).sum()
    return np.array(
        [
            len(pairs),
            float(loss),
            float(nats_N[is_chosen].sum()),
            tokens.byte_counts[targets.numpy()].sum(),
            float((margin_P > TIE).sum() + (margin_P.abs() <= TIE).sum() / 2),
            float(margin_P.sum()),
        ]
    )


def _result(sums: np.ndarray, *, is_pairs: bool) -> ValidationResult:
    count, loss, nats, n_bytes, right, margin = sums.tolist()
    count = max(1.0, count)
    figures = {"accuracy": right / count, "margin": margin / count} if is_pairs else {}
    return ValidationResult(loss / count, bits(nats, n_bytes), {}, int(count), figures)
