"""Books and plays are one text each: they are divided only so that something can be held out."""

from pathlib import Path

import pytest
from made_documents import docx, epub, word_paragraph, xhtml
from text_samples import TATAR, numbered, write

from endonym.formats.files import source_files
from endonym.formats.reader import read_file
from endonym.survey.survey import survey_texts


def test_books_and_plays_are_read_in_parts_that_are_joined(tmp_path: Path) -> None:
    novel = [f"— {each}" if n % 3 else each for n, each in enumerate(numbered(400))]
    play = [f"{('ХӘЛИЛ', 'БӘДРИ')[n % 2]}.\n{each}" for n, each in enumerate(numbered(400, 400))]
    chapters = {f"{k}.xhtml": xhtml(numbered(100, 800 + 100 * k)) for k in range(4)}
    write(tmp_path, "роман.docx", docx("".join(map(word_paragraph, novel))))
    write(tmp_path, "китап.epub", epub(chapters))
    write(tmp_path, "пьеса.txt", "\n\n".join(play))
    write(tmp_path, "чит.txt", "\n\n".join(novel))
    write(tmp_path, "кыска.txt", "\n\n".join(numbered(400, 1_200)))
    write(tmp_path, "хат.docx", docx(word_paragraph(TATAR[0])))
    found = survey_texts([tmp_path], tmp_path)
    sources = {source.name: source.document for source, _ in found.sources}
    whole = {"кыска": "blank_lines"}
    assert sources == dict.fromkeys(found.joined, "part") | whole
    assert set(found.joined) == {source.name for source, _ in found.sources} - {*whole}
    # Neither parts nor letters of a file that is parsed are taken for more than there are.
    read = [
        (source, file) for source, _ in found.sources for file in source_files(source, tmp_path)
    ]
    documents = [each for source, file in read for each in read_file(source, file)]
    assert found.all_documents == pytest.approx(len(documents), rel=0.1)
    sampled = sum(sample.documents for sample in found.samples)
    assert sampled == pytest.approx(len(documents), rel=0.1)
