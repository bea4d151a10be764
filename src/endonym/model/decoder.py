"""The decoder, a stack of blocks: from tokens to hidden states or logits.

The loss is in kernels/loss.py.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from endonym.model.attention import Attention
from endonym.model.cache import Cache, LayerCache
from endonym.model.config import ExpertsConfig, FfnConfig, MixerConfig, ModelConfig
from endonym.model.ffn import DenseFfn, Experts
from endonym.model.kernels.loss import Readout
from endonym.model.layers import Dropout, make_norm
from endonym.model.mamba import Mamba, Mamba2
from endonym.model.refusals import misfit
from endonym.model.span import Span

MIXERS: dict[str, Callable[[ModelConfig, Any], Attention | Mamba | Mamba2]] = {
    "attention": Attention,
    "mamba": Mamba,
    "mamba2": Mamba2,
}
FFNS: dict[str, Callable[[ModelConfig, Any], DenseFfn | Experts]] = {
    "plain": DenseFfn,
    "gated": DenseFfn,
    "experts": Experts,
}


class Block(nn.Module):
    """A pre-norm residual block: mixer then feed-forward, or both in parallel from one input.

    With a feed-forward of kind "none" the block is its mixer alone.
    """

    def __init__(
        self, config: ModelConfig, mixer: MixerConfig, ffn: FfnConfig | ExpertsConfig
    ) -> None:
        super().__init__()
        self.parallel = config.parallel
        self.norm = make_norm(config.norm, config.dim, config.norm_epsilon)
        self.mixer = MIXERS[mixer.kind](config, mixer)
        self.ffn_norm = self.ffn = None
        if ffn.kind != "none":
            self.ffn = FFNS[ffn.kind](config, ffn)
            if not config.shared_norm:
                self.ffn_norm = make_norm(config.norm, config.dim, config.norm_epsilon)
        self.dropout = Dropout(config.dropout)

    def forward(
        self, x_BTD: Tensor, span: Span, cache: LayerCache | None = None
    ) -> tuple[Tensor, Tensor]:
        """The hidden states after this block, and the feed-forward's penalty."""
        n_BTD = self.norm(x_BTD)
        mixed_BTD = x_BTD + self.dropout(self.mixer(n_BTD, span, cache))
        if self.ffn is None:
            return mixed_BTD, x_BTD.new_zeros(())
        if not self.parallel:
            x_BTD = mixed_BTD
        y_BTD, penalty = self.ffn(n_BTD if self.ffn_norm is None else self.ffn_norm(x_BTD))
        return mixed_BTD + self.dropout(y_BTD), penalty


class Decoder(nn.Module):
    """An embedding, a stack of blocks, a norm and a head."""

    reads_padded = True
    """Whether rows of different lengths can share a batch, padded on the left."""
    checkpointed_blocks = 0
    """How many of the first blocks use activation checkpointing (arXiv:1604.06174): only their
    inputs are kept, and the backward pass computes them again, with the same random numbers."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = _embedding(config.vocab, config.dim)
        self.positions = None
        if config.position == "learned":
            self.positions = _embedding(config.context, config.dim)
        self.dropout = Dropout(config.embedding_dropout)
        self.blocks = nn.ModuleList(Block(config, *parts) for parts in config.blocks)
        self.norm = make_norm(config.norm, config.dim, config.norm_epsilon)
        self.head = None if config.tied else nn.Linear(config.dim, config.vocab, bias=False)

    @property
    def readout(self) -> Readout:
        """The head's matrix and logit cap."""
        weight_VD = self.embedding.weight if self.head is None else self.head.weight
        return Readout(weight_VD, self.config.logit_cap)

    def empty_cache(self, batch: int, length: int) -> Cache:
        """A cache for `batch` rows of up to `length` tokens, one part a layer."""
        blocks = [block for block in self.blocks if isinstance(block, Block)]
        return [block.mixer.empty_cache(batch, length) for block in blocks]

    def forward(
        self, tokens_BT: Tensor, span: Span | None = None, cache: Cache | None = None
    ) -> tuple[Tensor, Tensor]:
        """Hidden states after the last norm, (B, T, D), and the sum of the blocks' penalties.

        Without a span each row is one document from its start.
        Raises ShapeError for more tokens than learned positions.
        """
        span = span or Span.after(0, tokens_BT)
        x_BTD = self.embedding(tokens_BT)
        if self.positions is not None:
            length = span.past + tokens_BT.shape[1]
            if length > self.config.context:
                raise misfit("too_long", "context", length=length, context=self.config.context)
            x_BTD = x_BTD + self.positions(span.positions_BT)
        x_BTD = self.dropout(x_BTD)
        penalties = x_BTD.new_zeros((), dtype=torch.float32)
        for number, block in enumerate(self.blocks):
            layer_cache = None if cache is None else cache[number]
            if number < self.checkpointed_blocks and cache is None and torch.is_grad_enabled():
                x_BTD, penalty = checkpoint(block, x_BTD, span, layer_cache, use_reentrant=False)
            else:
                x_BTD, penalty = block(x_BTD, span, layer_cache)
            penalties = penalties + penalty
        return self.norm(x_BTD), penalties

    def logits(
        self: Any, tokens_BT: Tensor, span: Span | None = None, cache: Cache | None = None
    ) -> Tensor:
        """Logits of the next token at each position, (B, T, V); of a foreign decoder as well."""
        hidden_BTD, _ = self(tokens_BT, span, cache)
        return self.readout.logits(hidden_BTD)


def _embedding(rows: int, dim: int) -> nn.Embedding:
    """An embedding whose values are set later.

    nn.Embedding would draw normal ones; on the meta device torch loads its compiler for that, which
    takes a second of every command.
    """
    return nn.Embedding.from_pretrained(torch.empty(rows, dim), freeze=False)


def on_meta(config: ModelConfig) -> Decoder:
    """A decoder on the meta device, for counting and for loading."""
    with torch.device("meta"):
        return Decoder(config)
