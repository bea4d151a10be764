"""What each document cost: known by its text, compared in pairs."""

import math
from pathlib import Path

import numpy as np
import pytest

from endonym.evaluate.documents import are_same, difference, documents, load, save
from endonym.evaluate.score import Measured, ratio

TEXTS = [f"Әбием мич янында {number} бияләй бәйли." for number in range(40)]


def measured(nats: list[float], texts: list[str]) -> Measured:
    sizes = np.array([len(text.encode("utf-8")) for text in texts])
    return Measured(np.array(nats), sizes, sizes, sizes)


def test_documents_come_back_with_their_sizes_and_nats_sorted_by_text(tmp_path: Path) -> None:
    nats = [float(number) for number in range(40)]
    save(tmp_path, documents(TEXTS, measured(nats, TEXTS)))
    found = load(tmp_path)
    assert found is not None
    assert sorted(found["nats"].tolist()) == nats
    assert (np.diff(found["text"].astype(float)) >= 0).all()
    by_nats = dict(zip(found["nats"].tolist(), found["bytes"].tolist(), strict=True))
    assert by_nats == {n: len(text.encode("utf-8")) for n, text in zip(nats, TEXTS, strict=True)}


def test_an_evaluation_without_them_has_none(tmp_path: Path) -> None:
    assert load(tmp_path) is None


def test_the_same_texts_in_another_order_are_the_same_documents(tmp_path: Path) -> None:
    turned = TEXTS[::-1]
    nats = [float(number) for number in range(40)]
    for place, texts in (("one", TEXTS), ("other", turned), ("fewer", TEXTS[1:])):
        (tmp_path / place).mkdir()
        save(tmp_path / place, documents(texts, measured(nats[: len(texts)], texts)))
    one, other, fewer = (load(tmp_path / place) for place in ("one", "other", "fewer"))
    assert one is not None
    assert other is not None
    assert fewer is not None
    assert are_same(one, other)
    assert not are_same(one, fewer)
    changed = documents([*TEXTS[:-1], "башка"], measured(nats, TEXTS))
    assert not are_same(one, changed)


def test_a_paired_interval_sees_what_two_intervals_hide() -> None:
    random = np.random.default_rng(5)
    hard = random.gamma(4, 20, 40)
    one = measured((hard + 1 + random.normal(0, 0.2, 40)).tolist(), TEXTS)
    other = measured(hard.tolist(), TEXTS)
    value, low, high = difference(documents(TEXTS, one), documents(TEXTS, other))
    assert low is not None
    assert high is not None
    assert 0 < low < value < high
    first, second = (ratio(each.nats / math.log(2), each.bytes) for each in (one, other))
    assert value == pytest.approx(first[0] - second[0])
    assert (second[2] or 0) > (first[1] or 0)


def test_the_difference_to_itself_is_zero_and_turns_its_sign_with_its_sides() -> None:
    random = np.random.default_rng(1)
    one = documents(TEXTS, measured(random.gamma(4, 20, 40).tolist(), TEXTS))
    other = documents(TEXTS, measured(random.gamma(4, 20, 40).tolist(), TEXTS))
    assert difference(one, one) == (0.0, 0.0, 0.0)
    value, low, high = difference(one, other)
    assert difference(other, one) == pytest.approx((-value, -(high or 0), -(low or 0)))


def test_below_ten_documents_a_difference_has_no_interval() -> None:
    few = documents(TEXTS[:9], measured([1.0] * 9, TEXTS[:9]))
    assert difference(few, few) == (0.0, None, None)
