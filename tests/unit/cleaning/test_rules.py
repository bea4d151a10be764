"""Rules that refuse a text."""

import random

import pytest
from text_samples import FRENCH, KHMER, TATAR

from endonym.cleaning import rules
from endonym.cleaning.personal import KINDS
from endonym.cleaning.rules import DROPS, in_order, judge, normalizer, speller, steps
from endonym.formats.config import Clean


def judged(clean: Clean, text: str) -> tuple[str, str] | None:
    """The reason why a text is refused, with its details."""
    return judge(clean)(normalizer(clean)(text))


def verdict(text: str, **keys: object) -> str | None:
    """The reason why a text is refused, if it is."""
    found = judged(Clean.model_validate(keys), text)
    return None if found is None else found[0]


@pytest.mark.parametrize("text", [*TATAR, *KHMER, *FRENCH, "a", "?"])
def test_no_rule_applies_unless_it_is_written(text: str):
    assert verdict(text) is None


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b\ufeff", "\u00a0"])
def test_what_cannot_be_seen_is_empty(text: str):
    assert verdict(text) == "empty"


def test_zeros_never_reach_a_corpus():
    assert verdict("бер\0ике") == "nul"
    assert verdict("бер\0ике", normalize=["spaces"]) is None


def test_length_is_counted_in_characters_after_cleaning():
    assert verdict("абв   г", min_chars=6, normalize=["spaces"]) == "min_chars"
    assert verdict("абв   г", min_chars=6) is None
    assert verdict("абвг", max_chars=3) == "max_chars"


def test_a_text_in_another_script_is_refused():
    keys = {"script": "cyrillic", "min_script_share": 0.8}
    assert verdict(TATAR[0], **keys) is None
    assert verdict(FRENCH[0], **keys) == "min_script_share"
    assert verdict("1234!", **keys) == "min_script_share"


def test_khmer_signs_do_not_count_against_khmer():
    assert verdict(KHMER[0], script="khmer", min_script_share=1.0) is None


def test_letters_of_two_scripts_in_one_word_are_named():
    """Latin a, o in Tatar words look as Cyrillic ones."""
    keys = {"script": "cyrillic", "min_script_share": 0.95}
    found = judged(Clean.model_validate(keys), "Кoзге урмaнда яфраклар алтын төсле.")
    assert found[1].endswith('as in "Кoзге"')
    found = judged(Clean.model_validate(keys), "Терминалда git commit дип языгыз.")
    assert "two scripts" not in found[1]


def test_russian_is_distinguished_from_tatar_by_the_letters_it_lacks():
    keys = {"expected_letters": "әөүҗңһ", "min_expected_share": 0.02}
    assert verdict("Кичә кич белән абыем күл буенда учак якты.", **keys) is None
    assert verdict("Вчера вечером мой брат развёл костёр у озера.", **keys) == "min_expected_share"


def test_a_capital_counts_as_its_small_letter():
    assert verdict("Ә", expected_letters="ә", min_expected_share=1.0) is None


def test_a_document_that_repeats_one_line_is_dropped():
    menu = "Баш бит\nЭзләү\nБаш бит\nБаш бит\n\nБаш бит"
    assert verdict(menu, max_repeated_lines=0.3) == "max_repeated_lines"
    assert verdict("\n".join(TATAR), max_repeated_lines=0.0) is None


def test_the_reason_comes_with_a_sentence_about_this_text():
    found = judged(Clean(min_chars=100), "Кояш чыкты.")
    assert found == ("min_chars", "11 characters, below 100")


def test_rules_are_told_in_the_order_in_which_they_apply():
    names = ["bad_json", "nfc", "tatar_letters", "spaces", "mask email", "split_languages"]
    names += ["min_chars", "max_code_lines", "min_language_score", "max_same_skeleton"]
    names += ["decontaminate", "exact", "near", "paragraphs"]
    assert in_order(random.Random(7).sample(names, len(names))) == names


def test_masks_apply_in_one_order_however_they_are_written() -> None:
    names = [
        [name for name, _ in steps(Clean.model_validate({"mask": masks, "language": "ro"}))]
        for masks in (list(KINDS), list(reversed(KINDS)))
    ]
    assert names[0] == names[1] == [f"mask {kind}" for kind in KINDS]


def test_a_limit_itself_is_kept_and_is_written_as_people_read_it():
    drops = {each.key: each for each in DROPS}
    for key, limit, below, above, said in (
        ("min_chars", 1000, 999, 1001, "999 characters, below 1,000"),
        ("max_chars", 1000, 999, 1001, "1,001 characters, above 1,000"),
        ("max_digits", 0.25, 0.2, 0.3, "30 % of it are digits, above 25 %"),
        ("min_word_length", 2.5, 2.4, 2.6, "its words have 2.4 letters on average, below 2.5"),
    ):
        drop = drops[key]
        assert drop.verdict(limit, limit) is None
        assert drop.verdict(None, limit) is None
        found = [drop.verdict(each, limit) for each in (below, above)]
        assert found == ([said, None] if key.startswith("min_") else [None, said])


def test_steps_go_on_until_nothing_changes_and_always_end(monkeypatch: pytest.MonkeyPatch):
    noted: list[tuple[str, str, str]] = []
    one = rules.normalizer(
        Clean(normalize=("spaces", "controls")), lambda *each: noted.append(each)
    )
    assert one("а \u202d б") == "а б"  # the blanks meet once the mark is gone
    assert [name for name, _, _ in noted] == ["controls", "spaces"]
    monkeypatch.setitem(rules.STEPS, "spaces", lambda clean: lambda text: f"{text}.")
    assert rules.normalizer(Clean(normalize=("spaces",)))("а") == "а" + "." * rules.MOST_ROUNDS


def test_a_prompt_is_spelled_as_the_training_text_and_keeps_its_blanks():
    keys = {"normalize": ["nfc", "zero_width", "khmer_order", "spaces"], "script": "khmer"}
    spelled = speller(Clean.model_validate(keys))
    assert spelled("ខែ្មរ") == spelled("ខ្មែរ") == "ខ្មែរ"
    assert spelled(" ភាសា\u200b\u200bបេីក\n") == " ភាសា\u200bបើក\n"
    assert (spelled(""), spelled(" \n")) == ("", " \n")
    for text in KHMER:
        assert spelled(text) == normalizer(Clean.model_validate(keys))(text)


def test_a_prompt_gets_replaced_letters_and_no_masks_or_patterns_of_documents():
    rules = [{"letters": {"ѳ": "ө"}}, {"letters": {"к": "х"}, "sources": ["a"]}, {"find": "а"}]
    spelled = speller(Clean.model_validate({"replace": rules, "mask": ["email"]}))
    assert spelled("ѳй: kala@авыл.рф") == "өй: kala@авыл.рф"
