"""Whole words are replaced, in linear time."""

import time

import regex

from endonym.cleaning.normalize import with_words


def test_a_word_is_changed_once_with_all_its_letters_and_marks():
    found = with_words("көн бәйрәм, ә төн", regex.compile("[әө]"), str.upper)
    assert found == "КӨН БӘЙРӘМ, Ә ТӨН"
    assert with_words("ខ្ញុំទៅ ផ្សារ", regex.compile("ទ"), lambda word: f"<{word}>") == "<ខ្ញុំទៅ> ផ្សារ"


def test_nothing_found_changes_nothing():
    text = "Кояш чыкты."
    assert with_words(text, regex.compile("z"), str.upper) is text


def test_what_is_found_beside_a_word_is_changed_alone():
    assert with_words("l'été !", regex.compile("'"), lambda word: "’") == "l’été !"


def test_long_words_take_linear_time():
    start = time.process_time()
    with_words("б" * 1_000_000 + "a" + "б" * 1_000_000, regex.compile("a"), str.upper)
    assert time.process_time() - start < 10
