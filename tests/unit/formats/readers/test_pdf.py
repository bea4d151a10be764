"""PDF: pages with and without a text layer, broken fonts, running heads, paragraphs."""

import base64
import gzip
from pathlib import Path

import fake_ocr
import pytest
from made_documents import Placed, drawn_pdf, lines, pdf, zipped
from text_samples import (
    FRENCH,
    KHMER,
    ROMANIAN,
    TATAR,
    kept,
    numbered,
    reasons,
    records,
    refused,
    write,
)

from endonym.formats.document import Document
from endonym.formats.parsers.unit import Unit
from endonym.formats.readers import pdf as module

WRAPPED = [
    "Бүген һава бик матур, шуңа күрә без урманга ба-",
    "рабыз. Әбием миңа җылы сөт һәм яңа пешкән икмәк",
    "бирде, аннары абыем күл буенда зур учак якты һәм",
    "без аның янында озак утырдык.",
]
JOINED = (
    "Бүген һава бик матур, шуңа күрә без урманга барабыз. Әбием миңа җылы сөт һәм яңа пешкән икмәк "
    "бирде, аннары абыем күл буенда зур учак якты һәм без аның янында озак утырдык."
)


def book(folder: Path, n_pages: int = 12) -> Path:
    """Pages with a running head and a number, whose last paragraph goes on on the next page."""
    pages: list[list[Placed]] = []
    for n in range(n_pages):
        first, *middle, last = numbered(8, 20 * n)
        body = [f"дәвамы {first} бетте.", *(f"Менә {each}." for each in middle), f"Ә {last} һәм"]
        head = "ХАЛЫК ӘКИЯТЛӘРЕ" if n % 2 else f"{n + 3}-нче бүлек"
        pages.append([(70, 800, 9, head), *lines(body), (290, 40, 9, f"— {n + 1} —")])
    return write(folder, "a.pdf", pdf(pages))


def test_lines_become_paragraphs_and_hyphens_at_line_ends_go(tmp_path: Path):
    second = lines(["Икенче абзац башланды.", "Ул кыска."], top=690)
    path = write(tmp_path, "a.pdf", pdf([[*lines(WRAPPED), *second]]))
    (text,) = kept(records(path))
    assert text.split("\n\n")[0] == JOINED
    assert text.split("\n\n")[1].startswith("Икенче абзац башланды.")


def test_a_hyphen_stays_where_the_book_writes_the_word_with_it_elsewhere(tmp_path: Path):
    texts = [
        "Il viendra peut-",
        "être demain, ou",
        "il partira peut-être ce soir vers la mer, dit-elle",
    ]
    texts += [
        "encore en riant doucement de son propre bon-",
        "heur. Voici le bonheur de la maison entière.",
    ]
    (text,) = kept(records(write(tmp_path, "a.pdf", pdf([lines(texts)]))))
    assert "viendra peut-être demain" in text.replace("\n", " ")
    assert "propre bonheur." in text


@pytest.mark.parametrize("sentences", [TATAR, ROMANIAN, FRENCH, KHMER])
def test_every_script_is_read_as_it_was_written(tmp_path: Path, sentences: list[str]):
    pages = [lines([each], top=700 - 60 * n) for n, each in enumerate(sentences)]
    path = write(tmp_path, "a.pdf", pdf([[line for page in pages for line in page]]))
    found = records(path, document="blank_lines")
    assert (kept(found), refused(found)) == (sentences, [])


def test_running_heads_and_page_numbers_go_and_paragraphs_go_on_over_pages(tmp_path: Path):
    (text,) = kept(records(book(tmp_path)))
    assert "ӘКИЯТЛӘРЕ" not in text
    assert "бүлек" not in text
    assert "—" not in text
    flat = text.replace("\n", " ")
    assert all(f"{numbered(8, 20 * n)[-1]} һәм дәвамы" in flat for n in range(11))
    assert flat.count("Менә") == 12 * 6


def test_two_pages_are_too_few_to_tell_a_head_from_text(tmp_path: Path):
    (text,) = kept(records(book(tmp_path, 2)))
    assert "ӘКИЯТЛӘРЕ" in text


def test_a_page_is_a_document_where_the_recipe_says_so_and_keeps_its_number(tmp_path: Path):
    found = records(book(tmp_path), document="page")
    assert [each.id for each in found] == [f"a.pdf#{n}" for n in range(1, 13)]
    assert isinstance(found[2], Document)
    assert found[2].meta["page"] == "3"
    assert found[2].text.startswith("Менә")
    assert "һәм дәвамы" in found[2].text.replace("\n", " ")


def test_a_page_without_text_is_a_numbered_reject(tmp_path: Path):
    whole = pdf([lines(WRAPPED), [], lines(ROMANIAN)])
    found = records(write(tmp_path, "a.pdf", whole))
    assert reasons(found) == {"blank": 1}
    picture = drawn_pdf("0.5 g 50 50 300 400 re f")
    (refusal,) = records(write(tmp_path, "b.pdf", picture))
    assert (refusal.reason, refusal.id) == ("needs_ocr", "b.pdf#1")
    assert 'ocr = "auto"' in refusal.detail


@pytest.mark.parametrize(("odd", "wanted"), [(12, {}), (13, {"bad_text_layer": 1})])
def test_a_page_up_to_the_limit_is_text(tmp_path: Path, odd: int, wanted: dict[str, int]):
    """12 of 20 words have a capital within, which is the share of LIMITS."""
    plain = [each.strip(".,") for each in " ".join(TATAR).split() if len(each) > 4][:20]
    words = [each[:2] + each[2:].capitalize() for each in plain[:odd]] + plain[odd:]
    page = lines([" ".join(words[n::4]) for n in range(4)])
    found = records(write(tmp_path, "a.pdf", pdf([page])))
    assert reasons(found) == wanted
    assert bool(kept(found)) == (not wanted)


