"""Changes of matrices that another program holds as one: side by side, as one change."""

from collections.abc import Sequence

import torch
from torch import Tensor

from endonym.errors import ExportError
from endonym.model.lora import Change


def side_by_side(
    parts: Sequence[Change | None], outputs: Sequence[int], *, what: str, where: str
) -> Change:
    """One change of matrices that lie one below the other. None: a matrix that stays as it is.

    Parts with the same A keep it. Else the ranks add up, and B has a block for each part:

        [B1  0] [A1]
        [ 0 B2] [A2]

    Raises ExportError if only some have magnitudes: the others' would be the norms of the base.
    """
    known = [each for each in parts if each is not None]
    has_magnitude = {each is not None and each.magnitude is not None for each in parts}
    if len(has_magnitude) > 1:
        raise ExportError(
            f"DoRA changes only some of {what}, which are one matrix there",
            where=where,
            do="Name all of them in adapt.on, or leave dora = true out.",
        )
    first = known[0]
    scaled = [None if each is None else each.b * (each.scale / first.scale) for each in parts]
    is_shared = all(each.rank == first.rank and torch.equal(each.a, first.a) for each in known)
    a = first.a if is_shared else torch.cat([each.a for each in known], dim=-2)
    blocks: list[Tensor] = []
    at = 0
    for b, size in zip(scaled, outputs, strict=True):
        block = first.b.new_zeros(*first.b.shape[:-2], size, a.shape[-2])
        if b is not None:
            width = b.shape[-1]
            start = 0 if is_shared else at
            block[..., start : start + width] = b
            at += width
        blocks.append(block)
    magnitudes = [each.magnitude for each in known if each.magnitude is not None]
    magnitude = torch.cat(magnitudes, dim=-1) if magnitudes else None
    return Change(a, torch.cat(blocks, dim=-2), first.scale, magnitude)


def with_rows(change: Change, order: Tensor) -> Change:
    """The change of the same matrix with its rows in another order."""
    magnitude = None if change.magnitude is None else change.magnitude[..., order]
    return Change(change.a, change.b[..., order, :], change.scale, magnitude)


def rows_of(change: Change, rows: slice) -> Change:
    """The change of some rows of a matrix."""
    magnitude = None if change.magnitude is None else change.magnitude[..., rows]
    return Change(change.a, change.b[..., rows, :], change.scale, magnitude)
