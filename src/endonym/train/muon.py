"""Muon: orthogonalised momentum for the weight matrices of a network.

All singular values of an update are near 1, so that directions with small gradients are learnt as
fast as the others. Shapes: N matrices of R rows and C columns, C the larger.

Sources: K. Jordan, Muon (kellerjordan.github.io/posts/muon), for the method; arXiv:2502.16982,
eq. 4, for the size of a step; the rest beside the code.
"""

# torch's calls over lists of tensors, which its own optimizers are made of, have no public name.
# pyright: reportPrivateUsage=false

import math
from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from endonym.train.config import TrainConfig
from endonym.train.distributed import full_tensor, own, part_of

Matrices = list[Tensor] | tuple[Tensor, ...]
UPDATE_RMS = 0.2
"""About that of AdamW's updates, so that both use similar learning rates."""
LEAST_NORM = 1e-7
LEAST_ROOT = 1e-8
MARGIN = 1.01
PUBLISHED = (
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
)
MARGINS = (MARGIN**2, MARGIN, MARGIN, MARGIN, MARGIN)
COEFFICIENTS = tuple(
    (a / margin, b / margin**3, c / margin**5)
    for margin, (a, b, c) in zip(MARGINS, PUBLISHED, strict=True)
)
"""Of the polynomials a x + b x³ + c x⁵, applied in turn; together optimal for singular values in
[0.001, 1]. Source: Polar Express, arXiv:2505.16932, algorithm 1, with its margins against rounding
included: twice in the first, for the matrix and for its polynomial."""


class Muon:
    """Muon for matrices of shape (..., R, C). state: momentum and row squares of each.

    row_memory: decay rate of the second moment for row normalisation, or None.
    number_format: of the matrix products of the orthogonalisation.
    """

    def __init__(self, matrices: Sequence[Tensor], config: TrainConfig) -> None:
        self.matrices: list[Tensor] = list(matrices)
        self.momentum = config.momentum
        self.cautious = config.cautious
        self.row_memory = config.betas[1] if config.normalise else None
        is_narrow = config.number_format == "bf16"
        self.number_format = torch.bfloat16 if is_narrow else torch.float32
        self.state: dict[Tensor, dict[str, Tensor]] = {}
        for matrix in self.matrices:
            self.state[matrix] = {"momentum": torch.zeros_like(matrix)}
            if self.row_memory is not None:
                rows = (*matrix.shape[:-1], 1)
                self.state[matrix]["row_squares"] = torch.zeros(rows, device=matrix.device)

    @torch.no_grad()
    def step(self, lr: float, decay: float) -> None:
        """Update the weights; a matrix without a gradient moves by its momentum.

        update = 0.2 √C · orthogonal(Nesterov momentum); weights -= lr (update + decay · weights).
        The gradients are overwritten. With shards every process computes all updates and keeps its
        part, since a matrix cannot be orthogonalised in pieces.
        """
        gradients = [
            torch.zeros_like(matrix) if matrix.grad is None else matrix.grad
            for matrix in self.matrices
        ]
        momenta = [own(self.state[matrix]["momentum"]) for matrix in self.matrices]
        own_gradients = [own(gradient) for gradient in gradients]
        torch._foreach_lerp_(momenta, own_gradients, 1 - self.momentum)
        # Nesterov: the gradients become the momentum one step ahead.
        torch._foreach_lerp_(own_gradients, momenta, self.momentum)
        whole_updates = orthogonal([full_tensor(each) for each in gradients], self.number_format)
        if self.row_memory is not None:
            for matrix, update in zip(self.matrices, whole_updates, strict=True):
                even_out_rows(update, self.state[matrix]["row_squares"], self.row_memory)
        pairs = zip(whole_updates, self.matrices, strict=True)
        updates = [own(part_of(update, matrix)) for update, matrix in pairs]
        matrices = [own(matrix) for matrix in self.matrices]
        if self.cautious:
            cautious_decay_(matrices, updates, lr * decay)
        else:
            torch._foreach_mul_(matrices, 1 - lr * decay)
        scales = [-lr * UPDATE_RMS * math.sqrt(max(each.shape[-2:])) for each in self.matrices]
        torch._foreach_mul_(updates, scales)
        torch._foreach_add_(matrices, updates)


