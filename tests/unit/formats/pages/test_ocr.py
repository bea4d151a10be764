"""Tesseract behind its interface: a program in its place, and the real one where it is."""

import shutil
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from fake_ocr import install, pack_file, picture, remove
from text_samples import SHARED, TATAR, write

from endonym.errors import SourceError
from endonym.formats.pages import ocr
from endonym.formats.pages.ocr import (
    OcrFailed,
    OcrPage,
    Tesseract,
    best_pack,
    failure,
    ocr_lines,
    pack_letters,
    require_tesseract,
    tesseract,
)

RUSSIAN = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
LATIN = "abcdefghijklmnopqrstuvwxyz"
TATAR_LETTERS = f"{RUSSIAN}әөүҗңһ"
PACKS = {
    "Cyrillic": (TATAR_LETTERS + TATAR_LETTERS.upper(), 95.0),
    "rus": (RUSSIAN + RUSSIAN.upper(), 88.0),
    "tat": (LATIN, 99.0),
    "eng": (LATIN, 40.0),
}
PAGE = picture("\n".join(TATAR))


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Tesseract]:
    install(tmp_path / "t", PACKS, monkeypatch)
    yield require_tesseract([])
    ocr.tesseract.cache_clear()


def test_lines_of_a_picture_are_read_with_their_confidence(engine: Tesseract, tmp_path: Path):
    webp = PAGE.replace(PAGE[:8], b"RIFF\n\0\0\0WEBP")
    for given in (PAGE, write(tmp_path, "a.png", PAGE), webp, write(tmp_path, "a.webp", webp)):
        page = engine.read(given, ["Cyrillic"])
        assert [line.text for line in page.lines] == TATAR
        assert page.confidence == pytest.approx(0.95)
        assert (page.lines[0].left, page.lines[0].top) == (100, 150)
    path = write(tmp_path, "a.tif", picture(*TATAR[:3]))
    assert [engine.read(path, ["Cyrillic"], n).lines[0].text for n in (1, 2, 3)] == TATAR[:3]


TABLE = ["level left top width height conf text", "4 1 2 3 4 -1", "5 1 2 3 4 90 күл"]
TABLE += ["5 1 2 3 4 -1 су", "4 5 6 7 8 -1", "4 9 6 7 8 -1", "5 9 6 7 8 70 яр"]


def test_a_line_is_its_words_and_long_ones_count_more():
    first, second = ocr_lines("\n".join(TABLE).replace(" ", "\t"))
    assert first == ("күл су", pytest.approx(0.54), 1, 2, 3, 4)
    assert second == ("яр", pytest.approx(0.7), 9, 6, 7, 8)
    assert OcrPage((first, second)).confidence == pytest.approx((6 * 0.54 + 2 * 0.7) / 8)
    assert OcrPage(()).confidence == 0


COMMAS = [
    ("بخواهم صادق باشم, باور این سخت است", "بخواهم صادق باشم، باور این سخت است"),
    ("اصلاً, یک, دو , سه,چهار,", "اصلاً، یک، دو ، سه،چهار،"),
    ("در ۱۲,۵ و 1,000 و Linux, Java", "در ۱۲,۵ و 1,000 و Linux, Java"),
    ("Кояш, ай", "Кояш, ай"),
]


@pytest.mark.parametrize(("read", "meant"), COMMAS)
def test_a_comma_between_letters_of_arabic_script_is_theirs(read: str, meant: str):
    words = [f"5\t1\t2\t3\t4\t90\t{each}" for each in read.split()]
    (line,) = ocr_lines("\n".join([*(row.replace(" ", "\t") for row in TABLE[:2]), *words]))
    assert line.text == meant


DEADLY = [
    ("crash", "parser_crashed"), ("no picture", "damaged"), ("eat", "parser_memory"),
    ("spin", "parser_timeout"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "reason"), DEADLY)
def test_what_the_program_does_not_survive_is_a_failure_of_the_page(
    engine: Tesseract, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
):
    monkeypatch.setattr(ocr, "PAGE_CPU_SECONDS", 1 if text == "spin" else 120)
    began = time.monotonic()
    with pytest.raises(OcrFailed) as caught:
        engine.read(picture(text), ["Cyrillic"])
    assert caught.value.reason == reason
    assert time.monotonic() - began < 300


