"""What a phase reads: texts, or examples of answers; and its validation."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from endonym.data.batches import Batch, Batches
from endonym.data.example_tokens import ExampleOrder, ExampleTokens
from endonym.data.order import Mixture, Numbers, Order
from endonym.data.shards import TokenShards
from endonym.disk import write_atomic
from endonym.model.foreign.decoder import AnyDecoder
from endonym.train.config import BETA, TrainConfig
from endonym.train.distributed import Group
from endonym.train.objectives import pairs_of
from endonym.train.validate import (
    VALIDATION_SEED,
    Sums,
    ValidationResult,
    bits,
    scored_batches,
    validate,
)

TIE = 1e-5
"""Margins up to it, in nats times β, are rounding: at the start all are."""
PIECE_TOKENS = 1 << 20
HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class TrainingInputs:
    """Texts to train on and held-out ones. folder: of the checkpoints.

    unigram_nats: unigram loss of the dev text; after warm-up a model must be below it.
    join: sources whose documents are joined (data/order.py), in both texts.
    """

    train: TokenShards
    dev: TokenShards
    folder: Path
    unigram_nats: float
    device: str = "cpu"
    join: tuple[str, ...] = ()

    def batches(self, config: TrainConfig, context: int, seed: int) -> Batches:
        """The batches of a phase."""
        order: Order | Mixture
        how: dict[str, Any] = {"context": context, "seed": seed, "join": self.join}
        if config.sources:
            how["first_rows"] = {each.name: each.first_row for each in config.sources}
            order = Mixture(self.train, config.shares, **how)
        else:
            order = Order(self.train, **how)
        return Batches(order, rows=config.batch_tokens // context, device=self.device)

    def validate(self, decoder: AnyDecoder, config: TrainConfig, group: Group) -> ValidationResult:
        """The loss on held-out text."""
        given = (decoder, self.dev, config.eval_tokens, self.device)
        return validate(*given, group=group, join=self.join, shares=config.shares)


@dataclass(frozen=True, slots=True)
class ExampleInputs:
    """Conversations or preference pairs to train on and held-out ones.

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
        """The loss on held-out examples.

        In a group each process scores its share of the rows, and all get the same sums.
        """
        context, is_pairs = decoder.config.context, config.is_of_pairs
        order = self.order(self.dev, context, VALIDATION_SEED)
        rows = range(max(1, min(config.eval_tokens // context, order.rows_per_epoch)))
        sums: Sums = np.zeros(6)
        for batch, nats in scored_batches(decoder, order, rows, device=self.device, group=group):
            if is_pairs:
                sums += _pair_sums(batch, nats, self.dev, config.beta or BETA)
            else:
                sums += _answer_sums(batch, nats, self.dev)
        sums = group.total(torch.from_numpy(sums)).numpy()
        count, loss, nats, n_bytes, right, margin = sums.tolist()
        count = max(1.0, count)
        figures = {"accuracy": right / count, "margin": margin / count} if is_pairs else {}
        return ValidationResult(loss / count, bits(nats, n_bytes), {}, int(count), figures)


PhaseInputs = TrainingInputs | ExampleInputs
"""What a phase reads, the folder of its checkpoints, and its validation."""


def _answer_sums(batch: Batch, nats_BT: torch.Tensor, tokens: ExampleTokens) -> Sums:
    """Learnt targets, their nats (as the loss, and again), and their bytes."""
    assert batch.weights_BT is not None, "conversations say what is learnt"
    is_learnt = batch.weights_BT > 0
    n_bytes = tokens.byte_counts[batch.targets_BT[is_learnt].numpy()].sum()
    nats = float(nats_BT[is_learnt].sum())
    return np.array([int(is_learnt.sum()), nats, nats, n_bytes, 0, 0], dtype=np.float64)


def _pair_sums(batch: Batch, nats_BT: torch.Tensor, tokens: ExampleTokens, beta: float) -> Sums:
    """Pairs, their loss, nats and bytes of the chosen answers, right choices, margins.

    A tie is half a right choice.
    """
    pairs = pairs_of(batch)
    nats_N = nats_BT.flatten()[pairs.learnt_N]
    margin_P = pairs.margins(nats_N, beta)
    is_chosen = pairs.examples_N % 2 == 0
    targets = batch.targets_BT.flatten()[pairs.learnt_N][is_chosen]
    loss, nats = -F.logsigmoid(margin_P).sum(), nats_N[is_chosen].sum()
    n_bytes = tokens.byte_counts[targets.numpy()].sum()
    right = (margin_P > TIE).sum() + (margin_P.abs() <= TIE).sum() / 2
    return np.array([len(pairs), loss, nats, n_bytes, right, margin_P.sum()], dtype=np.float64)


def reference(
    make_decoder: Callable[[], AnyDecoder],
    tokens: ExampleTokens,
    *,
    context: int,
    folder: Path,
    device: str,
    group: Group,
) -> Numbers:
    """Summed log-probabilities of the learnt tokens of each example, float32, at a phase's start.

    They are computed once, before the first step, and kept beside the checkpoints, piece by piece:
    a killed training goes on with the pieces that are whole, and the numbers are the same.

    make_decoder: makes the decoder with the weights that the phase starts with, in its number
    format; called only if something is missing. Every process of a group must call this.
    """
    order = ExampleOrder(tokens, context=context, seed=0)
    each = max(1, PIECE_TOKENS // context)
    decoder: AnyDecoder | None = None
    found = np.zeros(len(tokens), dtype=np.float32)
    for start in range(0, order.rows_per_epoch, each):
        rows = range(start, min(start + each, order.rows_per_epoch))
        examples = np.concatenate([order.examples(0, row) for row in rows])
        path = folder / f"reference-{tokens.split}-{start:08d}.f4"
        known = group.broadcast(_read(path, len(examples)) if group.is_first else None)
        if known is None:
            decoder = make_decoder().to(device) if decoder is None else decoder
            sums = torch.zeros(len(tokens), dtype=torch.float64)
            for batch, nats in scored_batches(decoder, order, rows, device=device, group=group):
                assert batch.weights_BT is not None, "examples say what is learnt"
                learnt = batch.weights_BT > 0
                sums.index_add_(0, batch.documents_BT[learnt], -nats[learnt])
            known = group.total(sums).numpy().astype(np.float32)[examples]
            if group.is_first:
                write_atomic(path, _piece(known))
        found[examples] = known
    return found


def _read(path: Path, count: int) -> Numbers | None:
    """A piece that is what was written, or None."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    known = np.frombuffer(data[HASH_BYTES:], dtype="<f4", count=-1 if len(data) % 4 == 0 else 0)
    return known if data == _piece(known) and known.shape == (count,) else None


def _piece(known: Numbers) -> bytes:
    """A piece as a file: SHA-256 of its numbers, and these as little-endian float32."""
    data = known.astype("<f4").tobytes()
    return hashlib.sha256(data).digest() + data
