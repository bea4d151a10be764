"""What is read at once: no more than memory is meant to hold, and not much less."""

from collections.abc import Callable

import numpy as np
import pytest
from reference.judge import LONGEST_CONTEXT
from toys import END, lively_decoder, toy_config

from endonym.generate.reading import Ids, read
from endonym.model.decoder import Decoder

Shapes = list[tuple[int, int]]


@pytest.fixture
def watched() -> Callable[[int], tuple[Decoder, Shapes]]:
    """A decoder of so much context, and the shapes of the batches that it is given."""

    def make(context: int) -> tuple[Decoder, Shapes]:
        decoder, shapes = lively_decoder(toy_config(context=context)), Shapes()
        decoder.register_forward_pre_hook(lambda _, given: shapes.append(tuple(given[0].shape)))
        return decoder, shapes

    return make


def documents(count: int, length: int) -> list[Ids]:
    random = np.random.default_rng(5)
    return [random.integers(1, 40, length) for _ in range(count)]


def test_a_window_holds_as_many_tokens_as_the_outside_judge_reads(
    watched: Callable[[int], tuple[Decoder, Shapes]],
) -> None:
    decoder, shapes = watched(3000)
    list(read(decoder, documents(1, LONGEST_CONTEXT + 500), END))
    # A window's last token is predicted and not read.
    assert shapes == [(2, LONGEST_CONTEXT - 1)]


def test_windows_are_read_together_as_many_as_are_meant_to_be(
    watched: Callable[[int], tuple[Decoder, Shapes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endonym.generate.reading.ROWS_TOKENS", 64)
    monkeypatch.setattr("endonym.generate.reading.GROUP_TOKENS", 100)
    decoder, shapes = watched(16)
    list(read(decoder, documents(30, 9), END))
    # Documents of ten tokens: groups of ten, of which six are read at once and then four.
    assert shapes == [(6, 9), (4, 9)] * 3
