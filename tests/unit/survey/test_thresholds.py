"""Thresholds from the distribution of a sample."""

import random

import pytest
from endonym.survey.thresholds import BOUNDS, LEAST_DOCUMENTS, limit_of, thresholds
from made_dirt import fables
from text_samples import TATAR

from endonym.cleaning.rules import DROPS, judge
from endonym.formats.config import Clean

RULES = {rule.key: rule for rule in DROPS}
BY_KEY = {bounds.key: bounds for bounds in BOUNDS}


def pages(count: int, seed: int = 1) -> list[str]:
    """Pages of Tatar sentences."""
    draw = random.Random(seed)
    return ["\n".join(draw.choices(TATAR, k=8)) for _ in range(count)]


def test_clean_pages_are_all_kept_and_dirt_is_not():
    limits = thresholds(pages(60), "cyrillic")
    clean = Clean.model_validate({key: each.value for key, each in limits.items()})
    judged = judge(clean)
    assert [judged(text) for text in pages(40, seed=2)] == [None] * 40
    dirt = {
        "min_ended_lines": "Баш бит\nЯңалыклар турында мәгълүмат\nХезмәтләр исемлеге\nЭлемтә\nКерү",
        "max_digits": "\n".join(f"{n} 120 {n * 7} 99 {n * 3} сум." for n in range(9)),
        "max_symbols": "\n".join("★☆★ ∑∏∆ кояш ≈≠ ←→." for _ in range(9)),
        "max_table_lines": "\n".join(f"| авыл | {n} | кеше яши анда |." for n in range(9)),
        "max_code_lines": "\n".join(f"әйтү(исем) {{ кайтар(исем); }} // {n}." for n in "абвгде"),
    }
    for text in dirt.values():
        assert judged(text) is not None, text


def test_dirt_that_is_a_fifth_of_the_sample_moves_no_limit():
    good = thresholds(pages(60), "cyrillic")
    table = "\n".join(f"{n} 120 {n * 7} 99 {n * 3} сум." for n in range(9))
    rule, bounds = RULES["max_digits"], BY_KEY["max_digits"]
    measure = rule.measure(Clean())
    values = [measure(text) or 0.0 for text in [*pages(60), *[table] * 15]]
    found = limit_of(rule, bounds, values, len(values))
    assert found is None  # it would drop a fifth, which a person must decide
    values = [measure(text) or 0.0 for text in [*pages(60), table]]
    found = limit_of(rule, bounds, values, len(values))
    assert found is not None
    assert found.value == good["max_digits"].value


def test_a_corpus_that_is_so_by_nature_gets_no_such_limit():
    lists = ["\n".join(f"{n}. {line}" for n, line in enumerate(TATAR)) for _ in range(60)]
    found = thresholds(lists, "cyrillic")
    assert "max_list_lines" not in found
    assert "max_digits" in found


def test_a_few_documents_have_no_distribution():
    assert thresholds(pages(LEAST_DOCUMENTS - 1), "cyrillic") == {}
    assert thresholds([], "cyrillic") == {}


def test_no_words_are_measured_where_they_are_not_divided():
    assert not {"min_word_length", "max_word_length"} & thresholds(fables("km") * 5, "khmer").keys()
    assert "max_word_length" in thresholds(fables("tt") * 5, "cyrillic")


@pytest.mark.parametrize("key", BY_KEY)
def test_a_limit_lies_within_its_bounds_and_its_reason_says_what_it_drops(key: str):
    bounds = BY_KEY[key]
    for values in ([0.0] * 99, [0.01 * n for n in range(99)], [30.0] * 99):
        found = limit_of(RULES[key], bounds, values, 99)
        if found is not None:
            assert bounds.least <= found.value <= bounds.most
            assert "half of the sample has" in found.reason
            assert "drops" in found.reason


def test_a_limit_is_the_fence_within_its_bounds():
    for middle, limit in (
        ((0.01, 0.02), 0.12),  # the fence at 0.05 lies below the least
        ((0.05, 0.10), 0.25),  # 0.1 + 3 × 0.05
        ((0.10, 0.20), 0.4),  # the fence at 0.5 lies above the most
    ):
        values = [middle[0]] * 50 + [middle[1]] * 50
        found = limit_of(RULES["max_digits"], BY_KEY["max_digits"], values, 100)
        assert found is not None
        assert found.value == limit
        assert "drops none" in found.reason
    ended = limit_of(RULES["min_ended_lines"], BY_KEY["min_ended_lines"], [0.9, 1.0] * 50, 100)
    assert ended is not None
    assert ended.value == 0.4  # 0.9 - 3 × 0.1 lies above the most
    lengths = [4.0] * 50 + [5.0] * 50
    words = limit_of(RULES["max_word_length"], BY_KEY["max_word_length"], lengths, 100)
    assert words is not None
    assert words.value == 9.0
    assert "half of the sample has 4.0 to 5.0" in words.reason


def test_a_limit_may_drop_two_of_a_hundred_measured_texts():
    rule, bounds = RULES["max_digits"], BY_KEY["max_digits"]
    for dropped, documents, said in ((2, 100, "2.0%"), (2, 1000, "0.2%"), (3, 1000, "")):
        found = limit_of(rule, bounds, [0.0] * (100 - dropped) + [0.9] * dropped, documents)
        assert (found is not None) is bool(said)
        assert found is None or f"drops {said}" in found.reason


def test_forty_documents_have_a_distribution():
    assert "max_digits" in thresholds(pages(LEAST_DOCUMENTS), "cyrillic")
    assert LEAST_DOCUMENTS == 40
