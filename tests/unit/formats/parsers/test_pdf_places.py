"""Words from right to left whose glyphs are drawn one by one, as Chromium and others do."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from unicodedata import normalize

import pytest
import regex
from made_documents import filed, names, stream
from text_samples import write

from endonym.formats.parsers.pdf import pdf_units

FORMS = str.maketrans({"ب": "\ufe91", "ی": "\ufbfe", "گ": "\ufb95", "ن": "\ufee7", "م": "\ufee3"})
"""How a font names some letters within words; the page says which they are."""
MIRRORED = str.maketrans("()«»", ")(»«")
SIZE, LETTER, BLANK = 12, 6, 3
NON_JOINER, TANWIN = "\u200c", "\u064b"
MARKS = "\u064b\u064e\u0650\u0652\u0301\u0323"
Glyph = tuple[float, float, str, str]
"""Left, base line, what the font says that it is, and what the page says."""


def glyphs(line: str, base: float = 700) -> list[Glyph]:
    """The glyphs of a line as Chromium draws them from the left: U+200C as a blank of no width."""
    drawn, x = list[Glyph](), 100.0
    for sign in reversed(line):
        form = sign.translate(FORMS)
        if sign == NON_JOINER:
            drawn.append((x, base, " ", sign))
        elif sign == TANWIN:
            drawn.append((x + 2, base + 3, sign, ""))
        else:
            drawn.append((x, base, form, "" if form == sign else sign))
            x += BLANK if sign == " " else LETTER
    return drawn


def clusters(line: str, mark: tuple[float, float]) -> list[Glyph]:
    """The glyphs of a line whose letters the page says with their marks, as Chromium draws them.

    mark: how far a mark stands to the right of its letter and above it. An alef has no width of
    its own beside a lam.
    """
    drawn, x = list[Glyph](), 100.0
    for cluster in reversed(regex.findall(r"\X", line)):
        said = cluster if len(cluster) > 1 else ""
        drawn += [(x + mark[0], 700 + mark[1], each, said) for each in cluster[1:]]
        drawn.append((x, 700, cluster[0], said))
        x += {" ": BLANK, "أ": 0}.get(cluster[0], LETTER)
    return drawn


def drawn_pdf(drawn: Sequence[Glyph]) -> bytes:
    """A page with these glyphs, each a black box, and blanks without ink."""
    number = {sign: place for place, sign in enumerate(sorted({each[2] for each in drawn}), 1)}
    content = list[str]()
    # A letter and its marks are one stretch.
    places = {id(each): place for place, each in enumerate(drawn)}
    for _, stretch in groupby(drawn, lambda each: each[3] if each[3][1:] else places[id(each)]):
        these = [*stretch]
        shown = (f"{x} {y} Td <{number[sign]:02x}> Tj" for x, y, sign, _ in these)
        line = "\n".join(f"BT /F1 {SIZE} Tf {each} ET" for each in shown)
        said = these[0][3]
        name = f"({said})" if said.isascii() else f"<feff{said.encode('utf-16-be').hex()}>"
        content.append(f"/Span<</ActualText{name}>>BDC\n{line}\nEMC" if said else line)
    shapes = {" ": "250 0 0 0 0 0 d1"}
    shapes |= dict.fromkeys(MARKS, "0 0 0 600 200 700 d1 0 600 200 100 re f")
    box = "500 0 0 0 500 500 d1 0 0 500 500 re f"
    table = names(number).replace("\n<00", "\n<").replace("<0000> <ffff>", "<00> <ff>")
    widths = " ".join(shapes.get(each, box).split()[0] for each in number)
    procs = " ".join(f"/g{place} {place + 5} 0 R" for place in number.values())
    font = (
        "<</Type/Font/Subtype/Type3/FontBBox[0 0 500 700]/FontMatrix[.001 0 0 .001 0 0]"
        f"/CharProcs<<{procs}>>/Encoding<</Type/Encoding/Differences[1 "
        f"{''.join(f'/g{place}' for place in number.values())}]>>/FirstChar 1"
        f"/LastChar {len(number)}/Widths[{widths}]/ToUnicode 5 0 R/Resources<<>>>>"
    )
    page = (
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R"
        "/Resources<</Font<</F1 3 0 R>>>>>>"
    )
    n = len(number)
    return filed([
        "<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Kids[{n + 6} 0 R]/Count 1>>", font,
        stream("\n".join(content)), stream(table),
        *(stream(shapes.get(each, box)) for each in number), page,
    ])  # fmt: skip


def read(tmp_path: Path, drawn: Sequence[Glyph]) -> str:
    """What is read of these glyphs."""
    (unit,) = pdf_units(str(write(tmp_path, "a.pdf", drawn_pdf(drawn))), 1, {})
    return unit.text


@pytest.mark.parametrize("line", [
    "یادداشت بایگانی بیابان", "نان و بیابان", "بایگانی 35 بیان", "بایگانی (یا بیابان) ماند",
    "«بایگانی» و بیابان", f"می{NON_JOINER}باید باغ{NON_JOINER}بان",
])  # fmt: skip
def test_words_are_read_as_their_glyphs_stand(tmp_path: Path, line: str):
    paper = line.translate(MIRRORED).replace("35", "53")
    assert read(tmp_path, glyphs(paper)) == line


def test_a_line_is_not_torn_at_a_mark_that_stands_higher(tmp_path: Path):
    line = f"نسبتا{TANWIN} ساده و کاملا{TANWIN} بزرگ"
    assert read(tmp_path, [*glyphs("نان و آب", 720), *glyphs(line)]) == f"نان و آب\n{line}"


@pytest.mark.parametrize("mark", [(2, 0), (2, 3.5), (-6.5, 0), (-6.5, 3.5)])
def test_marks_do_not_tear_lines_or_turn_letters_round(tmp_path: Path, mark: tuple[float, float]):
    for line in ("كَتَبَ كِتَابًا عَنِ الْأَدَبِ", "مَسَاءً."):
        assert read(tmp_path, clusters(line, mark)) == line


@pytest.mark.parametrize("word", [
    ["c", "a", "f", "e", "\u0301"], ["k", "o", "\u0323", "\u0301"], ["o", "ffi", "c", "e"],
    ["हि", "न्", "दी"],
])  # fmt: skip
def test_marks_of_letters_to_the_right_stay_with_them(tmp_path: Path, word: list[str]):
    drawn, x = glyphs(" و باغ"), 140.0
    for sign in word:
        x += 0 if sign in MARKS else LETTER
        drawn.append((x + 2 * (sign in MARKS), 700, sign, sign if sign == "ffi" else ""))
    drawn += [(left + 100, *rest) for left, *rest in glyphs("نان و ")]
    line = normalize("NFC", read(tmp_path, drawn))
    assert line == normalize("NFC", f"نان و {''.join(word)} و باغ")


@pytest.mark.parametrize("shift", [-2, -1, 1])
def test_a_line_that_says_the_letters_beside_its_own_is_read_by_its_font(
    tmp_path: Path, shift: int
):
    line = f"باغ و می{NON_JOINER}باید بگو"
    drawn = glyphs(line)
    said = [each[3] or each[2] for each in drawn]
    drawn = [
        (x, y, " " if font == " " else text, "")
        for (x, y, font, _), text in zip(drawn, said, strict=True)
    ]
    wrong = [(*each[:3], said[(at + shift) % len(said)]) for at, each in enumerate(drawn)]
    other = glyphs(f"می{NON_JOINER}باید", 660)
    assert read(tmp_path, [*wrong, *other]) == f"{line}\nمی{NON_JOINER}باید"


def test_letters_that_stand_apart_are_a_word_where_the_page_has_blanks(tmp_path: Path):
    drawn = glyphs(f"باغ و می{NON_JOINER}باید")
    drawn = [(x + 0.2 * SIZE * (x > 125), *rest) for x, *rest in drawn]
    assert read(tmp_path, drawn) == f"باغ و می{NON_JOINER}باید"


def test_each_mark_stands_behind_its_own_letter_though_two_are_right_of_the_next_one(
    tmp_path: Path,
):
    drawn = [
        (100, 700, "م", ""),
        (106, 700, "س", ""),
        (110, 704, "\u0652", ""),
        (111.5, 696, "\u0650", ""),
    ]
    drawn.append((112, 700, "ب", ""))
    assert read(tmp_path, drawn) == "ب\u0650س\u0652م"
