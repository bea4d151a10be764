"""Books and plays are one text each: they are divided only so that something can be held out."""

from pathlib import Path

import pytest
from made_documents import docx, epub, word_paragraph, xhtml
from text_samples import TATAR, numbered, write

from endonym.formats.config import Source
from endonym.formats.files import source_files
from endonym.formats.reader import read_file
from endonym.survey.running import is_running
from endonym.survey.survey import survey_texts


def test_books_and_plays_are_read_in_parts_that_are_joined(tmp_path: Path) -> None:
    novel = [f"— {each}" if n % 3 else each for n, each in enumerate(numbered(400))]
    play = [f"{('ХӘЛИЛ', 'БӘДРИ')[n % 2]}.\n{each}" for n, each in enumerate(numbered(400, 400))]
    chapters = {f"{k}.xhtml": xhtml(numbered(100, 800 + 100 * k)) for k in range(4)}
    write(tmp_path, "роман.docx", docx("".join(map(word_paragraph, novel))))
    write(tmp_path, "китап.epub", epub(chapters))
    write(tmp_path, "пьеса.txt", "\n\n".join(play))
    write(tmp_path, "чит.txt", "\n\n".join(novel))
    texts = [each.replace(".", "") for each in numbered(800, 1_200)]
    article = [f"{one}. {other}." for one, other in zip(texts[::2], texts[1::2], strict=True)]
    scene = [f"{('ХӘЛИЛ', 'БӘДРИ')[n % 2]}. {each}" for n, each in enumerate(article)]
    scene = [line for each in scene for line in (each, "(Керә. Тирә-ягына карана.)")]
    write(tmp_path, "кыска.txt", "\n\n".join(f"{each}." for each in texts[:400]))
    write(tmp_path, "мәкалә.txt", "\n\n".join(article))
    write(tmp_path, "сәхнә.txt", "\n".join(scene))
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


def test_paragraphs_of_a_story_belong_together_and_titled_or_independent_texts_do_not() -> None:
    fables = Path(__file__).parents[2].joinpath("texts", "fables")
    texts = [path.read_text(encoding="utf-8") for path in sorted(fables.glob("*/*.txt"))]
    blocks = Source(name="a", path="b", document="blank_lines")
    assert all(is_running(blocks, text.split("\n\n")) for text in texts)
    titled = ["\n".join(filter(None, text.split("\n"))) for text in texts]
    # One text a line, each of several sentences; its title is gone.
    bare = [" ".join(text.split("\n")[1:]).replace("—", "") for text in titled]
    for independent in (titled, bare):
        assert not is_running(blocks, [text for text in independent if "é" in text])


def test_commands_that_are_repeated_are_no_speeches(tmp_path: Path) -> None:
    commands = [f"Яктыртуны {n} процентка куй" for n in range(60)] + ["Яктыны сүндер", "Кабыз"] * 30
    write(tmp_path, "a.txt", "\n".join(commands))
    ((source, _),) = survey_texts([tmp_path], tmp_path).sources
    assert source.document == "line"


def test_speakers_of_a_play_have_five_speeches_each() -> None:
    lines = Source(name="a", path="b", document="line")
    for count, is_play in ((5, True), (4, False)):
        names = ("ХӘЛИЛ", "БӘДРИ") * count
        play = [f"{name}. {said}" for name, said in zip(names, numbered(2 * count), strict=True)]
        assert is_running(lines, play) is is_play