def orthogonal(matrices: Sequence[Tensor], number_format: torch.dtype) -> list[Tensor]:
    """About U Vᵀ for each matrix U S Vᵀ, in fp32; matrices of one shape are batched.

    Singular values of at least 1/500 of the matrix's norm end in [0.87, 1.13], smaller ones below;
    zeros stay zero. matrices: (..., R, C), not sharded, on one device.
    """
    indices_by_shape: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, matrix in enumerate(matrices):
        smaller, larger = sorted(matrix.shape[-2:])
        indices_by_shape[smaller, larger].append(index)
    results: dict[int, Tensor] = {}
    for indices in indices_by_shape.values():
        stacks = list[Tensor]()
        for index in indices:
            stack = matrices[index].reshape(-1, *matrices[index].shape[-2:])
            # No more rows than columns, so that the Gram matrices are as small as possible.
            stacks.append(stack.mT if stack.shape[-2] > stack.shape[-1] else stack)
        # Apply the polynomials to the singular values: those of X (X Xᵀ)ⁿ have the power 2n + 1.
        stacked_NRC = torch.cat(stacks)
        norms_N11 = torch.linalg.vector_norm(stacked_NRC, dim=(-2, -1), keepdim=True)
        x_NRC = (stacked_NRC / norms_N11.clamp_min(LEAST_NORM)).to(number_format)
        for a, b, c in COEFFICIENTS:
            gram_NRR = x_NRC @ x_NRC.mT
            even_terms_NRR = torch.baddbmm(gram_NRR, gram_NRR, gram_NRR, beta=b, alpha=c)
            x_NRC = torch.baddbmm(x_NRC, even_terms_NRR, x_NRC, beta=a)
        counts = [len(stack) for stack in stacks]
        for index, result in zip(indices, x_NRC.float().split(counts), strict=True):
            shape = matrices[index].shape
            is_transposed = shape[-2] > shape[-1]
            results[index] = (result.mT if is_transposed else result).reshape(shape)
    return [results[index] for index in range(len(matrices))]


def even_out_rows(update: Tensor, squares: Tensor, memory: float) -> None:
    """Divide each row by its running root mean square and keep the matrix's norm, in place.

    squares: running mean squares, (..., R, 1), updated.
    Source: NorMuon, arXiv:2510.05491, algorithm 1. There the norm becomes 0.2 √(RC), which is the
    same for a matrix of full rank; here one of lower rank keeps its smaller norm.
    """
    squares.lerp_(update.square().mean(-1, keepdim=True), 1 - memory)
    norm = torch.linalg.vector_norm(update, dim=(-2, -1), keepdim=True)
    update /= squares.sqrt() + LEAST_ROOT
    norm_now = torch.linalg.vector_norm(update, dim=(-2, -1), keepdim=True)
    update *= norm / norm_now.clamp_min(LEAST_NORM)


def cautious_decay_(weights: Matrices, updates: Matrices, decay: float) -> None:
    """Cautious weight decay: subtract `decay` · weight only where update · weight ≥ 0, in place.

    updates: will be subtracted from the weights; only their signs matter here.
    Source: arXiv:2510.12402, algorithm 1.
    """
    masks = torch._foreach_mul(updates, weights)
    torch._foreach_sign_(masks)  # -1, 0 or 1
    torch._foreach_add_(masks, 1)
    torch._foreach_clamp_max_(masks, 1)  # 1 where update · weight ≥ 0, else 0
    torch._foreach_mul_(masks, weights)  # the weight there, else 0
    torch._foreach_add_(weights, masks, alpha=-decay)
