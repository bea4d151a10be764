"""Which kernel attention is given to. That all equal one query at a time is law 5."""

from typing import Any

import pytest
import torch
from torch import Tensor

from endonym.model.kernels import attend as module
from endonym.model.kernels.attend import attend
from endonym.model.span import Span

KERNELS = ("attend_seen", "_by_blocks")


def some(heads: int, length: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(heads)
    return torch.randn(2, heads, length, 8, generator=generator).to(dtype)


def row(length: int) -> Span:
    """Two rows from their start."""
    return Span.after(0, torch.zeros(2, length, dtype=torch.long))


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which ways were gone, in their order."""
    ways: list[str] = []
    for name in KERNELS:
        kernel = getattr(module, name)

        def note(*given: Any, name: str = name, kernel: Any = kernel, **keys: Any) -> Tensor:
            ways.append(name)
            return kernel(*given, **keys)

        monkeypatch.setattr(module, name, note)
    return ways


def test_a_long_row_under_a_window_goes_by_blocks_and_a_short_one_whole(used: list[str]) -> None:
    whole = attend(some(4, 320), some(2, 320), some(2, 320), row(320), window=60)
    assert used == ["attend_seen"]
    blocks = attend(some(4, 320), some(2, 320), some(2, 320), row(320), window=16)
    assert used[1] == "_by_blocks"
    assert whole.shape == blocks.shape == (2, 4, 320, 8)


@pytest.mark.parametrize("window", [None, 16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_dropout_zeroes_shares_and_never_moves_the_mean(dtype: torch.dtype, window: int | None):
    query, keys = torch.zeros(2, 4, 400, 8, dtype=dtype), torch.zeros(2, 4, 400, 8, dtype=dtype)
    torch.manual_seed(0)
    mixed = attend(query, keys, torch.ones_like(keys), row(400), window=window, dropout=0.25)
    assert mixed.float().std() > 1e-3
    assert mixed.float().mean().item() == pytest.approx(1.0, abs=0.05)
    assert (mixed[:, :, 0] == 0).float().mean().item() == pytest.approx(0.25, abs=0.25)
