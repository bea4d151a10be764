"""Changes of matrices that another program holds as one."""

import pytest
import torch

from endonym.errors import ExportError
from endonym.export.adapters.low_rank import rows_of, side_by_side, with_rows
from endonym.model.lora import Change

SAID = {"what": "query and key", "where": "here"}


def change(outputs: int, rank: int, scale: float, *, dora: bool = False, seed: int = 0) -> Change:
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(rank, 5, generator=generator)
    b = torch.randn(outputs, rank, generator=generator)
    return Change(a, b, scale, torch.rand(outputs, generator=generator) + 1 if dora else None)


@pytest.mark.parametrize("dora", [False, True])
def test_together_they_change_what_each_changed(*, dora: bool) -> None:
    one, other = change(3, 2, 2.0, dora=dora), change(4, 1, 0.5, dora=dora, seed=1)
    matrix = torch.randn(7, 5)
    both = side_by_side([one, other], [3, 4], **SAID)
    wanted = torch.cat([one.of(matrix[:3]), other.of(matrix[3:])])
    assert torch.allclose(both.of(matrix), wanted, atol=1e-5)
    assert both.rank == 3


def test_one_that_stays_as_it_is_has_zeros() -> None:
    one, matrix = change(3, 2, 2.0), torch.randn(9, 5)
    both = side_by_side([None, one, None], [2, 3, 4], **SAID)
    assert torch.equal(both.of(matrix)[:2], matrix[:2])
    assert torch.allclose(both.of(matrix)[2:5], one.of(matrix[2:5]))
    assert both.rank == 2


def test_parts_of_one_change_are_put_together_without_more_rank() -> None:
    whole = change(7, 2, 2.0, dora=True)
    parts = [rows_of(whole, slice(0, 3)), rows_of(whole, slice(3, 7))]
    again = side_by_side(parts, [3, 4], **SAID)
    assert again.rank == 2
    assert torch.equal(again.b, whole.b)
    assert again.magnitude is not None
    order = torch.tensor([6, 5, 4, 3, 2, 1, 0])
    turned, matrix = with_rows(whole, order), torch.randn(7, 5)
    assert torch.allclose(turned.of(matrix[order]), whole.of(matrix)[order], atol=1e-5)


def test_dora_on_some_of_one_matrix_is_refused() -> None:
    with pytest.raises(ExportError, match="only some of query and key"):
        side_by_side([change(3, 2, 1.0, dora=True), None], [3, 4], **SAID)
