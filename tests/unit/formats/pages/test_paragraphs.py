"""Lines to paragraphs."""

import time

import pytest
from text_samples import KHMER, TATAR

from endonym.formats.pages.page import Line, Page
from endonym.formats.pages.paragraphs import Words, rebuilt, usual_pitch

WIDE = 500


def line(
    text: str, bottom: float, *, left: float = 70, right: float = WIDE, size: float = 11
) -> Line:
    return Line(text, left, bottom, right, bottom + size, size)


def pages(*each: list[Line]) -> list[Page]:
    return [Page(number, 842, lines) for number, lines in enumerate(each, 1)]


def texts(*each: list[Line]) -> list[list[str]]:
    return [[part.text for part in page.paragraphs] for page in rebuilt(pages(*each))]


def test_lines_of_full_width_are_one_paragraph():
    assert texts([line("Бүген һава бик", 700), line("матур, шуңа", 686), line("күрә.", 672)]) == [
        ["Бүген һава бик матур, шуңа күрә."]
    ]


@pytest.mark.parametrize(
    "second",
    [
        line(TATAR[1], 660),
        line(TATAR[1], 686, left=90),
        line(TATAR[1], 686, size=14),
        line(f"— {TATAR[1]}", 686),
        line(f"1) {TATAR[1]}", 686),
        line(f"• {TATAR[1]}", 686),
    ],
    ids=["gap", "indent", "size", "dash", "number", "bullet"],
)
def test_a_paragraph_begins_after_a_gap_an_indent_a_bullet_or_with_other_letters(second: Line):
    lines = [line("а " * 20, 714), line("б " * 20 + ".", 700), second]
    after = line("в " * 20, second.bottom - 14, size=second.size)
    assert len(texts([*lines, after])[0]) == 2


ROWS = [
    ([line("б " * 20, y, left=90) for y in (700, 686, 672)], 1),  # all of them stand further right
    ([line("б " * 20, 700), line("в", 686, left=90)], 2),
    ([line("б " * 20 + "ба-", 700), line("рабыз", 686, left=90), line("в " * 20, 672)], 1),
    ([line(TATAR[0], 702), line("Без", 705)], 1),  # raised by a little
    ([line(TATAR[0], 600)], 2),  # far away, though no two lines are nearer
    ([line("бик мәк-", 700, right=200), line("тәп", 686, right=150)], 1),
]


@pytest.mark.parametrize(("lines", "count"), ROWS)
def test_a_line_goes_on_or_not_by_its_place_and_its_neighbours(lines: list[Line], count: int):
    (found,) = texts([line("а " * 20, 714), *lines])
    assert len(found) == count
    assert "\n" not in found[0]


def test_a_line_is_short_beside_those_of_its_own_column():
    def sides(left: float, right: float) -> list[Line]:
        full = [line(TATAR[0], 700 - 14 * n, left=left, right=right) for n in range(3)]
        short = [line("Ул кыска.", 658, left=left, right=left + 50)]
        return [*full, *short, line("Без", 644, left=left, right=left + 30)]

    whole = " ".join([*TATAR[:1] * 3, "Ул кыска."])
    assert texts([*sides(70, 280), *sides(300, 500)]) == [[whole, "Без"] * 2]


def test_a_short_line_that_ends_a_sentence_ends_its_paragraph():
    lines = [line("а " * 20, 714), line(TATAR[0], 700, right=300), line("Яңа " * 8, 686)]
    assert len(texts(lines)[0]) == 2


def test_verse_and_code_keep_their_line_ends():
    verse = [
        line(f"{each},", y, right=200) for each, y in (("бер", 700), ("ике", 686), ("өч", 672))
    ]
    assert texts([line("а " * 30, 714), *verse]) == [["а " * 29 + "а бер,\nике,\nөч,"]]


def test_khmer_lines_are_joined_without_a_blank():
    assert texts([line(KHMER[0][:-1], 700), line(KHMER[1], 686)]) == [[KHMER[0][:-1] + KHMER[1]]]


def test_a_paragraph_goes_on_over_a_page_past_notes_and_blank_pages():
    first = [line("Кичә кич белән абыем", 700), line("1 Искәрмә бу.", 60, size=8)]
    last = [line("күл буенда учак якты.", 700), line("Яңа абзац.", 650)]
    whole = "Кичә кич белән абыем күл буенда учак якты."
    assert texts(first, [], last) == [[whole, "1 Искәрмә бу."], [], ["Яңа абзац."]]


