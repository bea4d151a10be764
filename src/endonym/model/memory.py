"""Memory of training, by formula. Imports no torch.

Counts the tensors that autograd saves for the backward pass, and those that teachers hold while
they read. Tests compare with autograd and with all tensors that torch makes; benchmarks/memory.py
compares training with the operating system. Temporary tensors within a step, and freed memory that
the allocator keeps (train/memory_budget.py), are not counted.
"""

from collections.abc import Sequence
from typing import Any

from endonym.model import config as shapes
from endonym.model.adapt_config import AdaptConfig, adapter_parameters, low_rank_numbers
from endonym.model.count import parameters
from endonym.model.foreign.folder import AnyModelConfig, ForeignConfig
from endonym.model.kernels import sizes

WAY_BACK = 1.2
"""Activations and gradients of a block, relative to its activations (measured: 1.1 to 1.4)."""
FOREIGN_KEPT = 34
"""Numbers saved by an attention block for each token and channel (arXiv:2205.05198, eq. 1)."""


def training_bytes(
    config: AnyModelConfig,
    micro_tokens: int,
    number_format: str,
    *,
    checkpointed_blocks: int = 0,
    longest_document: int | None = None,
    row: int | None = None,
    adapt: AdaptConfig | None = None,
    **states: Any,
) -> int:
    """Bytes of training: weights, gradients, optimizer state, activations of a micro-batch.

    checkpointed_blocks: how many of the first blocks use activation checkpointing; of a foreign
    model all or none. longest_document: in tokens, if known; short documents have few attention
    scores. row: tokens of a row; the model's context if None. adapt: the adapters that are trained
    instead of the weights, if any. states: optimizer, is_averaged, shard and processes of
    `fixed_bytes`.
    """
    narrow = 2 if number_format == "bf16" else 4
    rows = min(micro_tokens, max(128, sizes.CHUNK_LOGITS // config.vocab))
    head = rows * config.vocab * 3
    kept = kept_numbers(config, number_format, longest_document, checkpointed_blocks, row=row)
    _, blocks = _kept(config, number_format, longest_document, row)
    recomputed = _recomputed(config, checkpointed_blocks)
    # The other blocks and the head are freed before the first checkpointed block is recomputed.
    inside = int(micro_tokens * max(blocks[:recomputed], default=0) * WAY_BACK)
    if adapt is not None:
        # What blocks keep that are computed again is the same each time: not counted twice.
        kept += low_rank_numbers(config, adapt) * (config.layers - recomputed) // config.layers
    numbers = micro_tokens * kept + max(head, inside - micro_tokens * sum(blocks[recomputed:]))
    return fixed_bytes(config, number_format, adapt=adapt, **states) + narrow * numbers


def reading_bytes(
    models: Sequence[AnyModelConfig],
    tokens: int,
    longest_document: int | None = None,
    *,
    row: int | None = None,
) -> int:
    """Bytes of models that read the same tokens in fp32, for the mean of their probabilities.

    Of all of them the weights and last hidden states are held, of one at a time what stands outside
    its blocks, and what a block computes, or a chunk of logits. longest_document, row: as in
    `training_bytes`.
    """
    if not models:
        return 0
    held = sum(parameters(each).total + tokens * each.dim for each in models)
    kept = [_kept(each, "fp32", longest_document, row) for each in models]
    outside = tokens * max(ends for ends, _ in kept)
    inside = tokens * max(max(blocks) for _, blocks in kept)
    vocab = max(each.vocab for each in models)
    head = 3 * vocab * min(tokens, max(128, sizes.CHUNK_LOGITS // vocab))
    return 4 * (held + outside + max(inside, head))


def fixed_bytes(
    config: AnyModelConfig,
    number_format: str,
    *,
    optimizer: str = "adamw",
    is_averaged: bool = False,
    shard: str = "none",
    processes: int = 1,
    adapt: AdaptConfig | None = None,
) -> int:
    """Bytes of weights, gradients, two moments, and the average if kept; bf16 adds fp32 masters.

    Muon has one moment for the matrices of the blocks; the embedding and head use AdamW. With
    shards a process holds its part of these, and the whole weights it computes with
    (docs/scale.md); but at least the whole model, which each process builds at the start.

    Under adapters these are the adapters' own, beside the frozen weights, which have nothing else.
    In bf16 the frozen weights are rounded, and no more is kept of them; in shards they stay fp32,
    and a block of them is gathered. At the end they are read again in fp32 (pipeline/training.py).
    """
    counted = parameters(config)
    is_muon = optimizer == "muon"
    is_narrow = number_format == "bf16"
    total = counted.total
    narrow = 2 if is_narrow else 4
    in_shards = shard != "none" and processes > 1
    states = 20 if is_averaged else 16
    if adapt is not None:
        trained = adapter_parameters(config, adapt)
        states = states - 4 * is_muon
        if in_shards:
            spread = (4 * total + states * trained) // processes
            return max(4 * total, spread + narrow * total)
        return narrow * total + (states + 4 * is_narrow) * trained
    spread = total * states - 4 * counted.blocks * is_muon  # what shards divide
    if not in_shards:
        return spread + 4 * total * is_narrow
    tables = total - counted.blocks
    block = counted.blocks // config.layers
    gathered = total + block if shard == "gradients" else 2 * max(tables, block)
    # Muon orthogonalizes whole matrices of the blocks.
    whole = 4 * counted.blocks * is_muon
    return max(4 * total, spread // processes + narrow * gathered + whole)


def kept_numbers(
    config: AnyModelConfig,
    number_format: str,
    longest_document: int | None = None,
    checkpointed_blocks: int = 0,
    *,
    row: int | None = None,
) -> int:
    """Numbers, in the format of the activations, saved for the backward pass of each token."""
    ends, blocks = _kept(config, number_format, longest_document, row)
    recomputed = _recomputed(config, checkpointed_blocks)
    return ends + recomputed * config.dim + sum(blocks[recomputed:])


def _recomputed(config: AnyModelConfig, checkpointed_blocks: int) -> int:
    """Number of blocks that the backward pass recomputes."""
    if isinstance(config, ForeignConfig):
        return config.layers if checkpointed_blocks else 0
    return min(checkpointed_blocks, config.layers)


def _kept(
    config: AnyModelConfig,
    number_format: str,
    longest_document: int | None = None,
    row: int | None = None,
) -> tuple[int, list[int]]:
    """Numbers saved for a token outside the blocks, and in each block."""
    row = row or config.context
    if isinstance(config, ForeignConfig):
        return 4 * config.dim, [FOREIGN_KEPT * config.dim] * config.layers
    is_wide = number_format != "bf16"
    longest = row if longest_document is None else longest_document
    attentions = [each for each in config.mixers if isinstance(each, shapes.AttentionConfig)]
    seen = {each.window: sizes.keys_a_token(row, each.window, longest) for each in attentions}
    bars = row * sum(keys is None for keys in seen.values())
    # RMSNorm saves fp32 intermediates beside its input and output.
    norm = config.dim * (2 if config.norm == "layer" else 3 if is_wide else 5)
    blocks: list[int] = []
    for mixer, ffn in config.blocks:
        window = mixer.window if isinstance(mixer, shapes.AttentionConfig) else None
        kept = norm + _mixer(mixer, seen.get(window) or row, is_wide)
        kept += _ffn(config.dim, ffn)
        if ffn.kind != "none" and not config.shared_norm:
            kept += norm - (config.dim if config.parallel else 0)
        # The dropout mask of each branch.
        blocks.append(kept + config.dim * (config.dropout > 0) * (1 if ffn.kind == "none" else 2))
    ends = 2 * config.dim + norm + config.dim * (config.embedding_dropout > 0)
    return ends + bars, blocks


def _mixer(mixer: shapes.MixerConfig, keys: int, is_wide: bool) -> int:
    """Numbers saved by a mixer; a number in fp32 counts as two in bf16.

    Attention saves queries, keys, values and twice its output; of short rows in bf16 all scores.
    """
    precise = 1 if is_wide else 2
    if isinstance(mixer, shapes.AttentionConfig):
        inner = mixer.inner
        shared = mixer.shared
        kept = 3 * inner + 2 * shared
        if mixer.window is not None and keys == 2 * mixer.window:
            # Documents are cut after every window: keys and values are copied for the next piece,
            # and torch's kernel saves the mask of each layer.
            kept += 2 * shared + keys * is_wide
        if not is_wide and keys <= sizes.LONGEST_WHOLE_SCORES:
            kept += mixer.heads * keys - inner
        if mixer.query_key_norm:
            kept += 2 * precise * (inner + shared)
        return kept
    inner = mixer.inner
    if isinstance(mixer, shapes.MambaConfig):
        return (8 + 3 * precise) * inner + 2 * (mixer.step_rank + 2 * mixer.state)
    states = inner * mixer.state // sizes.CPU_CHUNK + mixer.heads * sizes.CPU_CHUNK
    return 4 * mixer.convolved + 10 * inner + mixer.heads + states


def _ffn(dim: int, ffn: shapes.FfnConfig | shapes.ExpertsConfig) -> int:
    """Numbers saved by a feed-forward."""
    if isinstance(ffn, shapes.ExpertsConfig):
        wide = (4 if ffn.gated else 2) * ffn.hidden
        return ffn.active * (2 * dim + wide) + 3 * ffn.experts
    return (4 if ffn.kind == "gated" else 2) * ffn.hidden
