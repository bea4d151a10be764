"""Feed-forwards: plain, gated, or a mixture of experts.

Each returns its output, and a penalty that is added to the loss: zero without experts.

In a mixture a router sends each token to k of E feed-forwards. With k = E it is the dense soft
mixture. Source: arXiv:1701.06538; the weights of the chosen sum to one, as in arXiv:2401.04088,
section 2.1. With k = 1 the weight is the router's probability (arXiv:2101.03961, eq. 2), so that
the router has a gradient.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from endonym.model.config import ExpertsConfig, FfnConfig, ModelConfig
from endonym.model.layers import precise


def gelu_tanh(x: Tensor) -> Tensor:
    """GELU by its tanh form, as GPT-2 computes it. Source: arXiv:1606.08415, section 2."""
    return F.gelu(x, approximate="tanh")


ACTIVATIONS = {"silu": F.silu, "gelu": F.gelu, "gelu_tanh": gelu_tanh, "relu": F.relu}


class DenseFfn(nn.Module):
    """down(activation(up(x))), or down(activation(gate(x)) · up(x)) if it is gated.

    Sources: arXiv:1706.03762, eq. 2; SwiGLU, arXiv:2002.05202, eq. 6.
    """

    def __init__(self, config: ModelConfig, ffn: FfnConfig) -> None:
        super().__init__()
        is_gated = ffn.kind == "gated"
        self.gate = nn.Linear(config.dim, ffn.hidden, bias=ffn.bias) if is_gated else None
        self.up = nn.Linear(config.dim, ffn.hidden, bias=ffn.bias)
        self.down = nn.Linear(ffn.hidden, config.dim, bias=ffn.bias)
        self.activation = ACTIVATIONS[ffn.activation]

    def forward(self, x_BTD: Tensor) -> tuple[Tensor, Tensor]:
        """The output, and a penalty of zero."""
        if self.gate is None:
            hidden_BTF = self.activation(self.up(x_BTD))
        else:
            hidden_BTF = self.activation(self.gate(x_BTD)) * self.up(x_BTD)
        return self.down(hidden_BTF), x_BTD.new_zeros(())


class Stack(nn.Module):
    """The matrices of all experts, (E, outputs, inputs)."""

    def __init__(self, experts: int, outputs: int, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(experts, outputs, inputs))

    def forward(self, number: int, x_PI: Tensor) -> Tensor:
        """The product of one expert's matrix with each row."""
        return x_PI @ self.weight[number].T


class Experts(nn.Module):
    """y = Σ_e w_e(x) expert_e(x) over the k experts of largest probability softmax(router(x))."""

    def __init__(self, config: ModelConfig, ffn: ExpertsConfig) -> None:
        super().__init__()
        self.config = ffn
        self.router = nn.Linear(config.dim, ffn.experts, bias=False)
        self.balance = None
        if ffn.balance == "bias":
            self.balance = nn.Parameter(torch.zeros(ffn.experts))
        self.gate = Stack(ffn.experts, ffn.hidden, config.dim) if ffn.gated else None
        self.up = Stack(ffn.experts, ffn.hidden, config.dim)
        self.down = Stack(ffn.experts, config.dim, ffn.hidden)
        self.activation = ACTIVATIONS[ffn.activation]

    def forward(self, x_BTD: Tensor) -> tuple[Tensor, Tensor]:
        """The output, and the loss term that keeps the experts in equal use.

        N tokens; P pairs of a token and one of its k experts, sorted by expert.
        """
        x_ND = x_BTD.flatten(0, -2)
        shares_NE = precise(self.router(x_ND)).softmax(-1)
        scores_NE = shares_NE if self.balance is None else shares_NE + self.balance.detach()
        chosen_Nk = scores_NE.topk(self.config.active, dim=-1).indices
        weights_Nk = shares_NE.gather(1, chosen_Nk)
        if self.config.active > 1:
            weights_Nk = weights_Nk / weights_Nk.sum(-1, keepdim=True)
        weights_Nk = weights_Nk.to(x_BTD.dtype)
        order_P = chosen_Nk.flatten().argsort(stable=True)
        counts_E = chosen_Nk.flatten().bincount(minlength=self.config.experts).tolist()
        parts = x_ND.index_select(0, order_P // self.config.active).split(counts_E)
        y_PD = torch.cat([self._expert(e, part) for e, part in enumerate(parts) if len(part)])
        y_NkD = y_PD.index_select(0, order_P.argsort()).view(*chosen_Nk.shape, -1)
        y_BTD = (y_NkD * weights_Nk[..., None]).sum(1).view(x_BTD.shape)
        return y_BTD, self._penalty(shares_NE, chosen_Nk)

    def _expert(self, number: int, x_PD: Tensor) -> Tensor:
        """One expert's feed-forward."""
        hidden_PF = self.up(number, x_PD)
        if self.gate is None:
            hidden_PF = self.activation(hidden_PF)
        else:
            hidden_PF = self.activation(self.gate(number, x_PD)) * hidden_PF
        return self.down(number, hidden_PF)

    def _penalty(self, shares_NE: Tensor, chosen_Nk: Tensor) -> Tensor:
        """The term added to the loss of a token.

        "penalty": weight · E Σ_e f_e P_e, with f the share of the pairs and P the mean probability
        of each expert (arXiv:2101.03961, eq. 4). "bias": zero, but its gradient for the bias is
        f - 1/E, so that the optimizer lowers it for overused experts (arXiv:2408.15664,
        algorithm 1, which takes steps of one size: AdamW's are nearly so).
        """
        count = self.config.experts
        used_E = chosen_Nk.flatten().bincount(minlength=count).to(shares_NE.dtype)
        used_E = used_E / chosen_Nk.numel()
        if self.balance is None:
            return self.config.balance_weight * count * (used_E @ shares_NE.mean(0))
        slope = (precise(self.balance) * (used_E - 1 / count)).sum()
        return slope - slope.detach()
