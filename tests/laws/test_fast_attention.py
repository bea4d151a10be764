"""Law 5, attention: every kernel equals one query at a time, forward and backward."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from reference.attention import causal_mask, document_mask, slow_attention, slow_varlen
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import varlen

from endonym.model.kernels import attend as attend_module
from endonym.model.kernels import sizes
from endonym.model.kernels.attend import attend, attend_seen
from endonym.model.span import Span

BATCH, HEADS, LENGTH, WIDTH = 2, 4, 9, 8
DOCUMENTS = [[1, 1, 1, 2, 2, 2, 2, 2, 3], [7, 8, 8, 8, 8, 8, 7, 7, 7]]
TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-6, torch.bfloat16: 1.5e-2}


def inputs(
    kv_heads: int, remembered: int, dtype: torch.dtype, length: int = LENGTH
) -> tuple[Tensor, Tensor, Tensor]:
    """Random queries, keys and values, and nothing else."""
    generator = torch.Generator().manual_seed(kv_heads)
    shapes = [(BATCH, HEADS, length, WIDTH)] + 2 * [(BATCH, kv_heads, remembered, WIDTH)]
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


def assert_equal(
    fast: list[Tensor], slow: list[Tensor], dtype: torch.dtype, leeway: float = 1.0
) -> None:
    """Largest error against the largest number, tensor by tensor."""
    for name, found, wanted in zip(("mixed", "query", "keys", "values"), fast, slow, strict=True):
        assert found.dtype == dtype
        error = (found.double() - wanted).abs().max() / (wanted.abs().max() or 1.0)
        assert error < leeway * TOLERANCES[dtype], (name, error.item())


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
    mask_BTM = Span.after(5, tokens_BT).mask(None, torch.arange(LENGTH + 5))
    fast = with_gradients(attend_seen, tensors, mask_BTM)
    slow = with_gradients(slow_attention, tensors, causal_mask(BATCH, LENGTH, LENGTH + 5))
    assert_equal(fast, slow, dtype)


LONG = [[1] * 3 + [2] * 17 + [3] * 4, [4] * 24]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("window", [1, 2, 5, 8, 23, 24, None])
@pytest.mark.parametrize("is_packed", [False, True], ids=["whole rows", "packed"])
def test_a_window_is_exactly_that_many_keys_in_every_kernel(
    dtype: torch.dtype,
    window: int | None,
    is_packed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tensors = inputs(2, 24, dtype, length=24)
    documents = LONG if is_packed else [[1] * 24] * 2
    span = Span.packed(torch.tensor(documents))
    if not is_packed:
        span = Span.after(0, torch.zeros(BATCH, 24, dtype=torch.long))
    wanted_BTM = document_mask(documents)
    for index in range(24):
        wanted_BTM[:, index, : max(0, index + 1 - (window or 24))] = False
    slow = with_gradients(slow_attention, tensors, wanted_BTM)
    for dense_or_blocks in (1000, -1000):
        monkeypatch.setattr(sizes, "LAYING_OUT", dense_or_blocks)
        fast = with_gradients(lambda *given: attend(*given, window=window), tensors, span)
        # Three times the keys of the other tests round in bf16 here.
        assert_equal(fast, slow, dtype, leeway=1.5)
    counts_BT = wanted_BTM.sum(-1)
    assert counts_BT.max() == min(window or 24, 24)


@pytest.mark.parametrize("window", [None, 1, 3, 6])
def test_queries_in_tiles_equal_all_queries_at_once(
    window: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = inputs(2, LENGTH, torch.bfloat16)
    span = Span.after(0, torch.zeros(BATCH, LENGTH, dtype=torch.long))
    monkeypatch.setattr(attend_module, "TILE", 4)
    wanted_BTM = causal_mask(BATCH, LENGTH, LENGTH)
    for index in range(LENGTH):
        wanted_BTM[:, index, : max(0, index + 1 - (window or LENGTH))] = False
    fast = with_gradients(lambda *given: attend(*given, window=window), tensors, span)
    assert_equal(fast, with_gradients(slow_attention, tensors, wanted_BTM), torch.bfloat16)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_likenesses_of_thousands_do_not_overflow(dtype: torch.dtype) -> None:
    query, keys, values = (tensor.detach() for tensor in inputs(HEADS, LENGTH, dtype))
    tensors = tuple(each.requires_grad_() for each in (100 * query, 100 * keys, values))
    for numbers in fast_and_slow(tensors):
        assert torch.isfinite(numbers).all()


def fast_and_slow(tensors: tuple[Tensor, ...]) -> list[Tensor]:
    """Answers and gradients of the kernel for packed rows."""
    return with_gradients(attend, tensors, Span.packed(torch.tensor(DOCUMENTS)))


def test_the_whole_score_kernel_serves_short_bf16_rows_and_torch_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used: list[str] = []
    whole, torchs = attend_module._WholeScores.apply, F.scaled_dot_product_attention

    def note(name: str, kernel: Callable[..., Tensor]) -> Callable[..., Tensor]:
        return lambda *given, **keys: (used.append(name), kernel(*given, **keys))[1]

    monkeypatch.setattr(attend_module._WholeScores, "apply", note("whole", whole))
    monkeypatch.setattr(attend_module.F, "scaled_dot_product_attention", note("torch", torchs))
    packed = Span.packed(torch.tensor(DOCUMENTS))
    attend(*inputs(2, LENGTH, torch.bfloat16), packed)
    attend(*inputs(2, LENGTH, torch.float32), packed)
    monkeypatch.setattr(attend_module, "LONGEST_WHOLE_SCORES", LENGTH - 1)
    attend(*inputs(2, LENGTH, torch.bfloat16), packed)
    assert used == ["whole", "torch", "torch"]


def test_no_key_is_copied_for_the_heads_that_share_it() -> None:
    """Eight heads on one key/value head take the memory of their own scores, and no more."""
    query = torch.randn(1, 8, 64, 512)
    keys, values = torch.randn(2, 1, 1, 64, 512)
    with torch.profiler.profile(profile_memory=True) as seen:
        attend_seen(query, keys, values, None)
    asked = [event.cpu_memory_usage for event in seen.events() if event.name == "aten::empty"]
    assert sum(asked) < 8 * keys.nbytes


@pytest.mark.parametrize("window", [None, 1, 5])
@pytest.mark.parametrize("kv_heads", [1, 2, HEADS])
def test_rows_laid_end_to_end_equal_the_slow_reference(
    kv_heads: int, window: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the kernel for GPUs all but the kernel: that is played by what torch says of it."""
    used: list[Tensor] = []

    def noted(*given: Any, **keys: Any) -> Tensor:
        used.append(given[3])
        return slow_varlen(*given, **keys)

    monkeypatch.setattr(varlen, "varlen_attn", noted)
    monkeypatch.setattr(attend_module, "unsupported_reason", lambda *_: None)
    tensors = inputs(kv_heads, 24, torch.float64, length=24)
    wanted_BTM = document_mask(LONG)
    for index in range(24):
        wanted_BTM[:, index, : max(0, index + 1 - (window or 24))] = False
    span = Span.packed(torch.tensor(LONG))
    fast = with_gradients(lambda *given: attend(*given, window=window), tensors, span)
    assert [cuts.tolist() for cuts in used] == [[0, 3, 20, 24, 48]]
    attend(*tensors, span, window=window, dropout=0.5)
    attend(*tensors, Span.after(0, torch.zeros(BATCH, 24, dtype=torch.long)))
    assert len(used) == 1, "weights that are dropped, and whole rows, are for other kernels"
    assert_equal(fast, with_gradients(slow_attention, tensors, wanted_BTM), torch.float64)
