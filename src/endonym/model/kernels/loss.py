"""The cross-entropy loss, in nats, from hidden states and the head's matrix.

Logits are held for a chunk of tokens at a time, and the gradient is computed in the same pass: head
and softmax cost their three matrix products and little more.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from endonym.model.kernels.sizes import CHUNK_LOGITS


@dataclass(frozen=True, slots=True)
class Readout:
    """The output layer: logits are W h, or cap · tanh(W h / cap) (arXiv:2408.00118, section 2)."""

    weight_VD: Tensor
    cap: float | None = None

    def logits(self, hidden_ND: Tensor) -> Tensor:
        """Logits of every token, (…, V)."""
        logits_NV, cap = hidden_ND @ self.weight_VD.T, self.cap
        return logits_NV if cap is None else (logits_NV / cap).tanh() * cap


def token_nats(hidden_ND: Tensor, readout: Readout, targets_N: Tensor) -> Tensor:
    """Nats of each target, -ln softmax(logits)[target], float32, without gradient."""
    parts: list[Tensor] = []
    for h_CD, t_C in chunks(hidden_ND, targets_N, len(readout.weight_VD)):
        logs_CV = torch.log_softmax(readout.logits(h_CD).float(), dim=-1)
        parts.append(-logs_CV.gather(1, t_C[:, None])[:, 0])
    return torch.cat(parts)


def learnable_nats(hidden_ND: Tensor, readout: Readout, targets_N: Tensor) -> Tensor:
    """Nats of each target with gradients for hidden states and W, for losses that are no plain sum.

    Logits are computed a second time for the gradient, so that they are never held together.
    """
    return _TokenNats.apply(hidden_ND, readout.weight_VD, targets_N, readout.cap)


def summed_nats(hidden_ND: Tensor, readout: Readout, targets_N: Tensor) -> Tensor:
    """Sum of the nats of all targets, a scalar with gradients for hidden states and W."""
    return _SummedNats.apply(hidden_ND, readout.weight_VD, targets_N, readout.cap)


def chunks(hidden_ND: Tensor, targets_N: Tensor, vocab: int) -> list[tuple[Tensor, Tensor]]:
    """Hidden states and targets in chunks of at most CHUNK_LOGITS logits, or of 128 tokens."""
    rows = max(128, CHUNK_LOGITS // vocab)
    return list(zip(hidden_ND.split(rows), targets_N.split(rows), strict=True))


class _SummedNats(torch.autograd.Function):
    """The sum of the nats; its gradient is computed with it."""

    @staticmethod
    def forward(
        ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, cap: float | None
    ) -> Tensor:
        readout, is_frozen = Readout(weight_VD, cap), not ctx.needs_input_grad[1]
        total, *gradients = _gradients(hidden_ND, readout, targets_N, is_frozen=is_frozen)
        ctx.save_for_backward(*gradients)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        d_hidden_ND, d_weight_VD = ctx.saved_tensors
        (scale,) = grad_outputs
        d_weight_VD = None if d_weight_VD is None else d_weight_VD * scale
        return d_hidden_ND * scale.to(d_hidden_ND.dtype), d_weight_VD, None, None


class _TokenNats(torch.autograd.Function):
    """The gradient of each target's nats is that of their sum times its own."""

    @staticmethod
    def forward(
        ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, cap: float | None
    ) -> Tensor:
        ctx.save_for_backward(hidden_ND, weight_VD, targets_N)
        ctx.cap = cap
        return token_nats(hidden_ND, Readout(weight_VD, cap), targets_N)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        hidden_ND, weight_VD, targets_N = ctx.saved_tensors
        readout, is_frozen = Readout(weight_VD, ctx.cap), not ctx.needs_input_grad[1]
        _, *gradients = _gradients(
            hidden_ND, readout, targets_N, scale_N=grad_outputs[0], is_frozen=is_frozen
        )
        return *gradients, None, None


def _gradients(
    hidden_ND: Tensor,
    readout: Readout,
    targets_N: Tensor,
    *,
    scale_N: Tensor | None = None,
    is_frozen: bool,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The sum of the nats, and the gradients for hidden states and, unless it is frozen, for W.

    d nats / d logits = softmax - onehot, times 1 - (logit / cap)² if logits are capped, times the
    target's scale if there is one. In bf16 torch's softmax computes in float32 and rounds once.
    """
    weight_VD, cap = readout.weight_VD, readout.cap
    total = torch.zeros((), dtype=torch.float32, device=hidden_ND.device)
    d_hidden_ND, start = torch.empty_like(hidden_ND), 0
    d_weight_VD: Tensor | None = None
    for h_CD, t_C in chunks(hidden_ND, targets_N, len(weight_VD)):
        chunk = slice(start, start + len(h_CD))
        start = chunk.stop
        logits_CV = readout.logits(h_CD)
        bend_CV = None if cap is None else 1 - (logits_CV / cap).square()
        slopes_CV, nats = _slopes(logits_CV, t_C)
        if bend_CV is not None:
            slopes_CV *= bend_CV
        if scale_N is not None:
            slopes_CV *= scale_N[chunk, None].to(slopes_CV.dtype)
        total += nats
        torch.mm(slopes_CV, weight_VD, out=d_hidden_ND[chunk])
        if not is_frozen:
            d_part_VD = slopes_CV.T @ h_CD
            d_weight_VD = d_part_VD if d_weight_VD is None else d_weight_VD.float().add_(d_part_VD)
    return total, d_hidden_ND, None if d_weight_VD is None else d_weight_VD.to(weight_VD.dtype)


def _slopes(logits_CV: Tensor, targets_C: Tensor) -> tuple[Tensor, Tensor]:
    """softmax - onehot, and the sum of the targets' nats; the logits are overwritten."""
    index_C1 = targets_C[:, None]
    if logits_CV.dtype == torch.float32:
        logs_CV = torch.log_softmax(logits_CV, dim=-1)
        nats = -logs_CV.gather(1, index_C1).sum()
        slopes_CV = logs_CV.exp_()
    else:
        slopes_CV = torch.softmax(logits_CV, dim=-1)
        likely_C1 = slopes_CV.gather(1, index_C1).float()
        nats = -likely_C1.clamp_min(torch.finfo(torch.float32).tiny).log().sum()
    # One number a row: scatter_add_ in bf16 would copy the whole chunk to float32 and back.
    rows_C = torch.arange(len(targets_C), device=targets_C.device)
    slopes_CV[rows_C, targets_C] -= 1
    return slopes_CV, nats
