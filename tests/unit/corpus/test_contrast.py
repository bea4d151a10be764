"""Texts in other languages that a recipe names."""

from pathlib import Path

import pytest
from text_samples import RUSSIAN, TATAR, gzipped, write

from endonym.corpus import contrast
from endonym.corpus.contrast import contrast_texts
from endonym.errors import SourceError
from endonym.formats.config import Clean


def test_each_file_is_a_language_by_its_name(tmp_path: Path) -> None:
    files = [
        write(tmp_path, "ru.txt", RUSSIAN),
        write(tmp_path, "ba.jsonl", [f'{{"text": "{TATAR[0]}"}}']),
        write(tmp_path, "ru.more.txt.gz", gzipped("\n".join(RUSSIAN[:2]))),
    ]
    assert contrast_texts(files) == {"ba": [TATAR[0]], "ru": [*RUSSIAN[:2], *RUSSIAN]}


def test_no_more_is_read_than_is_of_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contrast, "MOST_CHARS", 100)
    texts = contrast_texts([write(tmp_path, "ru.txt", RUSSIAN)])["ru"]
    assert sum(map(len, texts)) <= 100


def test_a_file_without_text_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no text") as caught:
        contrast_texts([write(tmp_path, "ru.txt", b"\0\1\2\3" * 100)])
    assert "ru.txt" in caught.value.where


def test_patterns_start_at_the_recipe(tmp_path: Path) -> None:
    for name in ("near/ru.txt", "near/kk.txt", "near/deep/ky.txt"):
        write(tmp_path, name, RUSSIAN)
    clean = Clean(contrast=("near/*.txt", "near/../near/ru.txt", str(tmp_path / "near/deep/*")))
    found = [path.relative_to(tmp_path).as_posix() for path in clean.contrast_files(tmp_path)]
    assert found == ["near/deep/ky.txt", "near/kk.txt", "near/ru.txt"]
