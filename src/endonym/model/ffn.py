"""The part that works on each position alone. Both kinds return a penalty of zero (dense)."""

from torch import Tensor, nn
from torch.nn import functional as F

from endonym.model.config import ModelConfig


def gelu_tanh(x: Tensor) -> Tensor:
    """GELU by its tanh form, as GPT-2 computes it. Source: arXiv:1606.08415, section 2."""
    return F.gelu(x, approximate="tanh")


ACTIVATIONS = {"silu": F.silu, "gelu": gelu_tanh}


class PlainFfn(nn.Module):
    """down(activation(up(x))). Source: arXiv:1706.03762, eq. 2."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.up = nn.Linear(config.dim, config.ffn.hidden, bias=config.bias)
        self.down = nn.Linear(config.ffn.hidden, config.dim, bias=config.bias)
        self.activation = ACTIVATIONS[config.ffn.activation]

    def forward(self, x_BTD: Tensor) -> tuple[Tensor, Tensor]:
        """The new channels, and no penalty."""
        return self.down(self.activation(self.up(x_BTD))), x_BTD.new_zeros(())


class GatedFfn(nn.Module):
    """down(activation(gate(x)) · up(x)). Source: SwiGLU, arXiv:2002.05202, eq. 6."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.dim, config.ffn.hidden, bias=config.bias)
        self.up = nn.Linear(config.dim, config.ffn.hidden, bias=config.bias)
        self.down = nn.Linear(config.ffn.hidden, config.dim, bias=config.bias)
        self.activation = ACTIVATIONS[config.ffn.activation]

    def forward(self, x_BTD: Tensor) -> tuple[Tensor, Tensor]:
        """The new channels, and no penalty."""
        hidden_BTF = self.activation(self.gate(x_BTD)) * self.up(x_BTD)
        return self.down(hidden_BTF), x_BTD.new_zeros(())
