"""The kernel for packed documents on GPUs: tried before it is used, and refused with a reason."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from reference.attention import slow_varlen
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import varlen
from torch.utils.checkpoint import checkpoint

from endonym.model.kernels import varlen as varlen_module
from endonym.model.kernels.varlen import (
    TOLERANCE,
    gap_from_dense,
    reason_by_trial,
    unsupported_reason,
)


def forgetful(query: Tensor, keys: Tensor, values: Tensor, *_: Any, **__: Any) -> Tensor:
    """A kernel for which all documents are one."""
    parts = (each.transpose(0, 1)[None] for each in (query, keys, values))
    return F.scaled_dot_product_attention(*parts, is_causal=True, enable_gqa=True)[0].transpose(
        0, 1
    )


@pytest.fixture
def fresh_trial(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The trial on few tokens, with torch's kernel played by what torch says of it."""
    monkeypatch.setattr(varlen, "varlen_attn", slow_varlen)
    monkeypatch.setattr(varlen_module, "TRIED_LENGTHS", (5, 1, 9))
    reason_by_trial.cache_clear()
    yield
    reason_by_trial.cache_clear()


WHERE = (torch.device("cpu"), torch.bfloat16, 16)


@pytest.mark.usefixtures("fresh_trial")
def test_a_right_kernel_is_found_right_whoever_asks_first() -> None:
    @torch.no_grad()
    def in_a_validation() -> str | None:
        return reason_by_trial(*WHERE)

    def in_a_block(x: Tensor) -> Tensor:
        assert reason_by_trial(*WHERE) is None
        return x.sin()

    assert in_a_validation() is None
    reason_by_trial.cache_clear()
    with torch.inference_mode():
        assert reason_by_trial(*WHERE) is None
    reason_by_trial.cache_clear()
    x = torch.ones(3, requires_grad=True)
    checkpoint(in_a_block, x, use_reentrant=False).sum().backward()
    assert x.grad is not None


@pytest.mark.usefixtures("fresh_trial")
def test_a_kernel_that_forgets_where_documents_end_is_found_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(varlen, "varlen_attn", forgetful)
    assert "differs from the dense mask" in (reason_by_trial(*WHERE) or "")
    for window in (None, 4):
        assert gap_from_dense(*WHERE, window=window, heads=(4, 2)) > 10 * TOLERANCE


@pytest.mark.usefixtures("fresh_trial")
def test_a_kernel_that_is_not_there_says_why(monkeypatch: pytest.MonkeyPatch):
    def ends(error: RuntimeError) -> Callable[..., Tensor]:
        def kernel(*_: Any, **__: Any) -> Tensor:
            raise error

        return kernel

    monkeypatch.setattr(varlen, "varlen_attn", ends(RuntimeError("sm_70 is too old\nin a.cu")))
    assert reason_by_trial(*WHERE) == "sm_70 is too old"
    reason_by_trial.cache_clear()
    monkeypatch.setattr(varlen, "varlen_attn", ends(torch.OutOfMemoryError("none left")))
    with pytest.raises(torch.OutOfMemoryError):
        reason_by_trial(*WHERE)


def test_the_kernel_for_gpus_is_used_on_gpus_alone() -> None:
    assert unsupported_reason(torch.device("cpu"), torch.bfloat16, 64) == "never tried on cpu"
    assert unsupported_reason(torch.device("mps"), torch.bfloat16, 64) == "never tried on mps"
    assert "float32" in (unsupported_reason(torch.device("cuda"), torch.float32, 64) or "")
