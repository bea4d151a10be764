"""What a phase reads: texts, or examples of answers; and its validation.

A validation scores the same packed rows each time, by source.
"""

import hashlib
import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from endonym.data.batches import AnyOrder, Batch, Batches
from endonym.data.example_tokens import ExampleOrder, ExampleTokens
from endonym.data.order import Integers, Mixture, Numbers, Order, Shares
from endonym.data.shards import TokenShards
from endonym.data.subwords import Subwords
from endonym.data.typed_words import Keyboard, TypedOrder
from endonym.disk import write_atomic
from endonym.model.foreign.decoder import AnyDecoder
from endonym.train.config import BETA, TrainConfig
from endonym.train.distributed import ALONE, Group
from endonym.train.objectives import pairs_of
from endonym.train.step import held_out_nats
from endonym.train.teacher import Teach

VALIDATION_SEED = 0
ROWS_TOKENS = 8192
WATCHED_SHARE = 0.2
"""Of the scored tokens, for sources of the corpus that a phase with shares does not read."""
Sums = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """Held-out loss: mean nats per token, bits per byte, and bits per byte of each source.

    Of conversations, those of the answers. Of preference pairs, `nats` is the loss per pair and the
    bits are those of the chosen answers. figures: what else an objective says, by name.

    An estimate: rows may cut documents, so the final score (`evaluate.bits`) is a little lower.
    """

    nats: float
    bits_per_byte: float
    sources: dict[str, float]
    n_tokens: int
    figures: dict[str, float] = field(default_factory=dict)


