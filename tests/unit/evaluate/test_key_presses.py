"""Key presses that suggestions save, counted by hand; words by frequency and by pairs."""

from collections.abc import Callable, Sequence

import pytest
from toys import toy_tokenizer

from endonym.evaluate.key_presses import FrequentWords, beginnings, type_out
from endonym.evaluate.typing_scores import Typed, typing_cells, typing_scores
from endonym.generate.suggest import Suggestion, begin_of_last_word

TEXTS = ["Әби килде. Әби китте.", "Әби китап укый, бабай китап ала.", "Бабай китте."]


def knows(*words: str) -> Callable[[str], Sequence[Suggestion]]:
    """Shows these words, in this order, as far as they begin with the letters typed."""

    def shown(text: str) -> list[Suggestion]:
        begin = begin_of_last_word(text, toy_tokenizer("byte"))
        typed = text[begin:].removeprefix(" ")
        found = [word for word in words if word.startswith(typed) and word != typed]
        return [Suggestion(word, word[len(typed) :], 0.1) for word in found]

    return shown


def test_presses_counted_by_hand() -> None:
    # 10 letters, blanks and signs. One word is shown: Ә+take, к+take, ".": 5. Three are shown:
    # take, take, ".": 3. Behind a word that is taken the blank is written, too.
    typed = type_out("Әби китте.", knows("бабай", "Әби", "китте"))
    assert typed.letters == 10
    assert typed.presses == {1: 5, 3: 3, 5: 3}
    assert typed.words == {0: 2, 1: 2, 2: 2, 3: 1}, "Әби has no more than three letters"
    assert typed.first == {0: 0, 1: 2, 2: 2, 3: 1}
    assert typed.among_three == {0: 2, 1: 2, 2: 2, 3: 1}


def test_a_suggestion_that_is_not_the_whole_word_is_not_taken() -> None:
    typed = type_out("китапка", knows("китап"))
    assert typed.presses == {1: 7, 3: 7, 5: 7}
    assert sum(typed.among_three.values()) == 0


def test_in_scripts_without_blanks_pieces_are_taken_between_letters() -> None:
    text = "ស្រីតូច"  # three letters with their signs
    whole = lambda typed: [Suggestion(text, text[len(typed) :], 0.1)]  # noqa: E731
    assert type_out(text, whole).presses == {1: 1, 3: 1, 5: 1}
    cut = lambda typed: [Suggestion(text[:2], text[len(typed) : 2], 0.1)]  # noqa: E731
    assert type_out(text, cut).presses == {1: 3, 3: 3, 5: 3}, "not between a letter and its sign"


@pytest.mark.parametrize("pairs", [False, True])
def test_frequent_words_begin_with_what_is_typed(*, pairs: bool) -> None:
    words = FrequentWords(TEXTS, toy_tokenizer("byte"))
    words = words if pairs else words.without_pairs()
    assert {each.word for each in words("Мин кит")} == {"китте", "китап"}
    found = words("ки")
    assert {each.word for each in found} == {"китте", "китап", "килде"}
    assert all(each.word == "ки" + each.rest for each in found)
    assert words("") != []
    assert words("ю") == []
    assert words("Әби,")[0].rest.startswith(" ")
    assert not words("«")[0].rest.startswith(" ")


def test_pairs_come_before_frequent_words() -> None:
    pairs = FrequentWords(TEXTS, toy_tokenizer("byte"))
    alone = pairs.without_pairs()
    assert pairs("Бабай ")[0].word == "китте", "it has followed Бабай"
    assert pairs("бабай ")[0].word == "китап"
    assert pairs("укый, ")[0].word == alone(" ")[0].word, "a comma parts the pair"


def test_words_of_khmer_are_tokens() -> None:
    words = FrequentWords(["ស្រីតូច ស្រី"], toy_tokenizer("unigram"))
    assert "".join(each.word for each in words("")) != ""


def test_texts_are_typed_up_to_so_many_letters_of_each_and_in_all() -> None:
    assert beginnings(["Әби", "", "килде", "ю"], 7, 4) == ["Әби", "килд"]
    assert beginnings(["ស្រីតូច"], 2, 2) == ["ស្រីតូ"], "letters keep their signs"
    assert beginnings([], 7, 4) == []


def test_scores_are_ratios_of_sums_and_undefined_without_words() -> None:
    typed = Typed(10, {1: 9, 3: 6, 5: 5}, {0: 4}, {0: 1}, {0: 2})
    longer = Typed(30, {1: 31, 3: 18, 5: 15}, {0: 4}, {0: 1}, {0: 4})
    found = [*typing_scores({"model": [typed, longer]}, ["а" * 10, "б" * 30], "typing, test")]
    values = {each.metric: each.value for each in found}
    assert values["saved_by_1"] == 0.0
    assert values["saved_by_3"] == 0.4
    assert values["among_three_after_0"] == 0.75
    assert "first_after_1" not in values
    assert {each.n_bytes for each in found} == {80}
    few = [*typing_scores({"model": [typed._replace(letters=81)]}, ["ខ" * 81], "typing, test")]
    assert {each.metric for each in few} == {"saved_by_1", "saved_by_3", "saved_by_5"}
    heads, *rows = typing_cells(found)
    assert heads == ["suggestions", "model"]
    assert rows[1] == ["key presses saved by 3", "40.0%"], "two texts have no interval"


def test_intervals_of_key_presses_are_shown() -> None:
    texts = ["а" * 10] * 12
    typed = [Typed(10, {1: 9, 3: 6 + n % 3, 5: 5}, {}, {}, {}) for n in range(12)]
    (row,) = (
        each
        for each in typing_cells([*typing_scores({"model": typed}, texts, "t")])
        if each[0] == "key presses saved by 3"
    )
    assert row[1].startswith("30.0% (2")
