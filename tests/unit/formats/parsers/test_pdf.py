"""Lines of pages with their boxes; whole files are in readers/test_pdf.py."""

import base64
import re
from pathlib import Path

import pytest
from made_documents import drawn_pdf, filed, lines, pdf, stream
from text_samples import KHMER, TATAR, kept, records, refused, write

from endonym.formats.pages.page import PARTS
from endonym.formats.parsers import pdf as module
from endonym.formats.parsers.pdf import pdf_units, picture_units
from endonym.formats.parsers.unit import Refused, Unit


def parsed(folder: Path, data: bytes, start: int = 1) -> list[Unit]:
    found = pdf_units(str(write(folder, "a.pdf", data)), start, {})
    return [each for each in found if each is not None]


def test_each_line_has_its_box(tmp_path: Path):
    (page,) = parsed(tmp_path, pdf([[(70, 700, 12, TATAR[0]), (90, 650, 9, TATAR[1])]]))
    assert page.text == "\n".join(TATAR[:2])
    first, second = page.data["boxes"]
    left, bottom, right, top, size = (each / PARTS for each in first)
    assert (left, bottom, size) == (70, 700, 12)
    assert right == pytest.approx(70 + len(TATAR[0]) * 6, abs=7)
    assert top > bottom
    assert [second[0] / PARTS, second[1] / PARTS, second[4] / PARTS] == [90, 650, 9]
    assert page.data["height"] == 842


def test_letters_beyond_the_basic_plane_do_not_shift_the_boxes(tmp_path: Path):
    page = [(70, 700, 12, "𐐀𐐁𐐂 𐐃𐐄"), (90, 650, 9, KHMER[0])]
    (unit,) = parsed(tmp_path, pdf([page]))
    assert unit.text.split("\n") == ["𐐀𐐁𐐂 𐐃𐐄", KHMER[0]]
    assert [box[0] / PARTS for box in unit.data["boxes"]] == [70, 90]


def test_pages_begin_where_they_are_asked_to(tmp_path: Path):
    data = pdf([lines([each]) for each in TATAR])
    found = [(each.number, each.text) for each in parsed(tmp_path, data, 5)]
    assert found == [(5, TATAR[4]), (6, TATAR[5])]


def test_a_page_without_text_says_whether_something_is_drawn_on_it(tmp_path: Path):
    (empty,) = parsed(tmp_path, drawn_pdf(""))
    (drawn,) = parsed(tmp_path, drawn_pdf("0 0 100 100 re f"))
    assert (empty.data["objects"], drawn.data["objects"]) == (0, 1)


IMAGES = ("595 0 0 421 0 0", "595 0 0 210.5 0 500", "1190 0 0 1684 -595 -842")
HALF, QUARTER, LARGER = (
    f"q {each} cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x80 EI Q\n" for each in IMAGES
)


def test_the_largest_picture_of_a_page_says_how_much_it_covers(tmp_path: Path):
    resources = "/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</XObject<</X 5 0 R>>>>"
    objects = ["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>"]
    objects += [f"<</Type/Page/Parent 2 0 R{resources}>>", stream("/X Do")]
    form = f"<</Type/XObject/Subtype/Form/BBox[0 0 595 842]{stream(HALF)[2:]}"
    pages = [*map(drawn_pdf, ("", HALF + QUARTER, LARGER)), filed([*objects, form])]
    assert [parsed(tmp_path, page)[0].data["picture"] for page in pages] == [0, 0.5, 1, 0.5]


def test_a_file_says_its_title_author_and_date_and_without_its_end_that_it_was_recovered(
    tmp_path: Path,
):
    data = pdf([lines(TATAR)])
    said = f"<</Title( Urman )/Author({'a' * 999})/CreationDate(D:20260102030405)/Type/Catalog"
    named = data.replace(b"<</Type/Catalog", said.encode()).replace(b"/Root", b"/Info 1 0 R/Root")
    meta = {"method": "pdf", "title": "Urman", "author": "a" * 300, "date": "2026-01-02"}
    assert parsed(tmp_path, named)[0].meta == meta | {"page": "1"}
    found = parsed(tmp_path, data[: data.index(b"startxref")])
    assert found[0].text == "\n".join(TATAR)
    assert "damaged" in found[0].meta["recovered"]


def test_what_is_no_pdf_is_refused(tmp_path: Path):
    with pytest.raises(Refused, match="not a whole PDF"):
        parsed(tmp_path, b"%PDF-1.4 x")


@pytest.mark.parametrize("claimed", [2_500, 1_000_000])
def test_pages_that_a_file_only_claims_are_refused_as_one(tmp_path: Path, claimed: int):
    data = pdf([lines(TATAR)]).replace(b"/Count 1", b"/Count %d" % claimed)
    (refusal,) = refused(found := records(write(tmp_path, "a.pdf", data)))
    assert TATAR[0] in kept(found)[0]
    assert refusal.reason == "damaged"
    assert re.search(r"claims [\d,]{3,} pages and has [\d,]+ bytes; from page 2 on", refusal.detail)


def test_neighbours_that_cannot_be_read_are_one_reject_with_their_numbers(tmp_path: Path):
    data = pdf([lines([each]) for each in TATAR]).replace(b"/Count 6", b"/Count 9")
    (refusal,) = refused(found := records(write(tmp_path, "a.pdf", data), document="page"))
    assert kept(found) == TATAR
    assert (refusal.reason, refusal.detail) == ("damaged", "pages 7 to 9 (3) cannot be read")


def test_pages_between_others_that_cannot_be_read_are_one_and_the_others_stay(tmp_path: Path):
    data = pdf([lines([each]) for each in TATAR])
    kids = re.search(rb"/Kids\[(\d+) 0 R ", data)
    lost = b"/Kids[%s 0 R 1 0 R 1 0 R 1 0 R " % kids[1]
    data = data.replace(kids[0], lost).replace(b"/Count 6", b"/Count 9")
    (refusal,) = refused(found := records(write(tmp_path, "a.pdf", data), document="page"))
    assert kept(found) == TATAR
    assert refusal.detail == "pages 2 to 4 (3) cannot be read"


def drawn(folder: Path) -> tuple[int, int, bytes]:
    """The first page as a picture: its width and height in dots, and the dots."""
    path = write(folder, "a.pdf", drawn_pdf("0 0 297.5 842 re f"))
    (unit,) = picture_units(str(path), 1, {"page": 1})
    kind, width, height, most, data = base64.b64decode(unit.text).split(maxsplit=4)
    assert (kind, most) == (b"P5", b"255")
    return int(width), int(height), data


def test_a_page_is_drawn_grey_and_not_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    width, height, data = drawn(tmp_path)
    assert (width, height) == (pytest.approx(595 / 72 * 300, abs=1), pytest.approx(3508, abs=2))
    assert len(data) == width * height
    assert (data[width * 100 + 10], data[width * 101 - 10]) == (0, 255)
    monkeypatch.setattr(module, "MOST_DOTS", 10_000)
    width, height, _ = drawn(tmp_path)
    assert width * height < 11_000
    path = write(tmp_path, "b.pdf", pdf([[], []]).replace(b"842]/Contents 8", b"421]/Contents 8"))
    monkeypatch.undo()
    (unit,) = picture_units(str(path), 1, {"page": 2})
    assert base64.b64decode(unit.text).startswith(b"P5 2480 1755 255\n")
