"""A block: a mixer and a feed-forward with residual connections."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from endonym.model.attention import Attention
from endonym.model.cache import LayerCache
from endonym.model.config import ModelConfig
from endonym.model.dropout import Dropout
from endonym.model.experts import Experts
from endonym.model.ffn import GatedFfn, PlainFfn
from endonym.model.mamba import Mamba
from endonym.model.mamba2 import Mamba2
from endonym.model.norm import make_norm
from endonym.model.span import Span

Mixer = Attention | Mamba | Mamba2
Ffn = PlainFfn | GatedFfn | Experts
MIXERS: dict[str, Callable[[ModelConfig, Any], Mixer]] = {
    "attention": Attention,
    "mamba": Mamba,
    "mamba2": Mamba2,
}
FFNS: dict[str, Callable[[ModelConfig, Any], Ffn]] = {
    "plain": PlainFfn,
    "gated": GatedFfn,
    "experts": Experts,
}


class Block(nn.Module):
    """A pre-norm residual block: mixer then feed-forward, or both in parallel from one input.

    With a feed-forward of kind "none" the block is its mixer alone.
    """

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        mixer, ffn = config.mixer_at(layer), config.ffn_at(layer)
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
