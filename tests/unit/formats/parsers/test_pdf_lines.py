"""Lines from right to left, turned lines, and glyphs that no character stands for."""

from pathlib import Path

import pytest
from made_documents import drawn_pdf, pdf
from text_samples import kept, reasons, records, write

from endonym.formats.pages.page import PARTS
from endonym.formats.parsers import pdf_lines, pdf_places
from endonym.formats.parsers.pdf import pdf_units
from endonym.formats.parsers.pdf_lines import (
    Sign,
    Turned,
    of_signs,
    turned_back,
    upright,
    with_ligatures,
)
from endonym.script.scripts import is_right_to_left

ARABIC = [
    "ذهب الولد إلى المدرسة في الصباح الباكر مع أخته",
    "وقرأ هناك كتابا جميلا عن البحر والسفن والريح",
    "ثم عاد إلى البيت",
]
TEXT = "Le renard et le bouc vont ensemble de compagnie"
HEBREW = ["הילד הלך לבית הספר עם אחותו בבוקר", "וקרא שם ספר יפה על הים"]
PERSIAN = ["پسر صبح زود با خواهرش به مدرسه رفت", "و کتابی زیبا دربارهٔ دریا خواند"]


def right_to_left(texts: list[str], right: float = 520) -> list[tuple[float, float, float, str]]:
    """Lines as they stand on paper: the first letter at the right."""
    return [(right - 6 * len(text), 700 - 16 * n, 12, text[::-1]) for n, text in enumerate(texts)]


@pytest.mark.parametrize("texts", [ARABIC, HEBREW, PERSIAN])
def test_lines_from_right_to_left_are_read_in_logical_order(tmp_path: Path, texts: list[str]):
    (text,) = kept(records(write(tmp_path, "a.pdf", pdf([right_to_left(texts)]))))
    assert text.split() == " ".join(texts).split()
    assert text.startswith(" ".join(texts[:2])[:60])  # the long lines are one paragraph


LIGATURES = [
    ["س", "لا", "م"],
    ["ا", "لأ", "س", "ب", "و", "ع"],
    ["ا", "ل", "إ", "سلا", "م", " ", "و", "لِلّٰه", " ", "ا", "لأ", "م", "ر"],
    ["خ", "و", "ا", "ه", "م", " ", "ک", "لا", "س"],
    ["س", "\ufefc", "م", " ", "\ufdf2"],  # PDFium itself takes these apart, in this order
    ["مح", "م", "د", " ", "مج", "د"],  # There are ligatures that read both ways.
    ["ש", "לֹא", "ב"],
]


@pytest.mark.parametrize("glyphs", LIGATURES)
def test_the_letters_of_a_ligature_keep_their_order(tmp_path: Path, glyphs: list[str]):
    wanted = "".join(glyphs).replace("\ufefc", "لا").replace("\ufdf2", "الله")
    assert read(tmp_path, glyphs[::-1]) == wanted


def test_letters_from_right_to_left_of_one_glyph_are_turned():
    """Of the ligature of lam and alef, and of meem and hah."""
    assert all(map(pdf_lines.is_turned, ("ال", "مح")))
    others = ("لا", "الله", "ffi", "م1", "\u05c1\u05b8", "\U00010900\U00010901")
    assert not any(map(pdf_lines.is_turned, others))


def test_latin_ligatures_keep_their_order_beside_others(tmp_path: Path):
    assert read(tmp_path, ["o", "ffi", "c", "e", " ", "ﬁ", "n"]) == "office fin"
    glyphs = [*"Le mot ", "م", "لا", "س", *" de l’o", "ffi", *"ce"]
    assert read(tmp_path, glyphs) == "Le mot سلام de l’office"


def test_letters_of_two_glyphs_at_one_place_are_no_ligature():
    """A mark as wide as its letter; PDFium has put both into their order."""
    boxes = [(40.0, 697.0, 46.0, 709.0)] * 2

    class Page:
        def get_charbox(self, number: int) -> tuple[float, ...]:
            return (40, 700, 46, 706) if number == 0 else (41, 706, 45, 708)

    assert with_ligatures(Page(), "לֹ", [0, 1], boxes) == "לֹ"
    assert with_ligatures(Page(), "לֹ", [0, 0], boxes) == "ֹל"


