"""A mixture of experts, one token and one expert at a time (arXiv:1701.06538, eq. 2)."""

import torch
from torch import Tensor

from endonym.model.ffn import Experts


def slow_experts(mixture: Experts, x_BTD: Tensor) -> tuple[Tensor, Tensor]:
    """The mixture's answer and its penalty, from its weights alone."""
    config = mixture.config
    rows, chosen_of_all, shares_of_all = [], [], []
    for x_D in x_BTD.flatten(0, 1):
        likings = [torch.dot(row, x_D) for row in mixture.router.weight]
        total = sum(torch.exp(each - max(likings)) for each in likings)
        shares = [torch.exp(each - max(likings)) / total for each in likings]
        bias = [0.0] * config.experts if mixture.balance is None else mixture.balance.tolist()
        order = sorted(range(config.experts), key=lambda e: -(shares[e].item() + bias[e]))
        chosen = order[: config.active]
        whole = sum(shares[e] for e in chosen) if config.active > 1 else 1.0
        answers = [shares[e] / whole * _expert(mixture, e, x_D) for e in chosen]
        rows.append(torch.stack(answers).sum(0))
        chosen_of_all += chosen
        shares_of_all.append(torch.stack(shares))
    used = [chosen_of_all.count(e) / len(chosen_of_all) for e in range(config.experts)]
    means = torch.stack(shares_of_all).mean(0)
    penalty = sum(f * p for f, p in zip(used, means, strict=True))
    penalty = config.balance_weight * config.experts * penalty
    return torch.stack(rows).view(x_BTD.shape), penalty


def _expert(mixture: Experts, number: int, x_D: Tensor) -> Tensor:
    """One expert's feed-forward on one token."""
    hidden_F = mixture.up.weight[number] @ x_D
    if mixture.gate is None:
        hidden_F = mixture.activation(hidden_F)
    else:
        hidden_F = mixture.activation(mixture.gate.weight[number] @ x_D) * hidden_F
    return mixture.down.weight[number] @ hidden_F