def test_a_missing_program_or_pack_is_told(engine: Tesseract, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(SourceError, match="no pack aze_Cyrl, xyz") as caught:
        require_tesseract(["aze_Cyrl", "Cyrillic", "xyz"])
    assert "tesseract-ocr-aze-cyrl" in caught.value.do
    remove(monkeypatch)
    assert tesseract() is None
    with pytest.raises(SourceError, match="not on this machine") as caught:
        require_tesseract([], "khmer")
    assert "apt-get install tesseract-ocr tesseract-ocr-script-khmr" in caught.value.do
    assert "\n" not in caught.value.message


ENDS = [
    *((code, "", "parser_timeout") for code in (152, 137, -9, -24)),
    (1, "Error in pixReadStreamPng: ...", "damaged"),
    (1, "Error during processing.", "parser_crashed"),
    (2, "Error in pixReadStreamPng: ...", "parser_crashed"),
    (134, "std::bad_alloc", "parser_memory"), (1, "Out of Memory", "parser_memory"),
    (139, "", "parser_crashed"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "said", "reason"), ENDS)
def test_the_end_of_the_program_has_its_reason(code: int, said: str, reason: str):
    assert failure(code, said).reason == reason


NEAR = {"\n".join(TATAR * 9): False, "әөүҗңһ": False, "а" * 97 + "әөү": True, "": True}
"""Texts, and whether a pack that lacks three of the letters is good enough to be tried."""


@pytest.mark.parametrize("letters", NEAR)
def test_the_pack_that_reads_the_letters_is_best(engine: Tesseract, letters: str):
    found = best_pack(engine, [(PAGE, 1)], letters)
    assert (found.pack, found.confidence) == ("Cyrillic", pytest.approx(0.95))
    assert found.reason.startswith("sure to 95%")
    assert ("as frequent as in the language to" in found.reason) == (len(letters) > 300)
    # The surer one is not the better one; of few letters no number says why.
    assert ("rus" in found.reason) == NEAR[letters]
    assert ("rus 88%" in found.reason) == (not letters)


@pytest.mark.usefixtures("engine")
def test_the_next_best_are_named_and_a_page_that_is_not_read_counts_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    packs = {
        n: (TATAR_LETTERS, sure) for n, sure in zip("abcde", (60, 80, 95, 90, 50), strict=True)
    }
    install(tmp_path / "more", packs, monkeypatch)
    pages = [(PAGE, 1), (PAGE, 1), (picture("crash"), 1)]
    found = best_pack(require_tesseract([]), pages)
    assert found == ("c", pytest.approx(0.95), "sure to 63%; d 60%, b 53%, a 40%")


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(("sure", "best"), [(94.0, "fas"), (93.0, "Arabic")])
def test_a_pack_of_the_language_wins_if_another_one_is_hardly_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sure: float, best: str
):
    packs = {"Arabic": (TATAR_LETTERS, 95.0), "fas": (TATAR_LETTERS, sure)}
    install(tmp_path / "more", packs, monkeypatch)
    for own, wins in ((["fas", "tgk"], best), ([], "Arabic")):
        assert best_pack(require_tesseract([]), [(PAGE, 1)], own=own).pack == wins


def test_each_script_has_a_pack_tried_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    latin = {f"a{n:02}": ("abcdef", 50.0) for n in range(20)}
    many = {**latin, "Latin": ("abcdefghé", 70.0), **PACKS}
    asked = install(tmp_path / "many", many, monkeypatch)
    assert best_pack(require_tesseract([]), [(PAGE, 1)]).pack == "Cyrillic"
    ocr.tesseract.cache_clear()
    tried = [each for each in asked() if "--list-langs" not in each]
    assert len(tried) == 12
    assert any("Cyrillic" in each for each in tried[:2])


def test_a_page_that_none_reads_is_a_failure(engine: Tesseract):
    for text in ("crash", ""):
        with pytest.raises(OcrFailed, match="none of the packs"):
            best_pack(engine, [(picture(text), 1)], "абв")


def test_letters_of_a_pack_are_those_of_its_list(tmp_path: Path):
    pack = bytearray(pack_file("Әҗab"))
    assert pack_letters(write(tmp_path, "a.traineddata", bytes(pack))) == set("әҗab")
    pack[12:20], pack[172:180] = pack[172:180], bytes(8)  # the list of a pack of the older kind
    assert pack_letters(write(tmp_path, "a.traineddata", bytes(pack))) == set("әҗab")
    assert pack_letters(tmp_path / "none.traineddata") == set()
    for data in (b"", b"\xff" * 50, b"\0" * 200, pack_file("a")[:100]):
        assert pack_letters(write(tmp_path, "b.traineddata", data)) == set()


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="needs Tesseract")
@pytest.mark.skipif(
    not (SHARED / "raw" / "ocr").is_dir(), reason="needs ../shared/data/raw/ocr beside this project"
)
def test_the_real_one_reads_a_tatar_picture_by_a_pack_that_knows_its_letters():
    found = require_tesseract([])
    packs = [each for each in ("Cyrillic", "kir", "kaz") if each in found.packs]
    if not packs:
        pytest.skip("needs one of the packs Cyrillic, kir, kaz")
    page = found.read(SHARED / "raw" / "ocr" / "tt_constitution_snippet.jpeg", packs[:1])
    assert page.confidence > 0.9
    assert "Татарстан" in " ".join(line.text for line in page.lines)
