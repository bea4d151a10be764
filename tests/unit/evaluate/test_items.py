"""Items: choices, minimal pairs and texts after others, judged by one mechanism."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference.reading import document_nats
from toys import lively_decoder, toy_config, toy_tokenizer

from endonym.errors import SourceError
from endonym.evaluate.items import (
    ACCURACY,
    PER_BYTE,
    PER_TEXT,
    Item,
    are_right,
    item_scores,
    judge,
    read_items,
    table,
)
from endonym.evaluate.score import BITS, find
from endonym.generate.language_model import LanguageModel

READER = toy_tokenizer("bpe")
PAIRS = [
    {"good": "Балалар мәктәпкә баралар.", "bad": "Балалар мәктәпкә бара идем.", "uid": "сан"},
    {"good": "Мин китап укыйм.", "bad": "Мин китап укый.", "uid": "зат"},
    {"good": "Copiii merg la școală.", "bad": "Copiii merge la școală.", "uid": "număr"},
    {"good": "Les enfants jouent.", "bad": "Les enfants joue.", "uid": "nombre"},
    {"good": "ក្មេងៗទៅសាលារៀន។", "bad": "ក្មេងៗសាលារៀនទៅ។", "uid": "លំដាប់"},
]


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return LanguageModel(lively_decoder(toy_config(vocab=READER.vocab)), READER)


def written(path: Path, records: list[Any]) -> Path:
    lines = [each if isinstance(each, str) else json.dumps(each) for each in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def nats_of(model: LanguageModel, context: str, option: str) -> float:
    """By a slow reader: the whole is read, and what the context alone has is left out."""
    ids = READER.encode(context + option)
    begin = len(READER.encode(context)) if context else 0
    return sum(document_nats(model.decoder, ids, READER.end_id)[begin:])


def test_every_form_of_an_item_is_read(tmp_path: Path) -> None:
    forms: list[tuple[dict[str, Any], Item]] = [
        ({"good": "а", "bad": "б"}, Item("", ("а", "б"), 0)),
        ({"sentence_good": "a", "sentence_bad": "b", "UID": "x"}, Item("", ("a", "b"), 0, "x")),
        ({"sen": "a", "wrong_sen": "b", "phenomenon": "#"}, Item("", ("a", "b"), 0, "#")),
        # The blanks at a context's end are the options', as text is cut into tokens.
        ({"context": "Q ", "options": ["a", "b"], "answer": 1}, Item("Q", (" a", " b"), 1)),
        ({"question": "Q", "choices": ["a", "b"], "label": "B"}, Item("Q", ("a", "b"), 1)),
        ({"prompt": "Q", "options": ["a", "b"], "gold": "b"}, Item("Q", ("a", "b"), 1)),
    ]
    items, left_out = read_items(written(tmp_path / "a.jsonl", [record for record, _ in forms]))
    assert items == [item for _, item in forms]
    assert left_out == ""
    texts = written(tmp_path / "b.jsonl", [{"context": "Мин ", "text": "китап укыйм."}])
    assert read_items(texts)[0] == [Item("Мин", (" китап укыйм.",), None)]
    rows = tmp_path / "multiblimp.tsv"
    rows.write_text("sen\twrong_sen\nLes enfants jouent\tLes enfants joue\n", encoding="utf-8")
    assert read_items(rows)[0] == [Item("", ("Les enfants jouent", "Les enfants joue"), 0)]


def test_records_that_are_no_items_are_counted_with_their_place_and_reason(tmp_path: Path) -> None:
    wrong = [
        "{broken",
        {"good": "тигез", "bad": "тигез"},
        {"options": ["бер"], "answer": 0},
        {"options": ["бер", "ике"], "answer": 2},
        {"options": ["бер", "ике"]},
        {"good": "бар", "bad": " "},
        {"question": "Кем?"},
        ["бер", "ике"],
        {"options": ["бер", 2], "answer": 0},
    ]
    items, left_out = read_items(written(tmp_path / "a.jsonl", [*wrong, PAIRS[0]]))
    assert len(items) == 1
    for number in range(1, 10):
        assert f"{number}" in left_out
    assert "0 to 1" in left_out
    with pytest.raises(SourceError, match=r"no items: .*a\.jsonl"):
        read_items(written(tmp_path / "a.jsonl", wrong))
    both = written(tmp_path / "c.jsonl", [PAIRS[0], {"text": "Бер генә текст."}])
    with pytest.raises(SourceError, match="two tasks"):
        read_items(both)


def test_options_cost_what_a_slow_reader_finds_after_their_context(model: LanguageModel) -> None:
    items = [
        Item("Татарстанның башкаласы — ", ("Казан.", "Париж.", "Бухарест."), 0, "шәһәр"),
        Item("Capitala României este", (" București.", " Kazan."), 0, "oraș"),
        *(Item("", (each["good"], each["bad"]), 0, each["uid"]) for each in PAIRS),
    ]
    seen = list[int]()
    judged = judge(model, items, seen.append)
    expected = [nats_of(model, each.context, o) for each in items for o in each.options]
    np.testing.assert_allclose(judged.nats, expected, rtol=1e-5)
    assert sum(seen) == len(expected)
    assert judged.bytes.tolist()[:2] == [len("Казан.".encode()), len("Париж.".encode())]


def test_accuracy_is_a_mean_over_groups_and_a_tie_is_wrong() -> None:
    items = [
        Item("", ("а", "б"), 0, "x"),
        Item("", ("а", "б"), 1, "x"),
        Item("", ("в", "г"), 0, "y"),
    ]
    costs = np.array([1.0, 2.0, 1.0, 2.0, 3.0, 3.0])
    assert are_right(items, costs).tolist() == [True, False, False]
    assert are_right(items, np.array([1.0, 2.0, 2.0, 1.0, np.nan, 3.0])).tolist() == [1, 1, 0]


def test_scores_are_of_all_items_of_groups_and_of_their_mean(model: LanguageModel) -> None:
    items = [Item("", (each["good"], each["bad"]), 0, each["uid"]) for each in PAIRS]
    items += [Item("", ("Мин укыйм.", "Мин укыйсың."), 0, "зат")]
    judged = judge(model, items, lambda _: None)
    found = list(item_scores(items, judged, task="a.jsonl"))
    right = are_right(items, judged.nats)
    whole = find(found, metric=ACCURACY, model="model", source=None)
    assert whole is not None
    assert whole.value == pytest.approx(right.mean())
    by_group = {
        name: right[[i.group == name for i in items]].mean() for name in {i.group for i in items}
    }
    mean = find(found, metric=ACCURACY, model="model", source=None, weighting="sources")
    assert mean is not None
    assert mean.value == pytest.approx(np.mean(list(by_group.values())))
    assert {each.source for each in found} == {None, *by_group}
    per_byte = find(found, metric=PER_BYTE, model="model", source=None)
    assert per_byte is not None
    assert per_byte.value == are_right(items, judged.nats / judged.bytes).mean()
    assert "mean of groups" in table(found)


def test_bits_of_texts_after_a_context_are_the_mean_over_texts(model: LanguageModel) -> None:
    halves = [
        ("Балалар мәктәп", "кә баралар."),
        ("Copiii merg", " la școală."),
        ("Les enf", "ants jouent."),
    ]
    items = [Item(context, (text,), None) for context, text in halves]
    found = list(item_scores(items, judge(model, items, lambda _: None), task="halves"))
    bits = [nats_of(model, *each) / math.log(2) for each in halves]
    per_text = find(found, metric=PER_TEXT, model="model", source=None)
    per_byte = find(found, metric=BITS, model="model", source=None)
    assert per_text is not None
    assert per_byte is not None
    assert per_text.value == pytest.approx(np.mean(bits), rel=1e-5)
    assert per_byte.value == pytest.approx(
        sum(bits) / sum(len(t.encode()) for _, t in halves), rel=1e-5
    )
    assert per_text.low is None  # three texts give no interval
