"""Texts that an earlier program has broken."""

import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.formats.broken import damaged, has_lost_letters, lost_letters
from endonym.formats.document import Document


def reason(text: str) -> str | None:
    found = damaged(Document(text, "a#1", "probe"))
    return None if found is None else found.reason


@pytest.mark.parametrize("text", TATAR + KHMER + ROMANIAN + FRENCH)
def test_good_text_is_not_broken(text: str):
    assert reason(text) is None


@pytest.mark.parametrize("encoding", ["cp1251", "cp1252", "latin-1"])
@pytest.mark.parametrize("text", [" ".join(TATAR), " ".join(KHMER), " ".join(FRENCH + ROMANIAN)])
def test_utf8_that_was_read_as_something_else_is_mojibake(text: str, encoding: str):
    assert reason(text.encode().decode(encoding, "replace")) == "mojibake"


def test_a_file_of_short_lines_that_lost_letters_is_broken_and_shows_a_word():
    lines = "\n".join(f"{n} ?рт?л?рг?" if n % 3 else f"{n} Бу авыл" for n in range(30))
    assert lost_letters(lines) == (
        "broken encoding: `?` stands inside 29% of its words, as in ?рт?л?рг?"
    )


def test_questions_and_addresses_have_lost_no_letters():
    addresses = "\n".join(f"https://km.example/w/index.php?title={n}" for n in range(9))
    assert lost_letters("\n".join(["Кем бар?"] * 9)) == ""
    assert lost_letters("\n".join(KHMER) + "\n" + addresses) == ""


def test_mojibake_that_is_only_quoted_does_no_harm():
    assert reason(f"{' '.join(FRENCH)} (c’est « rivière », pas « riviÃ¨re »)") is None


def test_question_marks_within_words_are_lost_letters():
    for text in TATAR[:4]:
        lost = text.encode("cp1251", "replace").decode("cp1251")
        assert has_lost_letters(lost)
        assert reason(lost) in ("lost_letters", None)


def test_a_text_full_of_lost_letters_is_refused():
    lost = " ".join(ROMANIAN).encode("cp1252", "replace").decode("cp1252")
    assert reason(lost) == "lost_letters"


def test_questions_and_addresses_are_no_lost_letters():
    addresses = "http://example.org/a?b=c&d?e f?"
    for text in ("Где ты? Когда? Что?", addresses, "Quoi ? Où ? Quand ?"):
        assert reason(text) is None
        assert not has_lost_letters(text)


def test_so_much_is_too_much():
    few_lost = [("ә?ә " * lost + "сүз " * words) for lost, words in ((3, 26), (2, 3), (3, 30))]
    assert [reason(each) for each in few_lost] == ["lost_letters", None, None]
    assert [has_lost_letters("ә?ә" + " сүз" * words) for words in (98, 99)] == [True, False]
    garbled = ["Ã© " * pairs + "ә" * others for pairs, others in ((3, 0), (4, 8), (4, 9))]
    assert [reason(each) for each in garbled] == [None, "mojibake", None]
