"""What computes the logits of several sequences at once: llama.cpp, or endonym's own runtime."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]


class Vocabulary(Protocol):
    """Text to ids and back; the name of a special token in a text is plain text."""

    vocab: int

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without special tokens."""
        ...

    def bytes_of(self, index: int) -> bytes:
        """The bytes of an id; empty for a special token."""
        ...

    def token(self, index: int) -> str:
        """An id as readable text; of a special token its name."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """The next tokens of the sequence in a slot.

    past: how many of its tokens were computed before. outputs: of how many of these tokens, counted
    from the last one back, the logits are wanted.
    """

    slot: int
    ids: Sequence[int]
    past: int
    outputs: int


class Engine(Protocol):
    """Computes sequences, each with a cache of its own in a slot. Used by one thread."""

    name: str
    """Which runtime it is, for people."""
    slots: int
    """How many sequences it holds at once."""
    context: int
    """Tokens of the longest sequence."""
    batch: int
    """Tokens of the largest call."""
    vocabulary: Vocabulary
    opening: int
    """The id before the first token of a text."""
    ending: int
    """The id that a chat template puts after a message (eos)."""
    ends: Collection[int]
    """The ids that end a text."""
    template: str | None
    """The model's chat template, if it has one."""

    def compute(self, rows: Sequence[Row]) -> Logits:
        """The wanted logits, row after row, as an array of its own."""
        ...

    def release(self, slot: int) -> None:
        """Forget the sequence in a slot."""
        ...

    def encode_markup(self, text: str) -> list[int]:
        """The ids of a chat template's own text, in which special tokens stand by their names."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...
