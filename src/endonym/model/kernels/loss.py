"""The cross-entropy loss, in nats, from hidden states and the head's matrix.

Logits are held for a chunk of tokens at a time, and the gradient is computed in the same pass: head
and softmax cost their three matrix products and little more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from endonym.model.kernels.sizes import CHUNK_LOGITS

LEAST_REST = 1e-6
"""Of our probability for the tokens that a teacher does not name; below it is rounding."""


@dataclass(frozen=True, slots=True)
class Readout:
    """The output layer: logits are W h, or cap · tanh(W h / cap) (arXiv:2408.00118, section 2)."""

    weight_VD: Tensor
    cap: float | None = None

    def logits(self, hidden_ND: Tensor) -> Tensor:
        """Logits of every token, (…, V)."""
        logits_NV = hidden_ND @ self.weight_VD.T
        cap = self.cap
        return logits_NV if cap is None else (logits_NV / cap).tanh() * cap


class Taught(NamedTuple):
    """What a teacher expects at each of N positions, and its share of the loss.

    ids_NK: its K most likely tokens. chances_NK: their probabilities; what is missing to 1 belongs
    to all other tokens together.
    """

    ids_NK: Tensor
    chances_NK: Tensor
    share: float

    def part(self, chunk: slice) -> "Taught":
        """The same of some positions."""
        return Taught(self.ids_NK[chunk], self.chances_NK[chunk], self.share)


def token_nats(hidden_ND: Tensor, readout: Readout, targets_N: Tensor) -> Tensor:
    """Nats of each target, -ln softmax(logits)[target], float32, without gradient."""
    logs = _logs(hidden_ND, readout, targets_N)
    return torch.cat([-logs_CV.gather(1, t_C[:, None])[:, 0] for logs_CV, t_C in logs])


def judged_targets(hidden_ND: Tensor, readout: Readout, targets_N: Tensor) -> Tensor:
    """(3, N) float32: nats of each target as in `token_nats`, nats of the likeliest token there,
    and 1 where this is the target, else 0. Of equally likely tokens one is taken.
    """
    parts: list[Tensor] = []
    for logs_CV, t_C in _logs(hidden_ND, readout, targets_N):
        best_C, ids_C = logs_CV.max(dim=-1)
        nats_C = logs_CV.gather(1, t_C[:, None])[:, 0]
        parts.append(torch.stack((-nats_C, -best_C, (ids_C == t_C).float())))
    return torch.cat(parts, dim=1)


def _logs(
    hidden_ND: Tensor, readout: Readout, targets_N: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logarithms of the probabilities of all tokens, and the targets, chunk by chunk."""
    for h_CD, t_C in chunks(hidden_ND, targets_N, len(readout.weight_VD)):
        yield torch.log_softmax(readout.logits(h_CD).float(), dim=-1), t_C


def learnable_nats(hidden_ND: Tensor, readout: Readout, targets_N: Tensor) -> Tensor:
    """Nats of each target with gradients for hidden states and W, for losses that are no plain sum.

    Logits are computed a second time for the gradient, so that they are never held together.
    """
    return _TokenNats.apply(hidden_ND, readout.weight_VD, targets_N, readout.cap)


def summed_nats(hidden_ND: Tensor, readout: Readout, targets_N: Tensor) -> Tensor:
    """Sum of the nats of all targets, a scalar with gradients for hidden states and W."""
    return _SummedNats.apply(hidden_ND, readout.weight_VD, targets_N, readout.cap, None)[0]


def taught_nats(
    hidden_ND: Tensor, readout: Readout, targets_N: Tensor, taught: Taught
) -> tuple[Tensor, Tensor]:
    """A loss with gradients for hidden states and W, and the sum of the nats of all targets.

    The loss is 1 - share times this sum, and share times the cross-entropy of the teacher's
    distribution p and ours, q, -Σ p ln q, which is KL(p ‖ q) but for a constant (Hinton et al.
    2015, arXiv:1503.02531, at temperature 1). Tokens that the teacher does not name count as one.
    """
    return _SummedNats.apply(hidden_ND, readout.weight_VD, targets_N, readout.cap, taught)


