"""Law 5, attention: every kernel equals one query at a time, forward and backward."""

from collections.abc import Callable

import pytest
import torch
from reference.attention import causal_mask, document_mask, slow_attention
from torch import Tensor

from endonym.model import attention
from endonym.model.attention import attend
from endonym.model.span import Span

BATCH, HEADS, LENGTH, WIDTH = 2, 4, 9, 8
DOCUMENTS = [[1, 1, 1, 2, 2, 2, 2, 2, 3], [7, 8, 8, 8, 8, 8, 7, 7, 7]]
TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-6, torch.bfloat16: 1.5e-2}


def inputs(kv_heads: int, remembered: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Random queries, keys and values, and nothing else."""
    generator = torch.Generator().manual_seed(kv_heads)
    shapes = [(BATCH, HEADS, LENGTH, WIDTH)] + 2 * [(BATCH, kv_heads, remembered, WIDTH)]
    made = [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]
    query, keys, values = (tensor.requires_grad_() for tensor in made)
    return query, keys, values


def with_gradients(
    kernel: Callable[..., Tensor], tensors: tuple[Tensor, ...], where: Span | Tensor
) -> list[Tensor]:
    """The answer, and the gradients of a fixed mixture of its numbers."""
    mixed = kernel(*tensors, where)
    generator = torch.Generator().manual_seed(3)
    slopes = torch.randn(mixed.shape, generator=generator).to(tensors[0].dtype).to(mixed.dtype)
    return [mixed.detach(), *torch.autograd.grad(mixed, tensors, slopes)]


def assert_equal(fast: list[Tensor], slow: list[Tensor], dtype: torch.dtype) -> None:
    """Largest error against the largest number, tensor by tensor."""
    for name, found, wanted in zip(("mixed", "query", "keys", "values"), fast, slow, strict=True):
        assert found.dtype == dtype
        error = (found.double() - wanted).abs().max() / wanted.abs().max()
        assert error < TOLERANCES[dtype], (name, error.item())


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("kv_heads", [1, 2, HEADS])
def test_packed_rows_equal_the_slow_reference(kv_heads: int, dtype: torch.dtype) -> None:
    tensors = inputs(kv_heads, LENGTH, dtype)
    fast = with_gradients(attend, tensors, Span.packed(torch.tensor(DOCUMENTS)))
    slow = with_gradients(slow_attention, tensors, document_mask(DOCUMENTS))
    assert_equal(fast, slow, dtype)


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("kv_heads", [1, 2, HEADS])
def test_whole_rows_equal_the_slow_reference(kv_heads: int, dtype: torch.dtype) -> None:
    tensors = inputs(kv_heads, LENGTH, dtype)
    tokens_BT = torch.zeros(BATCH, LENGTH, dtype=torch.long)
    fast = with_gradients(attend, tensors, Span.after(0, tokens_BT))
    slow = with_gradients(slow_attention, tensors, causal_mask(BATCH, LENGTH, LENGTH))
    assert_equal(fast, slow, dtype)


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("kv_heads", [1, 2, HEADS])
def test_a_chunk_after_a_memory_equals_the_slow_reference(
    kv_heads: int, dtype: torch.dtype
) -> None:
    tensors = inputs(kv_heads, LENGTH + 5, dtype)
    tokens_BT = torch.zeros(BATCH, LENGTH, dtype=torch.long)
    fast = with_gradients(attend, tensors, Span.after(5, tokens_BT))
    slow = with_gradients(slow_attention, tensors, causal_mask(BATCH, LENGTH, LENGTH + 5))
    assert_equal(fast, slow, dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_likenesses_of_thousands_do_not_overflow(dtype: torch.dtype) -> None:
    query, keys, values = (tensor.detach() for tensor in inputs(HEADS, LENGTH, dtype))
    tensors = tuple(each.requires_grad_() for each in (100 * query, 100 * keys, values))
    for numbers in fast_and_slow(tensors):
        assert torch.isfinite(numbers).all()


def fast_and_slow(tensors: tuple[Tensor, ...]) -> list[Tensor]:
    """Answers and gradients of the kernel for packed rows."""
    return with_gradients(attend, tensors, Span.packed(torch.tensor(DOCUMENTS)))


def test_the_whole_score_kernel_serves_packed_bf16_rows_and_torch_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used: list[str] = []
    whole, torchs = attention._WholeScores.apply, attention.F.scaled_dot_product_attention

    def note(name: str, kernel: Callable[..., Tensor]) -> Callable[..., Tensor]:
        return lambda *given, **keys: (used.append(name), kernel(*given, **keys))[1]

    monkeypatch.setattr(attention._WholeScores, "apply", note("whole", whole))
    monkeypatch.setattr(attention.F, "scaled_dot_product_attention", note("torch", torchs))
    packed = Span.packed(torch.tensor(DOCUMENTS))
    alone = Span.after(0, torch.zeros(BATCH, LENGTH, dtype=torch.long))
    attend(*inputs(2, LENGTH, torch.bfloat16), packed)
    attend(*inputs(2, LENGTH, torch.float32), packed)
    attend(*inputs(2, LENGTH, torch.bfloat16), alone)
    monkeypatch.setattr(attention, "LONGEST_WHOLE_SCORES", LENGTH - 1)
    attend(*inputs(2, LENGTH, torch.bfloat16), packed)
    assert used == ["whole", "torch", "torch", "torch"]
