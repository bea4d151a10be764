"""A survey of raw texts: which files become sources, which are left out, and why."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from found_texts import write_found_texts

from endonym.autopilot.survey import survey_texts
from endonym.errors import MissingSource


@pytest.fixture
def texts(tmp_path: Path, language_sentences: Callable[[str], list[str]]) -> Path:
    return write_found_texts(tmp_path / "texts", language_sentences("tatar"))


def test_every_readable_file_is_a_source_with_a_name_of_its_own(
    texts: Path, tmp_path: Path
) -> None:
    found = survey_texts([texts], tmp_path / "project")
    sources = {source.name: source for source, _ in found.sources}
    assert set(sources) == {"китап", "китап-2", "web"}
    assert sources["китап"].path == "../texts/old/китап.txt" or sources["китап-2"].path == (
        "../texts/old/китап.txt"
    )
    assert sources["web"].column == "текст"
    assert "Әбием мич янында" in found.sample
    assert found.mean_document_bytes > 50


def test_a_folder_without_text_is_a_wrong_request(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(200))
    with pytest.raises(MissingSource, match="no text that can be read") as caught:
        survey_texts([tmp_path], tmp_path)
    assert caught.value.exit_code == 2
    with pytest.raises(MissingSource):
        survey_texts([tmp_path / "nothing"], tmp_path)


def test_a_file_name_that_is_not_utf8_is_named_and_left_out(texts: Path, tmp_path: Path) -> None:
    strange = bytes(texts) + b"/\xcf\xf0\xe8.txt"
    Path(os.fsdecode(strange)).write_text("Кояш чыкты.\n" * 9, encoding="utf-8")
    found = survey_texts([texts], tmp_path)
    assert any("not UTF-8" in reason for _, reason in found.skipped)
    assert len(found.sources) == 3
