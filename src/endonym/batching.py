"""Divides items into batches by their sizes."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def in_batches(
    items: Iterable[Item], size: Callable[[Item], int], most: int, *, is_within: bool = False
) -> Iterator[list[Item]]:
    """Items in batches; a batch ends with the item that makes their sizes reach `most`.

    is_within: a batch ends before an item with which it would exceed `most`; a larger one is alone.
    """
    batch = list[Item]()
    total = 0
    for item in items:
        more = size(item)
        if is_within and batch and total + more > most:
            yield batch
            batch = []
            total = 0
        batch.append(item)
        total += more
        if not is_within and total >= most:
            yield batch
            batch = []
            total = 0
    if batch:
        yield batch
