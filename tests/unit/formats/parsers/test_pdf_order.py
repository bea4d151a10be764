"""Lines that mix words from right to left with Latin words and numbers."""

from pathlib import Path

import pytest
import regex
from made_documents import pdf
from text_samples import write

from endonym.formats.parsers.pdf import pdf_units
from endonym.formats.parsers.pdf_order import in_order, with_brackets

HEBREW = "הילד הלך לבית הספר עם אחותו בבוקר וקרא שם ספר יפה על הים"
FRENCH = "Le renard et le bouc vont ensemble de compagnie"
MIRRORED = str.maketrans("()[]«»", ")(][»«")


def drawn(line: str, first: int = 0) -> list[str]:
    """The words of a line as they stand on paper, from left to right.

    line: its stretches in the order in which they are read, divided by "|": by turns from right to
    left and from left to right. first: 1 if the first one is from left to right.
    """
    pieces = line.split("|")
    return [
        each if (number + first) % 2 else each[::-1].translate(MIRRORED)
        for number, each in enumerate(pieces)
    ]


def read(tmp_path: Path, before: str, line: str) -> str:
    """What is read of a line below another one."""
    placed = [(40, 730, 12, before), (40, 700, 12, line)]
    (unit,) = pdf_units(str(write(tmp_path, "a.pdf", pdf([placed]))), 1, {})
    return unit.text.split("\n")[1]


LINES = [
    "הוא למד |Python Java Rust| ועוד",
    "הוא התקין |Windows 10| במחשב",
    "ב|Microsoft Windows 10| וב|Mac OS 12| אפשר",
    "ראו |http://example.org/a-b| לפרטים",
    "ראו |Wikipedia, 2024| (מהדורה |3.5|) ו-|Linux",
    "ראו (|Smith 2019|) ואת [|Linux|] שם",
    "בשנים |2020-2024| נולדו |35%| מהם ב|Paris",
    "|1|. |Python| היא שפת תכנות",
    "|Python| היא שפת תכנות",
    "הוא כתב |Python .5| ועוד",
    "|1|) הוא למד |Python Java Rust",
    "הוא למד |Python Java Rust| שם)",
    "|1995| |2024| שלום |C",
    "שָלוֹם עוֹלָם |Python Java Rust",
    "كتب |Ibn Khaldun| و|Ibn Rushd| و|Averroes| في سنة |٢٠٢٤",
    "برنامهٔ |Linux Mint| و|Java| و|C| در سال |۱۳۹۹",
    "با سرعت |17،500| مایل بر ساعت و |۱۲٬۳۴۰٫۵| کیلومتر تا |12:30",
    "در تاریخ |1403/05/12| و |۱،۲،۳| و |1,000| کتاب |Linux",
    "في |2024|-|2020| كتب |Ibn Khaldun| و|Averroes",
    "سلام שלום |35%",  # as many Arabic letters as Hebrew ones, which stand before the number
    "هو سلام או שלום רב |2020-2024",
]


@pytest.mark.parametrize("line", LINES)
def test_a_line_from_right_to_left_is_read_as_it_was_written(tmp_path: Path, line: str):
    paper = "".join(reversed(drawn(line)))
    assert read(tmp_path, HEBREW[::-1], paper) == line.replace("|", "")


@pytest.mark.parametrize(
    "line", ["Le mot |שלום עולם| veut dire paix", "le mot |שלום", "ou |ספר 35 יפה|, un livre"]
)
def test_a_line_from_left_to_right_keeps_its_order(tmp_path: Path, line: str):
    numbers = line.replace("35", "53")  # which are not turned round with the words
    assert read(tmp_path, FRENCH, "".join(drawn(numbers, first=1))) == line.replace("|", "")


def test_a_line_of_a_page_in_latin_letters_has_the_direction_of_its_own(tmp_path: Path):
    line = "הוא למד |Java 10| וגם |C 11| בבית הספר"
    assert read(tmp_path, FRENCH, "".join(reversed(drawn(line)))) == line.replace("|", "")


def test_words_that_stand_apart_are_read_in_their_places(tmp_path: Path):
    """Without blanks, and drawn in the order in which they are read."""
    line = "הוא למד |Python Java Rust 10| ועוד"
    words = "".join(reversed(drawn(line))).split()
    placed, x = list[tuple[float, float, float, str]](), 40
    for each in words:
        placed.append((x, 700, 12, each))
        x += 6 * len(each) + 6
    head = (40.0, 730.0, 12.0, HEBREW[::-1])
    data = pdf([[head, *reversed(placed)]])
    (unit,) = pdf_units(str(write(tmp_path, "a.pdf", data)), 1, {})
    assert unit.text.split("\n")[1] == line.replace("|", "")


