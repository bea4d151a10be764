"""Sentences of the Leipzig corpora, known by their names."""

from pathlib import Path

from text_samples import TATAR, kept, reasons, records, tar, write

from endonym.formats.document import Document

NUMBERED = "".join(f"{number}\t{line}\n" for number, line in enumerate(TATAR, 7))


def test_sentences_are_read_without_their_numbers_and_nothing_must_be_said(tmp_path: Path):
    found = records(write(tmp_path, "tat_mixed_2015_6-sentences.txt", NUMBERED))
    assert kept(found) == TATAR
    assert isinstance(found[0], Document)
    assert found[0].meta == {"id": "7"}


def test_of_an_archive_only_the_sentences_are_read(tmp_path: Path):
    members = {
        "x/x-words.txt": "1\tһава\t3\n",
        "x/x-sentences.txt": NUMBERED,
        "x/x-sources.txt": "1\thttp://a\n",
        "x/x-inv_so.txt": "1\t1\n",
    }
    found = records(write(tmp_path, "tat_mixed_2015_6.tar.gz", tar(members, "w:gz")))
    assert kept(found) == TATAR
    assert reasons(found) == {"unsupported_format": 3}


def test_lines_of_another_form_are_rejects(tmp_path: Path):
    text = (
        f"1\t{TATAR[0]}\r\n\r\n2\t\r\nкүк\r\n3 {TATAR[1]}\r\n4\t{TATAR[2]}\tартык\r\n5\t{TATAR[3]}"
    )
    found = records(write(tmp_path, "x-sentences.txt", text))
    assert kept(found) == [TATAR[0], TATAR[2], TATAR[3]]
    assert reasons(found) == {"bad_row": 3}
