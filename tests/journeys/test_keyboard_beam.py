"""The benchmark's own form of FUTO Keyboard's rule: its cache, and its two slips."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from laws.shapes import shape
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from toys import lively_decoder, toy_tokenizer

KEYBOARD = Path(__file__).resolve().parents[2] / "benchmarks" / "keyboard"
Logits = NDArray[np.float32]


@pytest.fixture
def beam(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, as its program imports it."""
    monkeypatch.syspath_prepend(str(KEYBOARD))
    return importlib.import_module("beam")


def test_a_row_that_takes_over_a_place_still_sees_what_was_there(beam: Any) -> None:
    tokenizer = toy_tokenizer("keyboard")
    decoder = lively_decoder(shape("llama", vocab=tokenizer.vocab, context=64), seed=1)

    @torch.inference_mode()
    def after(ids: Sequence[int]) -> Logits:
        return decoder.logits(torch.tensor([ids]))[0, -1].numpy()

    ours, whole, row = beam.Ours(decoder), beam.Rows(after), beam.Row
    ids = [1, *tokenizer.encode("Күрше әби ")]
    assert_allclose(ours.first(ids), whole.first(ids), atol=1e-4)
    ours.copy(0, 1, 0)
    rows = [row(0.5, (300,), 0), row(0.5, (301,), 1)]
    assert_allclose(ours.next(rows), whole.next(rows), atol=1e-4)
    ours.copy(0, 1, 1)
    rows = [row(0.5, (300, 302), 0), row(0.5, (300, 303), 1)]
    found, expected = ours.next(rows), whole.next(rows)
    assert_allclose(found[0], expected[0], atol=1e-4)
    assert np.abs(found[1] - expected[1]).max() > 1e-2


class Fixed:
    """An engine whose first letters are а, б and в; behind each, the blank and е are likely."""

    def __init__(self, ids: dict[str, int], vocab: int) -> None:
        self.ids, self.vocab = ids, vocab

    def logits(self, chances: dict[str, float]) -> Logits:
        found = np.full(self.vocab, -100.0, dtype=np.float32)
        for piece, chance in chances.items():
            found[self.ids[piece]] = np.log(chance)
        return found

    def first(self, _: Sequence[int]) -> Logits:
        return self.logits({"а": 0.5, "б": 0.3, "в": 0.2})

    def next(self, rows: Sequence[Any]) -> Logits:
        return np.stack([self.logits({" ": 0.6, "е": 0.3, ".": 0.1}) for _ in rows])

    def copy(self, source: int, target: int, length: int) -> None:
        """Nothing is kept."""


def test_a_row_is_scored_by_the_number_of_its_token(beam: Any) -> None:
    tokenizer = toy_tokenizer("keyboard")
    ids = {tokenizer.token(index): index for index in range(289, tokenizer.vocab)}
    rule = beam.Beam(tokenizer, corrects=False)
    words = rule.words(Fixed(ids, tokenizer.vocab), [1], may_end=False)
    # What is probable of a full stop goes to the blank: 0.7. All three rows are scored with the
    # first row's 0.5; without the slip they would have 0.35, 0.21 and 0.14.
    assert [word for _, word in words] == ["а ", "б ", "в "]
    assert [score for score, _ in words] == pytest.approx([0.35, 0.35, 0.35])