PICTURE = "q 595 0 0 842 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x80 EI Q\n"
STAMP = "BT /F1 11 Tf 72 30 Td (Scanned by the library, page 7) Tj ET"


def test_a_stamp_on_a_scan_is_not_its_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write(tmp_path, "a.pdf", drawn_pdf(PICTURE + STAMP))
    (refusal,) = records(path)
    assert (refusal.reason, refusal.id) == ("needs_ocr", "a.pdf#1")
    assert "only 23 letters" in refusal.detail
    little = PICTURE.replace("595 0 0 842", "100 0 0 90")
    small = write(tmp_path, "b.pdf", drawn_pdf(little + STAMP))
    assert kept(records(small)) == ["Scanned by the library, page 7"]
    asked = fake_ocr.install(tmp_path / "ocr", {"fra": ("abc", 10)}, monkeypatch)
    # OCR is not sure of it: what the text layer says is better than nothing.
    drawn = Unit(1, base64.b64encode(fake_ocr.picture(FRENCH[0])).decode())
    monkeypatch.setattr(module, "drawn", lambda *_: drawn)
    assert kept(records(path, ocr=["fra"])) == ["Scanned by the library, page 7"]
    fake_ocr.install(tmp_path / "ocr2", {"fra": ("".join(FRENCH), 90)}, monkeypatch)
    assert kept(records(path, ocr=["fra"])) == [FRENCH[0]]
    assert asked()


def test_a_page_with_nothing_but_a_running_head_is_a_counted_reject(tmp_path: Path):
    pages = [[(70.0, 800.0, 9.0, "Халык әкиятләре")] for _ in range(6)]
    pages[2] += lines(WRAPPED)
    found = records(write(tmp_path, "a.pdf", pdf(pages)))
    assert reasons(found) == {"blank": 5}
    assert kept(found) == [JOINED]


GARBAGE = {
    "limon": [
        "kñúMsURmGrKuNelak RKUEdl)anCYyxJMú kñúgkarsikSa",
        "nigsUmCUnBr elakCanic© RBHraCaNacRkkm<úCa",
    ],
    "cp1251": [
        "Áуген hава бик матур Êàçàíü áåëәí áåðãә áóëäûê",
        "Áåç áàðàáûç óðìàíãà êөí ñàåí èðòә áåëәí áàëàëàð",
    ],
    "romanian": [
        "ºi a plecat spre þarã, unde mama lui îl aºtepta cu",
        "bucurie ºi cu lacrimi în ochi, fiindcã a venit ºi fiul",
    ],
    "unnamed": ["\ue001\ue002\ue003 \ue004\ue005 \ue006\ue007\ue008\ue009 \ue00a\ue00b"] * 4,
}


@pytest.mark.parametrize("name", GARBAGE)
def test_a_layer_that_a_broken_or_old_font_made_nonsense_is_not_kept(tmp_path: Path, name: str):
    pages = [lines(GARBAGE[name] * 4), lines(WRAPPED * 3)]
    found = records(write(tmp_path, "a.pdf", pdf(pages)), document="page")
    assert [each.id for each in found if isinstance(each, Document)] == ["a.pdf#2"]
    (refusal,) = refused(found)
    assert (refusal.reason, refusal.id) == ("bad_text_layer", "a.pdf#1")
    assert refusal.text.startswith(GARBAGE[name][0][:10])


def test_an_old_font_is_known_by_the_script_and_the_reject_names_its_pack(tmp_path: Path):
    old = ["saqarTvelos dedaqalaqSi Zveli quCebi da axali", "saxlebia, xalxi gzaSi gaiTamaSebs"] * 4
    path = write(tmp_path, "a.pdf", pdf([lines(old)]))
    assert [each.id for each in records(path, document="page")] == ["a.pdf#1"]
    (refusal,) = refused(records(path, document="page", script="georgian"))
    assert refusal.reason == "bad_text_layer"
    assert "tesseract-ocr-script-geor" in refusal.detail


def test_a_pdf_in_an_archive_or_compressed_is_read_as_on_disk(tmp_path: Path):
    data = pdf([lines(WRAPPED)])
    plain = kept(records(write(tmp_path, "a.pdf", data)))
    assert kept(records(write(tmp_path, "b.pdf.gz", gzip.compress(data)))) == plain
    assert kept(records(write(tmp_path, "c.zip", zipped({"d.pdf": data})))) == plain
    cut = records(write(tmp_path, "e.pdf.gz", gzip.compress(data)[:-20]))
    assert reasons(cut) == {"truncated": 1}
    assert "cannot be read in part" in refused(cut)[0].detail


@pytest.mark.parametrize(
    "data", [b"%PDF-1.4 nothing", b"not a pdf at all \x01", b"%PDF-1.7\n" + b"\0" * 5_000]
)
def test_what_is_no_pdf_is_refused_and_is_not_an_error(tmp_path: Path, data: bytes):
    (refusal,) = records(write(tmp_path, "a.pdf", data))
    assert refusal.reason == "damaged"
    assert "not a whole PDF" in refusal.detail


def test_a_loop_of_pages_and_a_page_tree_without_end_do_not_hang(tmp_path: Path):
    data = pdf([lines(WRAPPED)]).replace(b"/Kids[5 0 R]", b"/Kids[2 0 R]")
    found = records(write(tmp_path, "a.pdf", data))
    assert not kept(found)
    assert len(found) == 1