def test_letters_beyond_the_first_plane_are_turned_too(tmp_path: Path):
    """Adlam, which PDFium leaves as it stands on paper."""
    line = "𞤀𞤣𞤤𞤢𞤥 |Linux 10| 𞤆𞤵𞤤𞤢𞤪"
    found = read(tmp_path, "𞤆𞤵𞤤𞤢𞤪 𞤀𞤣𞤤𞤢𞤥"[::-1], "".join(reversed(drawn(line))))
    assert found == line.replace("|", "")
    (unit,) = pdf_units(str(tmp_path / "a.pdf"), 1, {})
    assert unit.text.split("\n")[0] == "𞤆𞤵𞤤𞤢𞤪 𞤀𞤣𞤤𞤢𞤥"


def test_a_mark_stays_behind_its_letter_wherever_its_box_is():
    text = "שָל Linux"  # as PDFium writes it
    places = [(80.0, 90.0), (84.0, 92.0), (70.0, 80.0), (60.0, 70.0)]
    places += [(10.0 + 10 * n, 20.0 + 10 * n) for n in range(5)]
    turned = [*places[4:], places[3], *places[:3]]
    assert in_order(f"{text[4:]} {text[:3]}", turned, is_to_left=True) == text
    lefts = (100, 90, 80, 40, 50, 60, 70, 66, 30, 20, 10)
    places = [(float(left), left + 10.0) for left in lefts]
    assert in_order("אב cafe\u0301 גד", places, is_to_left=True) == "אב cafe\u0301 גד"


@pytest.mark.parametrize("word", ["1000", "17،500", "Windows"])
def test_a_sign_without_a_width_does_not_tear_what_is_read_to_the_right(word: str):
    places, x = list[tuple[float, float]](), 0.0
    paper = f"تمبر {word[::-1]}\u200cام او"  # from the right edge on
    for sign in paper:  # U+200C stands at the left side of what is before it
        x -= sign != "\u200c"
        places.append((x, x + (sign != "\u200c")))
    assert in_order(paper, places, is_to_left=True) == f"تمبر {word}\u200cام او"


@pytest.mark.parametrize("line", ["הילד הלך (לבית) הספר", FRENCH, "Кояш чыга 35", "2024"])
def test_a_line_of_one_direction_is_left_as_it_is(line: str):
    places = [(float(-at), 1.0 - at) for at in range(len(line))]
    assert in_order(line, places, is_to_left=True) == line


def test_letters_beyond_the_first_plane_are_turned_with_marks_of_any_plane():
    word, marked = "𞤀𞤣𞤤", "𞤀\u0301𞤣𞤤"
    for text in (word, marked):
        on_paper = "".join(reversed(regex.findall(r"\X", text)))
        places = [(10.0 * at, 10.0 * at + 9) for at in range(len(on_paper))]
        assert in_order(on_paper, places, is_to_left=True) == text
        from_right = [(-left, -left + 9) for left, _ in places]
        assert in_order(text, from_right, is_to_left=True) == text


def test_a_line_that_is_put_in_order_has_no_blank_at_its_ends():
    text = "Linux הילד הלך"
    places = [(10.0 * at, 10.0 * at + 9) for at in range(6)]  # Linux, then a blank
    places += [(140.0 - 10 * at, 149.0 - 10 * at) for at in range(8)]
    for edge in (-50.0, 500.0):
        places[5] = (edge, edge + 5)
        found = in_order(text, places, is_to_left=True)
        assert found == found.strip()
        assert sorted(found.replace(" ", "")) == sorted(text.replace(" ", ""))


@pytest.mark.parametrize(("line", "wanted"), [
    ("(אב) [גד]", "(אב) [גד]"), (")אב( ]גד[", "(אב) [גד]"), ("אב) גד", "אב) גד"),
    ("אב( גד", "אב) גד"), ("אב )גד", "אב (גד"), ("א)ב", "א)ב"), ("«א« ב", "«א» ב"),
    ("א ) ב ( ג", "א ( ב ) ג"),
])  # fmt: skip
def test_brackets_open_and_close_by_turns_and_a_single_one_by_its_blank(line: str, wanted: str):
    assert with_brackets(line) == wanted