def scored_batches(
    decoder: AnyDecoder, order: AnyOrder, rows: range, *, device: str, group: Group
) -> Iterator[tuple[Batch, Tensor]]:
    """Batches of this process's share of some rows, with the nats of their targets.

    Both are on the CPU; nats: (B, T), float64.
    """
    share = group.share(len(rows))
    most_rows = math.ceil(len(rows) / group.size)
    batch_rows = max(1, ROWS_TOKENS // order.context)
    # Sharded weights are gathered in every pass, so each process makes the same number of passes.
    for start in range(0, most_rows, batch_rows):
        part = rows[share.start : share.stop][start : start + batch_rows]
        batch = Batch.of(order.rows(part.start, len(part) or 1))
        nats_BT = held_out_nats(decoder, batch.to(device)).cpu().double()
        if len(part):
            yield batch, nats_BT


def validate(
    decoder: AnyDecoder,
    dev: TokenShards,
    tokens: int,
    device: str,
    *,
    group: Group = ALONE,
    join: Collection[str] = (),
    shares: Shares | None = None,
    keyboard: Keyboard | None = None,
    context: int | None = None,
) -> ValidationResult:
    """Score at most `tokens` positions of dev text, drawn from all documents.

    As in the final evaluation, the end-of-text token is read but not scored. Documents of joined
    sources are joined as in training. Each line end is scored, also the one that follows a document
    read alone, which the final evaluation does not have.
    In a group each process scores its share of the rows, and all get the same sums.

    shares: of the sources in the phase's tokens, if it has shares. Then each source is scored by
    itself, and the loss is that of the phase's mixture: the others are only watched. keyboard: if
    words are typed in the phase; then they are here, too, in as many rows. context: tokens of a
    row; that of the model if None.
    """
    shares = judged_shares(dev, shares or {})
    context = context or decoder.config.context
    sums: Sums = np.zeros((3, len(dev.sources)))  # nats, bytes and tokens of each source
    for source, most_tokens in _tokens_by_source(dev, shares, tokens).items():
        order = Order(dev, context=context, seed=VALIDATION_SEED, join=join, source=source)
        rows = range(max(1, min(most_tokens, order.positions_per_epoch) // context))
        read = order
        stretches = 1
        if keyboard is not None:
            read = TypedOrder(order, keyboard, seed=VALIDATION_SEED)
            stretches = context
        for batch, nats_BT in scored_batches(decoder, read, rows, device=device, group=group):
            documents_BT = batch.documents_BT.numpy() // stretches
            sums += _sums_by_source(order, batch, documents_BT, nats_BT.numpy())
    nats, n_bytes, counts = group.total(torch.from_numpy(sums)).numpy()
    n_tokens = float(counts.sum())
    weights = np.ones(len(dev.sources))
    if shares:  # As if each source had its share of these tokens.
        share_by_source = np.array([shares.get(name, 0.0) for name in dev.sources])
        weights = share_by_source * n_tokens / np.maximum(1, counts)
    totals = (float((each * weights).sum()) for each in (nats, n_bytes, counts))
    total_nats, total_bytes, total = totals
    scored = [(index, name) for index, name in enumerate(dev.sources) if counts[index]]
    by_source = {name: bits(nats[index], n_bytes[index]) for index, name in scored}
    mean_nats = total_nats / max(1, total)
    mean_bits = bits(total_nats, total_bytes)
    return ValidationResult(mean_nats, mean_bits, sources=by_source, n_tokens=int(n_tokens))


def judged_shares(dev: TokenShards, shares: Shares) -> Shares:
    """The shares of the sources that have dev text, scaled so that their sum is 1.

    Empty if none has any: then all dev text is scored together.
    """
    with_dev = {name: share for name, share in shares.items() if len(dev.documents_of(name))}
    if len(with_dev) == len(shares):
        return shares
    return {name: share / sum(with_dev.values()) for name, share in with_dev.items()}


def _tokens_by_source(dev: TokenShards, shares: Shares, tokens: int) -> dict[str | None, int]:
    """How many tokens of each source are scored; sources that the phase does not read get few.

    Without shares all sources are scored together (None).
    """
    if not shares:
        return {None: tokens}
    with_dev = [name for name in dev.sources if len(dev.documents_of(name))]
    watched = [name for name in with_dev if name not in shares]
    few = int(tokens * WATCHED_SHARE / max(1, len(watched)))
    judged = tokens * (1 - WATCHED_SHARE) if watched else tokens
    return {name: int(judged * shares[name]) if name in shares else few for name in with_dev}


def _sums_by_source(order: Order, batch: Batch, documents_BT: Integers, nats_BT: Sums) -> Sums:
    """Nats, bytes and number of the scored tokens of a batch, for each source: (3, sources).

    documents_BT: the document numbers of the order.
    """
    dev = order.shards
    targets_BT = batch.targets_BT.numpy()
    sums: Sums = np.zeros((3, len(dev.sources)))
    is_text = targets_BT != dev.end_id
    if batch.weights_BT is not None:
        is_text &= batch.weights_BT.numpy() > 0
    sources = order.index["source"][order.originals(documents_BT)]
    for source in np.unique(sources):
        is_scored = (sources == source) & is_text
        n_bytes = dev.byte_counts[targets_BT[is_scored]].sum()
        if dev.space_first:
            n_bytes -= (is_scored & (batch.tokens_BT.numpy() == dev.start_id)).sum()
        sums[:, source] = nats_BT[is_scored].sum(), n_bytes, is_scored.sum()
    return sums


def bits(nats: float, n_bytes: float) -> float:
    """Bits per byte."""
    return float(nats) / math.log(2) / max(1, float(n_bytes))


TIE = 1e-5
"""Margins up to it, in nats times β, are rounding: at the start all are."""
PIECE_TOKENS = 1 << 20
HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class TrainingInputs:
    """Texts to train on and held-out ones. folder: of the checkpoints.

    unigram_nats: unigram loss of the dev text; after warm-up a model must be below it. teach: says
    what the teacher expects, if there is one. join: sources whose documents are joined
    (data/order.py), in both texts. subwords: splits tokens of the training text. keyboard: types
    words of both texts.
    """

    train: TokenShards
    dev: TokenShards
    folder: Path
    unigram_nats: float
    device: str = "cpu"
    join: tuple[str, ...] = ()
    teach: Teach | None = None
    subwords: Subwords | None = None
    keyboard: Keyboard | None = None

    def batches(self, config: TrainConfig, context: int, seed: int) -> Batches:
        """The batches of a phase."""
        order: Order | Mixture | TypedOrder
        train = self.train
        join = self.join
        if config.sources:
            firsts = {source.name: source.first_row for source in config.sources}
            order = Mixture(
                train, config.shares, context=context, seed=seed, join=join, first_rows=firsts
            )
        else:
            order = Order(train, context=context, seed=seed, join=join)
        if self.keyboard is not None:
            order = TypedOrder(order, self.keyboard, seed=seed)
        return Batches(
            order,
            rows=config.batch_tokens // context,
            device=self.device,
            subwords=self.subwords,
            first_row=config.first_row or 0,
        )

    def validate(self, decoder: AnyDecoder, config: TrainConfig, group: Group) -> ValidationResult:
        """The loss on held-out text."""
        return validate(
            decoder,
            self.dev,
            config.eval_tokens,
            self.device,
            group=group,
            join=self.join,
            shares=config.shares,
            keyboard=self.keyboard,
            context=config.context,
        )


@dataclass(frozen=True, slots=True)
class ExampleInputs:
    """Conversations or preference pairs to train on and held-out ones.

    references: log-probabilities under the starting weights, by split; of preference pairs only.
    unigram_nats: infinite, as answers need not be better than a unigram model's. teach: as in
    `TrainingInputs`.
    """

    train: ExampleTokens
    dev: ExampleTokens
    folder: Path
    device: str = "cpu"
    references: dict[str, Numbers] = field(default_factory=dict)
    unigram_nats: float = math.inf
    teach: Teach | None = None

    def batches(self, config: TrainConfig, context: int, seed: int) -> Batches:
        """The batches of a phase."""
        order = self.order(self.train, context, seed)
        rows = config.batch_tokens // context
        return Batches(order, rows=rows, device=self.device, first_row=config.first_row or 0)

    def order(self, tokens: ExampleTokens, context: int, seed: int) -> ExampleOrder:
        """The rows of a split."""
        order = ExampleOrder(tokens, context=context, seed=seed)
        order.reference = self.references.get(tokens.split)
        return order

    def validate(self, decoder: AnyDecoder, config: TrainConfig, group: Group) -> ValidationResult:
        """The loss on held-out examples.

        In a group each process scores its share of the rows, and all get the same sums.
        """
        context = config.row_tokens(decoder.config.context)
        is_pairs = config.is_of_pairs
        order = self.order(self.dev, context, VALIDATION_SEED)
        rows = range(max(1, min(config.eval_tokens // context, order.rows_per_epoch)))
        sums: Sums = np.zeros(6)  # as `_pair_sums` has them
        for batch, nats in scored_batches(decoder, order, rows, device=self.device, group=group):
            if is_pairs:
                sums += _pair_sums(batch, nats, self.dev, config.beta or BETA)
            else:
                sums += _answer_sums(batch, nats, self.dev)
        sums = group.total(torch.from_numpy(sums)).numpy()
        count, loss, nats, n_bytes, right, margin = sums.tolist()
        count = max(1.0, count)
        figures = {"accuracy": right / count, "margin": margin / count} if is_pairs else {}
        mean_bits = bits(nats, n_bytes)
        n_learnt = int(count)
        return ValidationResult(loss / count, mean_bits, {}, n_tokens=n_learnt, figures=figures)


PhaseInputs = TrainingInputs | ExampleInputs
"""What a phase reads, the folder of its checkpoints, and its validation."""


def _answer_sums(batch: Batch, nats_BT: Tensor, tokens: ExampleTokens) -> Sums:
    """Six sums over a batch, in the places of `_pair_sums`, of which answers fill the first four.

    The learnt targets, their loss, which is their nats, their nats, and their bytes.
    """
    assert batch.weights_BT is not None, "conversations say what is learnt"
    is_learnt = batch.weights_BT > 0
    n_bytes = tokens.byte_counts[batch.targets_BT[is_learnt].numpy()].sum()
    nats = float(nats_BT[is_learnt].sum())
    return np.array([int(is_learnt.sum()), nats, nats, n_bytes, 0, 0], dtype=np.float64)


def _pair_sums(batch: Batch, nats_BT: Tensor, tokens: ExampleTokens, beta: float) -> Sums:
    """Six sums over a batch: pairs, loss, nats and bytes of chosen answers, right choices, margins.

    A tie is half a right choice.
    """
    pairs = pairs_of(batch)
    nats_N = nats_BT.flatten()[pairs.learnt_N]
    margin_P = pairs.margins(nats_N, beta)
    is_chosen = pairs.examples_N % 2 == 0
    targets = batch.targets_BT.flatten()[pairs.learnt_N][is_chosen]
    loss = -F.logsigmoid(margin_P).sum()
    nats = nats_N[is_chosen].sum()
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
    piece_rows = max(1, PIECE_TOKENS // context)
    decoder: AnyDecoder | None = None
    log_probabilities = np.zeros(len(tokens), dtype=np.float32)
    for start in range(0, order.rows_per_epoch, piece_rows):
        rows = range(start, min(start + piece_rows, order.rows_per_epoch))
        examples = np.concatenate([order.examples(0, row) for row in rows])
        path = folder / f"reference-{tokens.split}-{start:08d}.f4"
        piece = group.broadcast(_read(path, len(examples)) if group.is_first else None)
        if piece is None:
            decoder = make_decoder().to(device) if decoder is None else decoder
            sums = torch.zeros(len(tokens), dtype=torch.float64)
            for batch, nats in scored_batches(decoder, order, rows, device=device, group=group):
                assert batch.weights_BT is not None, "examples say what is learnt"
                is_learnt = batch.weights_BT > 0
                sums.index_add_(0, batch.documents_BT[is_learnt], -nats[is_learnt])
            piece = group.total(sums).numpy().astype(np.float32)[examples]
            if group.is_first:
                write_atomic(path, _piece_bytes(piece))
        log_probabilities[examples] = piece
    return log_probabilities


def _read(path: Path, count: int) -> Numbers | None:
    """A piece of `count` numbers from its file; None if that is missing or damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if len(data) % 4:
        return None
    piece = np.frombuffer(data[HASH_BYTES:], dtype="<f4")
    return piece if data == _piece_bytes(piece) and piece.shape == (count,) else None


def _piece_bytes(piece: Numbers) -> bytes:
    """A piece as a file: SHA-256 of its numbers, and these as little-endian float32."""
    data = piece.astype("<f4").tobytes()
    return hashlib.sha256(data).digest() + data
