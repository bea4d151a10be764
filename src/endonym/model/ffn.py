"""The dense feed-forwards. They return a penalty of zero, as a mixture of experts returns one."""

from torch import Tensor, nn
from torch.nn import functional as F

from endonym.model.config import FfnConfig, ModelConfig


def gelu_tanh(x: Tensor) -> Tensor:
    """GELU by its tanh form, as GPT-2 computes it. Source: arXiv:1606.08415, section 2."""
    return F.gelu(x, approximate="tanh")


ACTIVATIONS = {"silu": F.silu, "gelu": F.gelu, "gelu_tanh": gelu_tanh, "relu": F.relu}


class PlainFfn(nn.Module):
    """down(activation(up(x))). Source: arXiv:1706.03762, eq. 2."""

    def __init__(self, config: ModelConfig, ffn: FfnConfig) -> None:
        super().__init__()
        self.up = nn.Linear(config.dim, ffn.hidden, bias=ffn.bias)
        self.down = nn.Linear(ffn.hidden, config.dim, bias=ffn.bias)
        self.activation = ACTIVATIONS[ffn.activation]

    def forward(self, x_BTD: Tensor) -> tuple[Tensor, Tensor]:
        """The output, and a penalty of zero."""
        return self.down(self.activation(self.up(x_BTD))), x_BTD.new_zeros(())


class GatedFfn(nn.Module):
    """down(activation(gate(x)) · up(x)). Source: SwiGLU, arXiv:2002.05202, eq. 6."""

    def __init__(self, config: ModelConfig, ffn: FfnConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.dim, ffn.hidden, bias=ffn.bias)
        self.up = nn.Linear(config.dim, ffn.hidden, bias=ffn.bias)
        self.down = nn.Linear(ffn.hidden, config.dim, bias=ffn.bias)
        self.activation = ACTIVATIONS[ffn.activation]

    def forward(self, x_BTD: Tensor) -> tuple[Tensor, Tensor]:
        """The output, and a penalty of zero."""
        hidden_BTF = self.activation(self.gate(x_BTD)) * self.up(x_BTD)
        return self.down(hidden_BTF), x_BTD.new_zeros(())
