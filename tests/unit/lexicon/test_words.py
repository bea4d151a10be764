"""Word lists: which words of texts are kept, how they are written, and what is left out."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from endonym.corpus.corpus import Corpus
from endonym.demo.grammar import fables
from endonym.lexicon import counting
from endonym.lexicon.spans import WORD, as_listed, places, words_in
from endonym.lexicon.words import (
    LONGEST,
    Word,
    WordList,
    main_script,
    misspellings,
    word_list,
    words_of_corpus,
)

TATAR = [
    "Бүген Казан урамнарында халык бик күп.",
    "Мин иртән Казан базарына барам, ә халык анда бик күп.",
    "Халык базарда алма сата, ә без алма ашыйбыз.",
    "Без иртәгә базарга барабыз.",
]


def listed(texts: list[str], language: str = "tt") -> WordList:
    return word_list(texts, words_in(texts), language)


def test_a_word_is_listed_if_several_documents_have_it() -> None:
    found = listed([*TATAR, "Күрше балыклар тотты, балыклар зур иде."])
    assert "алма" not in found.words, "twice in one document, too"
    assert "балыклар" not in found.words, "twice in one document"
    assert found.words["халык"] == Word(3, 3, is_name=False)
    assert found.least == 2


def test_the_parts_of_a_long_document_count_as_documents() -> None:
    chapter = "Елга буенда карт яши. " * (counting.PART_CHARS // 20)
    assert "карт" not in listed([chapter[:9_000]]).words
    assert listed([chapter]).words["карт"].documents == 2


def test_capitals_are_those_inside_sentences() -> None:
    found = listed(TATAR)
    assert found.words["Казан"] == Word(2, 2, is_name=True)
    assert "казан" not in found.words
    assert "Халык" not in found.words
    assert "базарга" not in found.words, "one document"
    assert found.words["без"].count == 2, "Без begins a sentence"


def test_a_name_that_is_a_word_too_is_listed_as_both() -> None:
    texts = [
        "Ул Казан ягында яши.",
        "Без Казан ягында идек.",
        "Әти Казан ягында эшли.",
        "Әби зур казан асты.",
        "Безнең зур казан бар.",
    ]
    found = listed(texts)
    assert found.words["Казан"] == Word(3, 5, is_name=True)
    assert found.words["казан"] == Word(2, 5, is_name=False)


def test_a_word_that_only_begins_sentences_is_listed_in_lower_case() -> None:
    found = listed(["Рәхмәт! Сау бул.", "Рәхмәт. Сау булыгыз."])
    assert found.words["рәхмәт"] == Word(2, 2, is_name=False)


def test_the_dotless_i_of_turkish_has_its_own_capital() -> None:
    texts = ["Işık geldi ve ışık gitti.", "Işık yok ama ışık gelecek."]
    assert listed(texts, "tr").words["ışık"] == Word(4, 2, is_name=False)
    assert "işık" in listed(texts, "ro").words


def test_what_is_left_out_is_counted_by_reason() -> None:
    texts = [
        "Татар теле матур, Windows программасы бар, А. Тукай язган.",
        "Татар теле бай, Windows программасы юк, А. Тукай язган.",
        "Бәйге 25нче май көнне, сайт tatar.example адресында, " + "а" * (LONGEST + 1),
        "Бәйге 25нче май көнне, " + "а" * (LONGEST + 1),
    ]
    found = listed(texts)
    left = {reason: each.words for reason, each in found.left_out.items()}
    assert left == {"rare": 6, "script": 1, "digits": 3, "initial": 1, "long": 1}
    assert found.left_out["script"].times == 2
    assert found.told()["rare"] == "seen in fewer than 2 documents"
    assert found.told()["script"] == "a letter of another script than Cyrillic"
    assert {"татар", "теле", "тукай"} <= {each.lower() for each in found.words}


def test_every_occurrence_is_listed_or_left_out() -> None:
    found = listed([*fables(400)], "fr")
    left = sum(each.times for each in found.left_out.values())
    assert found.running == left + sum(each.count for each in found.words.values())
    assert found.running > 10_000
    assert found.script == "latin"


def test_a_word_with_other_marks_than_a_far_more_frequent_one_is_a_misspelling() -> None:
    times = {"și": 900, "si": 9, "să": 700, "sa": 60, "we're": 3, "were": 900}
    assert misspellings(times) == {"si"}


def test_pairs_are_neighbours_with_a_blank_between_them_as_they_are_listed() -> None:
    found = listed([*TATAR, *TATAR])
    assert found.pairs["бик", "күп"] == 4
    assert found.pairs["Казан", "базарына"] == 2
    assert ("барам", "ә") not in found.pairs, "a comma is between them"
    assert {word for pair in found.pairs for word in pair} <= found.words.keys()


def test_known_are_listed_words_with_the_capitals_of_a_place() -> None:
    found = listed(TATAR)
    for word in ("халык", "Халык", "ХАЛЫК", "Казан", "КАЗАН"):
        assert found.knows(word), word
    for word in ("казан", "халыкк", "шәһәр"):
        assert not found.knows(word), word


def test_words_of_khmer_are_pieces_of_its_runs_of_letters() -> None:
    words = "ខ្ញុំ ចូលចិត្ត អាន សៀវភៅ ភាសា ខ្មែរ នេះ ល្អ ណាស់ មិត្ត សរសេរ ទិញ លក់ ទៅ ផ្ទះ".split()
    texts = ["".join(Random(n).choices(words, k=9)) + " ។" for n in range(200)]
    found = word_list(texts, words_in(texts), "km")
    assert found.script == "khmer"
    assert "សៀវភៅ" in found.words
    pieces = [each.word for each in found.places("សៀវភៅភាសាខ្មែរ")]
    assert "".join(pieces) == "សៀវភៅភាសាខ្មែរ"
    assert len(pieces) > 1


def test_places_are_those_of_the_text_and_words_are_normal() -> None:
    text = "L’oncle aime le cafe\u0301, d’où"
    found = [*places(text, words_in([text]))]
    assert [text[each.begin : each.end] for each in found] == WORD.findall(text)
    assert [each.word for each in found] == ["L'oncle", "aime", "le", "café", "d'où"]
    assert [each.is_next for each in found] == [False, True, True, True, False]
    assert [each.is_inside for each in found] == [False, True, True, True, True]
    assert as_listed("می\u200c") == "می"


def test_memory_is_bounded_by_leaving_out_what_is_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [*fables(400)]
    whole = listed(texts, "fr")
    monkeypatch.setattr(counting, "MOST_PAIRS", 200)
    monkeypatch.setattr(counting, "MOST_WORDS", 200)
    found = listed(texts, "fr")
    assert 0 < len(found.pairs) < len(whole.pairs)
    assert 0 < len(found.words) <= 200 < len(whole.words)
    assert found.running == whole.running
    left = sum(each.times for each in found.left_out.values())
    assert found.running == left + sum(each.count for each in found.words.values())
    frequent = [word for word, _ in zip(whole.words, range(20), strict=False)]
    assert set(frequent) <= found.words.keys()


def test_the_script_is_that_of_most_letters() -> None:
    assert main_script(Counter({"китап": 5, "book": 4, "а": 9})) == "cyrillic"
    assert main_script(Counter()) == "latin"


def test_held_out_text_is_not_counted(finished: Path) -> None:
    (folder,) = (finished / "store" / "corpus").iterdir()
    corpus = Corpus(folder)
    texts = [each.text for each in corpus.documents("train")]
    found = words_of_corpus(corpus, "tt")
    assert found == word_list(texts, found.spans, "tt")
    unseen = sum(len([*found.places(each.text)]) for each in corpus.documents("test"))
    assert unseen > 0
    assert found.running == sum(len([*found.places(text)]) for text in texts)