def chunks(hidden_ND: Tensor, targets_N: Tensor, vocab: int) -> list[tuple[Tensor, Tensor]]:
    """Hidden states and targets in chunks of at most CHUNK_LOGITS logits, or of 128 tokens."""
    rows = max(128, CHUNK_LOGITS // vocab)
    return list(zip(hidden_ND.split(rows), targets_N.split(rows), strict=True))


class _SummedNats(torch.autograd.Function):
    """The loss to minimise, whose gradient is computed with it, and the nats without one."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        targets_N: Tensor,
        cap: float | None,
        taught: "Taught | None",
    ) -> tuple[Tensor, Tensor]:
        readout = Readout(weight_VD, cap)
        is_frozen = not ctx.needs_input_grad[1]
        sums, *gradients = _gradients(
            hidden_ND, readout, targets_N, taught=taught, is_frozen=is_frozen
        )
        ctx.save_for_backward(*gradients)
        loss, nats = sums.unbind()
        ctx.mark_non_differentiable(nats)
        return loss, nats

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        d_hidden_ND, d_weight_VD = ctx.saved_tensors
        scale, _ = grad_outputs
        d_weight_VD = None if d_weight_VD is None else d_weight_VD * scale
        return d_hidden_ND * scale.to(d_hidden_ND.dtype), d_weight_VD, None, None, None


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
        readout = Readout(weight_VD, ctx.cap)
        is_frozen = not ctx.needs_input_grad[1]
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
    taught: Taught | None = None,
    is_frozen: bool,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The loss and the sum of the nats, and gradients for hidden states and, unless frozen, for W.

    d nats / d logits = softmax - onehot, times 1 - (logit / cap)² if logits are capped, times the
    target's scale if there is one. In bf16 torch's softmax computes in float32 and rounds once.
    """
    weight_VD = readout.weight_VD
    cap = readout.cap
    sums = torch.zeros(2, dtype=torch.float32, device=hidden_ND.device)
    d_hidden_ND = torch.empty_like(hidden_ND)
    start = 0
    d_weight_VD: Tensor | None = None
    for h_CD, t_C in chunks(hidden_ND, targets_N, len(weight_VD)):
        chunk = slice(start, start + len(h_CD))
        start = chunk.stop
        logits_CV = readout.logits(h_CD)
        bend_CV = None if cap is None else 1 - (logits_CV / cap).square()
        if taught is None:
            slopes_CV, part = _slopes(logits_CV, t_C)
        else:
            slopes_CV, part = _taught_slopes(logits_CV, t_C, taught.part(chunk))
        sums += part
        if bend_CV is not None:
            slopes_CV *= bend_CV
        if scale_N is not None:
            slopes_CV *= scale_N[chunk, None].to(slopes_CV.dtype)
        torch.mm(slopes_CV, weight_VD, out=d_hidden_ND[chunk])
        if not is_frozen:
            d_part_VD = slopes_CV.T @ h_CD
            d_weight_VD = d_part_VD if d_weight_VD is None else d_weight_VD.float().add_(d_part_VD)
    return sums, d_hidden_ND, None if d_weight_VD is None else d_weight_VD.to(weight_VD.dtype)


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


def _taught_slopes(logits_CV: Tensor, targets_C: Tensor, taught: Taught) -> tuple[Tensor, Tensor]:
    """The slopes of the mixed loss, and as (2,) the loss and the sum of the targets' nats.

    d (-Σ p ln q) / d logits = q - p, with what the teacher leaves to the other tokens, r, divided
    among them as we do: the p of such a token is r q / Q, where Q is the sum of their q.
    """
    ids_CK, chances_CK, share = taught
    logs_CV = torch.log_softmax(logits_CV.float(), dim=-1)
    nats_C = -logs_CV.gather(1, targets_C[:, None])[:, 0]
    named_CK = logs_CV.gather(1, ids_CK)
    rest_C = (1 - chances_CK.sum(1)).clamp_min(0.0)
    ours_C = (1 - named_CK.exp().sum(1)).clamp_min(LEAST_REST)
    expected_C = -(chances_CK * named_CK).sum(1) - rest_C * ours_C.log()
    losses_C = (1 - share) * nats_C + share * expected_C
    others_C1 = share * (rest_C / ours_C)[:, None]
    slopes_CV = logs_CV.exp_()
    named_CK = share * chances_CK - others_C1 * named_CK.exp()
    slopes_CV *= 1 - others_C1
    slopes_CV.scatter_add_(1, ids_CK, -named_CK)
    slopes_CV.scatter_add_(
        1, targets_C[:, None], slopes_CV.new_full((len(targets_C), 1), share - 1)
    )
    return slopes_CV.to(logits_CV.dtype), torch.stack((losses_C.sum(), nats_C.sum()))
