"""Changes of matrices that another program holds as one."""

import pytest
import torch

from endonym.errors import ExportError
from endonym.export.peft_format import side_by_side, with_rows
from endonym.model.lora import Change


def joined(changes: list[Change | None], outputs: list[int]) -> Change:
    names = ["query", "key", "value"][: len(changes)]
    known = {name: each for name, each in zip(names, changes, strict=True) if each}
    return side_by_side(names, known, dict(zip(names, outputs, strict=True)), where="here")


def change(outputs: int, rank: int, scale: float, *, dora: bool = False, seed: int = 0) -> Change:
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(rank, 5, generator=generator)
    b = torch.randn(outputs, rank, generator=generator)
    return Change(a, b, scale, torch.rand(outputs, generator=generator) + 1 if dora else None)


@pytest.mark.parametrize("dora", [False, True])
def test_together_they_change_what_each_changed(*, dora: bool) -> None:
    one, other = change(3, 2, 2.0, dora=dora), change(4, 1, 0.5, dora=dora, seed=1)
    matrix = torch.randn(7, 5)
    both = joined([one, other], [3, 4])
    wanted = torch.cat([one.of(matrix[:3]), other.of(matrix[3:])])
    assert torch.allclose(both.of(matrix), wanted, atol=1e-5)
    assert both.rank == 3


def test_one_that_stays_as_it_is_has_zeros() -> None:
    one, matrix = change(3, 2, 2.0), torch.randn(9, 5)
    both = joined([None, one, None], [2, 3, 4])
    assert torch.equal(both.of(matrix)[:2], matrix[:2])
    assert torch.allclose(both.of(matrix)[2:5], one.of(matrix[2:5]))
    assert both.rank == 2


def test_parts_of_one_change_are_put_together_without_more_rank() -> None:
    whole = change(7, 2, 2.0, dora=True)
    parts = [with_rows(whole, each) for each in torch.arange(7).split([3, 4])]
    again = joined(parts, [3, 4])
    assert again.rank == 2
    assert torch.equal(again.b, whole.b)
    assert again.magnitude is not None
    order = torch.tensor([6, 5, 4, 3, 2, 1, 0])
    turned, matrix = with_rows(whole, order), torch.randn(7, 5)
    assert torch.allclose(turned.of(matrix[order]), whole.of(matrix)[order], atol=1e-5)


def test_dora_on_some_of_one_matrix_is_refused() -> None:
    with pytest.raises(ExportError, match="only some of query and key"):
        joined([change(3, 2, 1.0, dora=True), None], [3, 4])
