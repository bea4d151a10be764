"""Packs are chosen by what they read."""

from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest
from fake_ocr import install, pack_file, picture
from text_samples import TATAR, write

from endonym.formats.pages import ocr
from endonym.formats.pages.ocr import OcrFailed, require_tesseract
from endonym.formats.pages.ocr_packs import best_pack, candidates, measured, pack_letters, scaled

CYRILLIC = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
ALL = CYRILLIC + "әөүҗңһ" + (CYRILLIC + "әөүҗңһ").upper()
PACKS = {
    "Cyrillic": (ALL, 95.0),
    "rus": (CYRILLIC + CYRILLIC.upper(), 88.0),
    "tat": ("abcdefghijklmnopqrstuvwxyz", 99.0),
    "eng": ("abcdefghijklmnopqrstuvwxyz", 40.0),
}
PAGE = picture("\n".join(TATAR))


@pytest.fixture(autouse=True)
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    install(tmp_path / "t", PACKS, monkeypatch)
    yield
    ocr.tesseract.cache_clear()


def test_the_pack_that_knows_the_letters_is_best_whatever_the_others_are_called():
    found = best_pack(require_tesseract([]), [(PAGE, 1)], "\n".join(TATAR * 9))
    assert found.pack == "Cyrillic"
    assert found.confidence == pytest.approx(0.95)
    assert "sure to 95%" in found.reason


def test_the_letters_that_a_language_must_have_are_enough():
    assert best_pack(require_tesseract([]), [(PAGE, 1)], "әөүҗңһ").pack == "Cyrillic"


def test_packs_without_the_letters_are_not_tried():
    engine = require_tesseract([])
    assert list(candidates(engine, Counter("әөүһ"))) == ["Cyrillic"]
    assert list(candidates(engine, Counter("абв")))[:2] == ["Cyrillic", "rus"]
    assert set(candidates(engine, Counter())) == set(engine.packs)


def test_without_letters_a_pack_of_each_script_is_tried_before_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    latin = {f"a{n:02}": ("abcdef", 50.0) for n in range(20)}
    install(tmp_path / "many", {**latin, "Latin": ("abcdefghé", 70.0), **PACKS}, monkeypatch)
    tried = list(candidates(require_tesseract([]), Counter()))
    assert len(tried) == 12
    assert "Cyrillic" in tried[:2]
    page = picture("\n".join(TATAR))
    assert best_pack(require_tesseract([]), [(page, 1)]).pack == "Cyrillic"


def test_without_letters_the_surest_that_reads_anything_is_best():
    page = picture("Сабантуй да батыр")
    assert best_pack(require_tesseract([]), [(page, 1)]).pack == "Cyrillic"


def test_a_page_that_none_reads_is_a_failure():
    with pytest.raises(OcrFailed, match="none of the packs"):
        best_pack(require_tesseract([]), [(picture("crash"), 1)], "абв")
    assert measured(require_tesseract([]), "rus", (picture(""), 1), Counter()) is None


def test_letters_of_a_pack_are_those_of_its_list(tmp_path: Path):
    path = write(tmp_path, "a.traineddata", pack_file("әҗab"))
    assert pack_letters(path) == set("әҗab")
    for data in (b"", b"\xff" * 50, b"\0" * 200, pack_file("a")[:100]):
        assert pack_letters(write(tmp_path, "b.traineddata", data)) == set()


def test_frequencies_are_scaled_to_another_text():
    assert scaled(Counter("aab"), 6) == Counter("aaaabb")
