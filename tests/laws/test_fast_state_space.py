"""Law 5, state space: chunks of matrix products equal one token at a time, forward and backward."""

from collections.abc import Callable

import pytest
import torch
from reference.state_space import slow_state_space
from torch import Tensor

from endonym.model.kernels import state_space as module
from endonym.model.kernels.state_space import state_space

BATCH, HEADS, WIDTH, SIZE, CHUNK = 2, 4, 3, 5, 4
NAMES = ("y", "after", "d x", "d log_decay", "d into", "d out_of", "d state")
TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 2.5e-2}
STARTS = {
    "none": [[], []],
    "at the first token": [[0], [0]],
    "at the edges of chunks": [[4, 8], [3, 7, 11]],
    "one after another": [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9]],
    "in one row only": [[], [5]],
}


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CPU_CHUNK", CHUNK)


def inputs(length: int, groups: int, dtype: torch.dtype, slow: float = 1.0) -> list[Tensor]:
    """Random x, log decays, directions and state; decays and state stay in at least float32."""
    generator = torch.Generator().manual_seed(length + groups)
    along = (BATCH, length, groups, SIZE)
    shapes = [(BATCH, length, HEADS, WIDTH), (BATCH, length, HEADS), along, along]
    shapes.append((BATCH, HEADS, WIDTH, SIZE))
    made = [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]
    made[1] = -slow * made[1].float().abs()
    return [
        tensor.to(torch.promote_types(dtype, torch.float32)) if index in (1, 4) else tensor
        for index, tensor in enumerate(made)
    ]


def is_first(starts: list[list[int]], length: int) -> Tensor:
    """True at the starts that lie within the length."""
    first_BT = torch.zeros(BATCH, length, dtype=torch.bool)
    for row, row_starts in enumerate(starts):
        first_BT[row, [start for start in row_starts if start < length]] = True
    return first_BT


