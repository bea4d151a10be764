"""A block: a mixer, then a feed-forward, each added to the stream of channels."""

from torch import Tensor, nn

from endonym.model.attention import Attention
from endonym.model.cache import LayerCache
from endonym.model.config import ModelConfig
from endonym.model.ffn import GatedFfn, PlainFfn
from endonym.model.norm import make_norm
from endonym.model.span import Span

MIXERS = {"attention": Attention}
FFNS = {"plain": PlainFfn, "gated": GatedFfn}


class Block(nn.Module):
    """Normalise, mix, add; normalise, transform, add."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = make_norm(config.norm, config.dim, config.norm_epsilon)
        self.mixer = MIXERS[config.mixer.kind](config)
        self.ffn_norm = make_norm(config.norm, config.dim, config.norm_epsilon)
        self.ffn = FFNS[config.ffn.kind](config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x_BTD: Tensor, span: Span, cache: LayerCache | None = None
    ) -> tuple[Tensor, Tensor]:
        """The stream after this block, and the feed-forward's penalty."""
        x_BTD = x_BTD + self.dropout(self.mixer(self.norm(x_BTD), span, cache))
        y_BTD, penalty = self.ffn(self.ffn_norm(x_BTD))
        return x_BTD + self.dropout(y_BTD), penalty
