"""What several modules do with mappings."""

from collections.abc import Hashable, Mapping
from typing import Any, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def without_none(values: Mapping[K, V | None]) -> dict[K, V]:
    """The items that have a value, in the same order."""
    return {key: value for key, value in values.items() if value is not None}


def largest_first(values: Mapping[K, Any]) -> dict[K, Any]:
    """The items with the largest values first; those of equal values in the order of their keys."""
    return dict(sorted(values.items(), key=lambda item: (-item[1], item[0])))
