"""Law 5, experts: sorted by expert, tokens get and teach what each would alone."""

import pytest
import torch
from laws.shapes import NAMED, lively, shape
from reference.experts import slow_experts

from endonym.model.ffn import Experts

MIXTURES = [name for name, (family, _) in NAMED.items() if family == "moe"]


@pytest.mark.parametrize("name", MIXTURES)
def test_experts_together_equal_one_token_at_a_time(name: str) -> None:
    mixture = lively(shape(*NAMED[name])).blocks[0].ffn
    assert isinstance(mixture, Experts)
    generator = torch.Generator().manual_seed(4)
    x_BTD = torch.randn(2, 7, 32, generator=generator, dtype=torch.float64).requires_grad_()
    slopes_BTD = torch.randn(2, 7, 32, generator=generator, dtype=torch.float64)
    leaves = [x_BTD, *(p for n, p in mixture.named_parameters() if n != "balance")]
    found, wanted = mixture(x_BTD), slow_experts(mixture, x_BTD)
    torch.testing.assert_close(found[0], wanted[0], rtol=0, atol=1e-9)
    if mixture.balance is None:
        torch.testing.assert_close(found[1], wanted[1], rtol=0, atol=1e-9)
    answers = zip((found, wanted), (mixture.balance is None,) * 2, strict=True)
    sums = [(y * slopes_BTD).sum() + (penalty if counts else 0) for (y, penalty), counts in answers]
    fast, slow = (torch.autograd.grad(each, leaves) for each in sums)
    for slope, right in zip(fast, slow, strict=True):
        torch.testing.assert_close(slope, right, rtol=0, atol=1e-9)