def with_gradients(
    kernel: Callable[..., tuple[Tensor, Tensor]], tensors: list[Tensor], first_BT: Tensor | None
) -> list[Tensor]:
    """Both answers, and the gradients of a fixed mixture of all their numbers."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    answers = kernel(*leaves[:4], first_BT, leaves[4])
    generator = torch.Generator().manual_seed(3)
    slopes = [torch.randn(each.shape, generator=generator).bfloat16() for each in answers]
    slopes = [slope.to(each.dtype) for slope, each in zip(slopes, answers, strict=True)]
    gradients = torch.autograd.grad(answers, leaves, slopes)
    return [*(each.detach() for each in answers), *gradients]


def assert_equal(fast: list[Tensor], slow: list[Tensor], tolerance: float) -> None:
    """Largest error against the largest number, tensor by tensor."""
    for name, found, wanted in zip(NAMES, fast, slow, strict=True):
        assert torch.isfinite(found).all(), name
        error = (found.double() - wanted).abs().max() / wanted.abs().max().clamp_min(1e-9)
        assert error < tolerance, (name, error.item())


def assert_fast_is_slow(
    tensors: list[Tensor], first_BT: Tensor | None, tolerance: float = 1e-9
) -> None:
    """The kernel in the dtype of the tensors against the reference in float64."""
    fast = with_gradients(state_space, tensors, first_BT)
    slow = with_gradients(slow_state_space, [tensor.double() for tensor in tensors], first_BT)
    assert_equal(fast, slow, tolerance)


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("groups", [1, 2, HEADS])
@pytest.mark.parametrize("length", [1, 2, 3, CHUNK, CHUNK + 1, 2 * CHUNK, 13])
def test_chunks_equal_the_slow_reference(length: int, groups: int, dtype: torch.dtype) -> None:
    tensors = inputs(length, groups, dtype)
    assert_fast_is_slow(tensors, None, TOLERANCES[dtype])
    assert_fast_is_slow(tensors, is_first([[0, 5], [2, 3, 8]], length), TOLERANCES[dtype])


@pytest.mark.parametrize("starts", STARTS.values(), ids=STARTS)
@pytest.mark.parametrize("length", [1, CHUNK, 12, 14])
def test_documents_equal_the_slow_reference(length: int, starts: list[list[int]]) -> None:
    assert_fast_is_slow(inputs(length, 2, torch.float64), is_first(starts, length))


@pytest.mark.parametrize("seed", range(8))
def test_documents_of_random_lengths_equal_the_slow_reference(seed: int) -> None:
    chance = torch.rand(BATCH, 23, generator=torch.Generator().manual_seed(seed))
    assert_fast_is_slow(inputs(23, 2, torch.float64, slow=0.1), chance < 0.25)


@pytest.mark.parametrize("length", [9, 22])
def test_a_row_that_passes_in_parts_equals_the_slow_reference(
    monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    for cache in (1, 4000):
        monkeypatch.setattr(module, "CPU_BYTES", cache)
        assert_fast_is_slow(inputs(length, 2, torch.float64), is_first([[5], [12]], length))


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_chunks_as_long_as_in_use_equal_the_slow_reference(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(module, "CPU_CHUNK", 64)
    tensors = inputs(150, 2, dtype, slow=0.05)
    assert_fast_is_slow(tensors, is_first([[70], [0, 64, 128, 149]], 150), TOLERANCES[dtype])


@pytest.mark.parametrize("cut", range(1, 11))
def test_a_state_carried_over_a_split_equals_one_pass(cut: int) -> None:
    tensors, first_BT = inputs(11, 2, torch.float64), is_first([[3, 4], [8]], 11)

    def in_two(*given: Tensor) -> tuple[Tensor, Tensor]:
        before, state = state_space(*(tensor[:, :cut] for tensor in given[:5]), given[5])
        after, state = state_space(*(tensor[:, cut:] for tensor in given[:5]), state)
        return torch.cat([before, after], 1), state

    two = with_gradients(in_two, tensors, first_BT)
    assert_equal(two, with_gradients(state_space, tensors, first_BT), 1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("where", ["everywhere", "here and there", "nowhere"])
def test_decays_of_nothing_and_of_all_have_finite_and_right_gradients(
    where: str, dtype: torch.dtype
) -> None:
    tensors, first_BT = inputs(13, 2, dtype), is_first([[5], [9]], 13)
    chance = torch.rand(tensors[1].shape, generator=torch.Generator().manual_seed(0))
    share = {"everywhere": 1.0, "here and there": 0.3, "nowhere": 0.0}[where]
    tensors[1] = torch.where(chance < share, -1e4, 0.0).to(dtype)
    assert_fast_is_slow(tensors, first_BT, 2e-4 if dtype == torch.float32 else 1e-9)


@pytest.mark.parametrize("length", [1, 6])
def test_the_gradients_are_those_of_differences(length: int) -> None:
    tensors, first_BT = inputs(length, 2, torch.float64), is_first([[2], [0, 4]], length)
    tensors[1] = tensors[1].clamp(max=-1e-2)  # a difference may not step above 0
    leaves = [tensor.requires_grad_() for tensor in tensors]
    assert torch.autograd.gradcheck(
        lambda *given: state_space(*given[:4], first_BT, given[4]), leaves
    )


def test_a_token_that_forgets_all_takes_no_digits_from_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CPU_CHUNK", 64)
    tensors = inputs(64, 2, torch.float32, slow=0.01)
    tensors[1][:, 2] = -1e4
    assert_fast_is_slow(tensors, None, 1e-5)


def test_in_bfloat16_what_a_token_says_to_itself_does_not_blur_the_decays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CPU_CHUNK", 64)
    tensors = inputs(128, 1, torch.bfloat16, slow=2.0)
    fast = with_gradients(state_space, tensors, None)[3].double()
    wide = with_gradients(slow_state_space, [tensor.double() for tensor in tensors], None)[3]
    assert (fast - wide).norm() / wide.norm() < 8e-3