def read(tmp_path: Path, glyphs: list[str]) -> str:
    """What is read of one line with these glyphs."""
    (unit,) = pdf_units(str(write(tmp_path, "a.pdf", pdf([[(40, 700, 12, glyphs)]]))), 1, {})
    return unit.text


def test_a_text_runs_as_most_of_its_letters_do():
    assert all(map(is_right_to_left, ("soir ערבים", "سنة ٢٠٢٤", "אב سن abc")))
    assert not any(map(is_right_to_left, ("soir ערבי", "12:30 — 45", "אב ab", "")))


def test_an_indent_at_the_right_begins_a_paragraph(tmp_path: Path):
    long = [f"{ARABIC[0]} {n}" for n in "ابجد"]
    placed = right_to_left(long)
    x, y, size, text = placed[2]
    placed[2] = (x - 24, y, size, text)
    (text,) = kept(records(write(tmp_path, "a.pdf", pdf([placed]))))
    assert text.split("\n\n") == [" ".join(long[:2]), " ".join(long[2:])]


TURNS = [
    ("0 1 -1 0", 100, 100, (16, 0)), ("-1 0 0 -1", 500, 300, (0, 16)),
    ("0 -1 1 0", 300, 700, (-16, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("turn", "x", "y", "step"), TURNS)
def test_turned_lines_are_read(tmp_path: Path, turn: str, x: int, y: int, step: tuple[int, int]):
    texts = [TEXT, "et le puits les attend au matin"]
    places = [f"{x + n * step[0]} {y + n * step[1]}" for n in range(2)]
    lines = [f"BT /F1 12 Tf {turn} {at} Tm" for at in places]
    drawn = "\n".join(f"{line} ({each}) Tj ET" for line, each in zip(lines, texts, strict=True))
    path = write(tmp_path, "a.pdf", drawn_pdf(drawn))
    assert kept(records(path)) == [" ".join(texts)]
    (unit,) = pdf_units(str(path), 1, {})
    assert unit.data["height"] == (595 if step[0] else 842)
    first, second = unit.data["boxes"]
    assert (first[0] - second[0], first[1] - second[1]) == (0, 16 * PARTS)


def test_a_turned_line_beside_upright_ones_costs_none_of_them(tmp_path: Path):
    texts = [TEXT, "et le puits les attend au matin"]
    drawn = "\n".join(
        f"BT /F1 12 Tf 70 {700 - 16 * n} Td ({each}) Tj ET" for n, each in enumerate(texts)
    )
    for turn in ("0 1 -1 0", "0.7 0.7 -0.7 0.7", "0 -1 1 0"):
        more = f"\nBT /F1 12 Tf {turn} 30 300 Tm (Bibliotheque) Tj ET"
        (text,) = kept(records(write(tmp_path, "a.pdf", drawn_pdf(drawn + more))))
        assert " ".join(texts) in text
    boxes = next(pdf_units(str(tmp_path / "a.pdf"), 1, {})).data["boxes"]
    assert sorted(right - left < top - bottom for left, bottom, right, top, _ in boxes) == [0, 0, 1]


@pytest.mark.parametrize("letter", ["j", "e"])
def test_a_glyph_without_a_character_shifts_and_ends_no_line(tmp_path: Path, letter: str):
    texts = [TEXT, "et je lui ai dit que la journee etait belle", "un autre jour"]
    page = [(70 + 10 * n, 700 - 40 * n, 12 - n, each) for n, each in enumerate(texts)]
    code = sorted({sign for text in texts for sign in text}).index(letter) + 1
    row = f"<{code:04x}> <{letter.encode('utf-16-be').hex()}>".encode()
    data = pdf([page]).replace(row, f"<{code:04x}> <0000>".encode())
    (unit,) = pdf_units(str(write(tmp_path, "a.pdf", data)), 1, {})
    assert unit.text.split("\n") == [each.replace(letter, "\ufffd") for each in texts]
    boxes = [[each / PARTS for each in box] for box in unit.data["boxes"]]
    expected = [(70, 700, 12), (80, 660, 11), (90, 620, 10)]
    assert [(box[0], box[1], box[4]) for box in boxes] == expected
    assert "reader_failed" not in reasons(records(tmp_path / "a.pdf"))


def test_characters_that_are_not_in_the_text_do_not_shift_the_boxes(tmp_path: Path):
    texts = ["avant\x02 la \x03pluie", "le vent se leve", "et tombe"]
    page = [(70 + 10 * n, 700 - 40 * n, 12, each) for n, each in enumerate(texts)]
    (unit,) = pdf_units(str(write(tmp_path, "a.pdf", pdf([page]))), 1, {})
    assert [box[0] / PARTS for box in unit.data["boxes"]] == [70, 80, 90]


MATHEMATICAL = "𝐴𝐵𝐶"
"""Letters beyond U+FFFF, each of which PDFium gives two numbers."""


def test_characters_with_two_numbers_do_not_shift_the_boxes_of_later_lines(tmp_path: Path):
    texts = [f"soit {MATHEMATICAL} un triangle", "le vent se leve", f"{MATHEMATICAL} tombe", "fin"]
    page = [(70 + 10 * n, 700 - 40 * n, 12 - n, each) for n, each in enumerate(texts)]
    (unit,) = pdf_units(str(write(tmp_path, "a.pdf", pdf([page]))), 1, {})
    assert unit.text.split("\n") == texts
    boxes = [[each / PARTS for each in box] for box in unit.data["boxes"]]
    expected = [(70, 700, 12), (80, 660, 11), (90, 620, 10), (100, 580, 9)]
    assert [(box[0], box[1], box[4]) for box in boxes] == expected
    # The right side is that of the last letter.
    for text, box, (x, _, size) in zip(texts, boxes, expected, strict=True):
        assert box[2] == pytest.approx(x + len(text) * size / 2, abs=size / 2)


def test_a_glyph_without_a_character_is_known_behind_characters_with_two_numbers(tmp_path: Path):
    texts = [f"{MATHEMATICAL} joue", "un jour de repos"]
    page = [(70, 700 - 40 * n, 12, each) for n, each in enumerate(texts)]
    code = sorted({sign for text in texts for sign in text}).index("j") + 1
    row = f"<{code:04x}> <{b'j'.hex().zfill(4)}>".encode()
    data = pdf([page]).replace(row, f"<{code:04x}> <0000>".encode())
    (unit,) = pdf_units(str(write(tmp_path, "a.pdf", data)), 1, {})
    assert unit.text.split("\n") == [each.replace("j", "\ufffd") for each in texts]


def test_a_hyphen_is_known_behind_characters_with_two_numbers(tmp_path: Path):
    texts = [f"soit {MATHEMATICAL} un tri-", "angle"]
    page = [(70, 700 - 14 * n, 12, each) for n, each in enumerate(texts)]
    (unit,) = pdf_units(str(write(tmp_path, "a.pdf", pdf([page]))), 1, {})
    assert unit.text.split("\n") == texts


def test_each_character_has_the_box_of_its_first_number():
    boxes = [(float(n), 0.0, n + 1.0, 1.0) for n in range(5)]
    assert [*of_signs("a𝐴b𝐵", [*boxes, boxes[-1]])] == [boxes[0], boxes[1], boxes[3], boxes[4]]


def test_a_box_is_turned_with_its_page():
    box = (10.0, 20.0, 30.0, 60.0)
    assert turned_back(box, 0, 100, 200) == box
    assert turned_back(box, 1, 100, 200) == (20, 70, 60, 90)
    assert turned_back(box, 2, 100, 200) == (70, 140, 90, 180)
    assert turned_back(box, 3, 100, 200) == (140, 10, 180, 30)
    as_many = [Turned("алма", quarter, box, 9) for quarter in (1, 0)]
    assert upright(as_many, 100, 200)[0] == 200


def test_lines_from_right_to_left_stand_where_their_letters_stand(tmp_path: Path):
    (unit,) = pdf_units(str(write(tmp_path, "a.pdf", pdf([right_to_left(HEBREW)]))), 1, {})
    boxes = [[each / PARTS for each in box] for box in unit.data["boxes"]]
    assert [box[1] for box in boxes] == pytest.approx([700, 684], abs=0.2)
    assert all(box[3] > box[1] + 6 and box[2] > box[0] + 60 for box in boxes)


def signs(*placed: tuple[str, float, float]) -> list[Sign]:
    """Characters with the left and the right side of their boxes."""
    return [Sign(text, (left, 700.0, right, 710.0)) for text, left, right in placed]


SHADDA, FATHA = "\u0651", "\u064e"


MIM = [("م", 64, 70), (" ", 62, 62)]
MARKED = [
    # a word whose letters touch, which is read without a blank
    ([*MIM, (SHADDA, 59, 63), ("ر", 58, 64.2), ("ة", 52, 58.1)], "مر\u0651ة"),
    # two words, and the second begins with the marked letter
    ([*MIM, (FATHA, 55, 59), ("ب", 54, 60)], "م ب\u064e"),
    ([(SHADDA, 59, 63), (FATHA, 59, 63), ("ر", 58, 64)], "ر\u0651\u064e"),
    # marks that stand where they are read
    ([("ر", 58, 64), (SHADDA, 59, 63), ("ة", 52, 58)], "ر\u0651ة"),
    ([("ر", 58, 64), (SHADDA, 56, 60), ("ة", 52, 58.5)], "ر\u0651ة"),
    ([("ר", 58, 64), ("\u05b8", 52, 56), ("a", 52, 58)], "ר\u05b8a"),
    ([("ر", 58, 64), (SHADDA, 59, 63)], "ر\u0651"),
    ([("ر", 58, 64), (SHADDA, 44, 48)], "ر\u0651"),  # beside each letter, at the end of the line
    # a blank that is written: letters from left to right stand before it, or a gap
    ([("5", 52, 58), (" ", 70, 75), ("\u05b8", 88, 90), ("א", 86, 92)], "5 א\u05b8"),
    (
        [("ב", 20, 26), ("W", 30, 36), (" ", 36, 39), ("\u05b8", 42, 44), ("ג", 40, 46)],
        "בW ג\u05b8",
    ),
    # a mark that comes after other letters than its own
    ([("א", 86, 92), ("ב", 80, 86), ("\u05b8", 88, 90), ("W", 95, 99)], "א\u05b8בW"),
    # two marks, which stand beside each other
    ([("ש", 40, 50), ("\u05c1", 47, 49), ("ב", 34, 40), ("\u05b8", 43, 46)], "ש\u05c1\u05b8ב"),
]


@pytest.mark.parametrize(("found", "wanted"), MARKED)
def test_a_mark_is_read_behind_its_letter(found: list[tuple[str, float, float]], wanted: str):
    """PDFium sorts what was drawn one by one by its place, before it turns a word round."""
    read = pdf_places.with_marks(signs(*found), 12)
    assert "".join(each.text for each in read) == wanted
    boxes = {each.text: each.box for each in signs(*found)}
    assert all(boxes[each.text] == each.box for each in read)


def test_a_blank_of_the_page_parts_words_only_within_its_line():
    """Chromium draws blanks that PDFium leaves out; another column has its own."""
    (column,) = signs((" ", 20, 23))
    piece = pdf_places.Piece(signs(("א", 88, 94), ("ב", 80, 86)), "", 700.0, 12.0)
    for left, wanted in ((86.0, "א ב"), (20.0, "אב"), (200.0, "אב")):
        blank = column._replace(box=(left, 700.0, left + 3, 710.0))
        assert "".join(each.text for each in pdf_places.in_places(piece, [blank])) == wanted