def test_a_sentence_that_is_closed_or_a_capital_begins_anew_on_the_next_page():
    after = "кечкенә хәреф"
    assert texts([line(TATAR[0], 700)], [line(after, 700)]) == [[TATAR[0]], [after]]
    assert texts([line("Кичә кич", 700)], [line("Яңа бүлек", 700)]) == [["Кичә кич"], ["Яңа бүлек"]]
    for before, small in ((line("Бүлек", 700, size=18), after), (line("ал", 700), "• алма")):
        assert texts([before], [line(small, 700)]) == [[before.text], [small]]
    two = [line("кечкенә", 700), line("хәреф", 686)]
    assert texts([line("Кичә", 700)], two) == [["Кичә кечкенә хәреф"], []]
    for closed in (f"«{TATAR[0]}»", f"({TATAR[0]})", f'"{TATAR[0]}"'):
        assert texts([line(closed, 700)], [line(after, 700)]) == [[closed], [after]]


def test_a_word_that_is_cut_at_a_column_or_a_page_is_joined():
    columns = [line("L’été dernier, nous avons dor-", 100), line("mi près.", 700, left=300)]
    assert texts(columns) == [["L’été dernier, nous avons dormi près."]]
    (first, _) = texts([line("nous avons dor-", 100)], [line("mi près.", 700)])
    assert first == ["nous avons dormi près."]


def test_a_page_that_belongs_whole_to_the_one_before_has_no_paragraph():
    found = rebuilt(pages(*([line(letter, 700)] for letter in "абвГ")))
    assert [each.text for each in found] == ["а б в", "", "", "Г"]


def test_the_usual_distance_is_that_of_most_lines_and_of_none_at_one_height():
    for heights, pitch in (((700, 686, 672, 600), 14), ((700, 700, 700, 686), 14), ((700,), 0)):
        assert usual_pitch([line("", y) for y in heights]) == pitch


def test_time_and_memory_grow_with_the_lines_of_a_page_and_not_with_their_square():
    def seconds(count: int) -> float:
        long = [line("бик озын җөмлә һәм тагын бер-", 40_000 - n) for n in range(count)]
        began = time.process_time()
        assert len(texts(long)[0]) == 1
        return time.process_time() - began

    assert seconds(20_000) < 12 * seconds(4_000)


def test_a_word_is_joined_over_a_page_and_over_many():
    each = [[line(text, 700)] for text in ("мәк-", "тәп-", "ләр-", "гә")]
    assert texts(*each)[0] == ["мәктәпләргә"]


def test_a_capital_behind_a_blank_begins_a_paragraph_in_the_next_column():
    columns = [line("Кичә кич белән", 100), line(" Яңа бүлек башлана", 700, left=300)]
    assert texts(columns) == [["Кичә кич белән", "Яңа бүлек башлана"]]


JOINED = [
    ("без урманга ба-", "рабыз.", "без урманга барабыз."),
    ("la maison entiè\u00ad", "re dort", "la maison entière dort"),
    ("le boulan¬", "ger ouvre", "le boulanger ouvre"),
    ("Бүген һава", "матур.", "Бүген һава матур."),
    ("Saint-", "Pierre", "Saint-Pierre"),
    ("un tiret -", "et la suite", "un tiret - et la suite"),
    ("1914-", "1918", "1914- 1918"),
    ("ខ្ញុំដើរទៅ", "ផ្សារ", "ខ្ញុំដើរទៅផ្សារ"),
    ("ខ្ញុំ", "2026", "ខ្ញុំ 2026"),
    # A hyphen stays if the document writes the word with it, and never without.
    ("Il viendra peut-", "être", "Il viendra peut-être"),
    ("ал-", "гөл", "алгөл"),
    ("week-", "end", "weekend"),  # at line ends only, where words may be cut
]


@pytest.mark.parametrize(("before", "after", "whole"), JOINED)
def test_two_pieces_are_joined_as_the_script_writes_them(before: str, after: str, whole: str):
    words = Words()
    words.learn(["oui, peut-être demain", "бакчада алгөл һәм ал-гөл үсә", "week-end non week-end"])
    assert "".join(words.joined(before, after)) == whole
