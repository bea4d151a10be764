"""Known words: their capitals in each language, files of them, and words with hyphens."""

from pathlib import Path

import pytest

from endonym.errors import SourceError
from endonym.lexicon.known_words import MOST_DIGITS, KnownWords


@pytest.mark.parametrize(
    ("language", "known", "written", "meant"),
    [
        ("tt", "җиләк", "жилэк", "җиләк"),
        ("tt", "җиләк", "Жилэк", "Җиләк"),
        ("tt", "җиләк", "ЖИЛЭК", "ҖИЛӘК"),
        ("tr", "istiyorum", "İstyorum", "İstiyorum"),
        ("tr", "istiyorum", "İSTYORUM", "İSTİYORUM"),
        ("az-Latn", "ildırım", "İldırm", "İldırım"),
        ("tr", "ışık", "IŞK", "IŞIK"),
        ("ro", "inimă", "Inma", "Inimă"),
    ],
)
def test_a_correction_has_the_capitals_of_the_written_word(
    language: str, known: str, written: str, meant: str
) -> None:
    words = KnownWords.of_list({known: 5}, language)
    assert [each.word for each in words.near(written, 5)] == [meant]


def test_a_word_with_hyphens_is_known_by_its_parts() -> None:
    words = KnownWords.of_texts(["Китап бик матур. Кызыл алма."], "tt")
    for word in ("Китап-матур", "кызыл-матур-алма"):
        assert words.knows(word), word
    for word in ("Китап-мтур", "эт-китап", "-"):
        assert not words.knows(word), word


def test_a_file_that_is_no_list_of_words_gets_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    for written, said in (
        (b"\x7fELF\x02\x01\xff\xfe\x00", "it is not UTF-8"),
        (f"алма\t3\nәби\t{'9' * 5000}".encode(), "line 2 is no count of at most 12 digits"),
        ("алма\t-3".encode(), "line 1 is no count"),
    ):
        path.write_bytes(written)
        with pytest.raises(SourceError, match=said) as caught:
            KnownWords.of_file(path, "tt")
        assert (caught.value.where, bool(caught.value.do)) == (str(path), True)
        assert len(str(caught.value)) < 400
    most = "9" * MOST_DIGITS
    path.write_text(f"алма\t{most}\nәби", encoding="utf-8")
    assert KnownWords.of_file(path, "tt").counts == {"алма": int(most), "әби": 1}
