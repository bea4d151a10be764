"""Words that a line end has cut."""

import pytest

from endonym.formats.pages.hyphens import Words


def joined(before: str, after: str, *lines: str) -> str:
    words = Words()
    words.learn(lines)
    return "".join(words.joined(before, after))


@pytest.mark.parametrize(
    ("before", "after", "whole"),
    [
        ("без урманга ба-", "рабыз.", "без урманга барабыз."),
        ("la maison entiè\u00ad", "re dort", "la maison entière dort"),
        ("le boulan¬", "ger ouvre", "le boulanger ouvre"),
        ("din casa bă-", "trânească", "din casa bătrânească"),
        ("Бүген һава", "матур.", "Бүген һава матур."),
        ("Saint-", "Pierre", "Saint-Pierre"),
        ("un tiret -", "et la suite", "un tiret - et la suite"),
        ("1914-", "1918", "1914- 1918"),
        ("ខ្ញុំដើរទៅ", "ផ្សារ", "ខ្ញុំដើរទៅផ្សារ"),
        ("ខ្ញុំ", "2026", "ខ្ញុំ 2026"),
    ],
)
def test_two_pieces_are_joined_as_the_script_writes_them(before: str, after: str, whole: str):
    assert joined(before, after) == whole


def test_a_hyphen_stays_if_the_document_writes_the_word_with_it_and_never_without():
    assert (
        joined("Il viendra peut-", "être", "oui, peut-être demain matin") == "Il viendra peut-être"
    )
    assert joined("ал-", "гөл", "бакчада алгөл һәм ал-гөл үсә") == "алгөл"


def test_pieces_at_line_ends_do_not_count_as_words():
    words = Words()
    words.learn(["peut-être oui", "non et peut-être"])
    assert words.joined("peut-", "être") == ("peut", "être")
