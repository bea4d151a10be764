"""Plain text: files, lines, blocks."""

from pathlib import Path

import pytest
from strange_files import FILES
from text_samples import FRENCH, KHMER, TATAR, kept, reasons, records, refused, tar, write

from endonym.formats.readers import plain


def test_a_file_is_one_document_with_its_empty_lines(tmp_path: Path):
    text = f"{TATAR[0]}\n\n\n{TATAR[1]}"
    (document,) = records(write(tmp_path, "әкият.txt", text + "\n"))
    assert document.text == text
    assert document.id == "әкият.txt#1"
    assert document.source == "probe"


def test_a_line_is_a_document_numbered_as_in_an_editor(tmp_path: Path):
    path = write(tmp_path, "a.txt", f"{KHMER[0]}\n\n \u200b\n{KHMER[1]}")
    found = records(path, document="line")
    assert kept(found) == KHMER[:2]
    assert [document.id for document in found] == ["a.txt#1", "a.txt#4"]


def test_one_empty_line_ends_a_block(tmp_path: Path):
    path = write(tmp_path, "a.txt", f"\n\n{TATAR[0]}\n{TATAR[1]}\n \n\n{TATAR[2]}\n\n")
    found = records(path, document="blank_lines")
    assert kept(found) == [f"{TATAR[0]}\n{TATAR[1]}", TATAR[2]]
    assert [document.id for document in found] == ["a.txt#1", "a.txt#2"]


@pytest.mark.parametrize("row", ["***", "* * *", "  ⁂", "~~~~~", "•••"])
def test_a_row_of_stars_ends_a_block_and_is_none(tmp_path: Path, row: str):
    path = write(tmp_path, "a.txt", f"{TATAR[0]}\n{row}\n{TATAR[1]}\n• {TATAR[2]}\n\n{row}\n")
    found = records(path, document="blank_lines")
    assert kept(found) == [TATAR[0], f"{TATAR[1]}\n• {TATAR[2]}"]
    (poem,) = kept(records(path, document="blank_lines", blank_lines=2))
    assert row in poem


def test_two_empty_lines_end_a_poem_and_one_its_stanza(tmp_path: Path):
    path = write(tmp_path, "a.txt", f"{FRENCH[0]}\n\n{FRENCH[1]}\n\n\n{FRENCH[2]}\n")
    found = records(path, document="blank_lines", blank_lines=2)
    assert kept(found) == [f"{FRENCH[0]}\n\n{FRENCH[1]}", FRENCH[2]]


def test_a_numbered_column_means_lines_split_at_tabs(tmp_path: Path):
    path = write(tmp_path, "a.txt", f"1\t{TATAR[0]}\n2\t{TATAR[1]}\textra\nno tab\n4\t\n")
    found = records(path, column=2)
    assert kept(found) == [*TATAR[:2], ""]
    assert reasons(found) == {"bad_row": 1}
    assert "line 3 has 1 columns, not 2" in refused(found)[0].detail


def test_a_line_that_is_no_utf8_is_refused_and_the_rest_of_the_file_kept(tmp_path: Path):
    content = TATAR[0].encode() + b"\n\xff\xfe bad\n" + TATAR[1].encode() + b"\n"
    found = records(write(tmp_path, "a.txt", content))
    assert kept(found) == [f"{TATAR[0]}\n{TATAR[1]}"]
    (refusal,) = refused(found)
    assert (refusal.reason, refusal.id, refusal.raw_bytes) == ("invalid_utf8", "a.txt#2", 6)
    assert refusal.text == "\\xff\\xfe bad"


@pytest.mark.parametrize("end", ["\v", "\f", "\x85", "\u2028", "\u2029"])
def test_unicodes_other_line_ends_end_a_line_document(tmp_path: Path, end: str):
    path = write(tmp_path, "a.txt", f"{TATAR[0]}{end}{TATAR[1]}\n{TATAR[2]}\n")
    found = records(path, document="line")
    assert kept(found) == TATAR[:3]
    assert [document.id for document in found] == ["a.txt#1.1", "a.txt#1.2", "a.txt#2"]


def test_half_a_letter_of_garbled_text_is_no_line_end(tmp_path: Path):
    garbled = "Бу халык әкиятләрен бик яхшы хәтерли.".encode().decode("latin-1")
    assert "\x85" in garbled
    (document,) = records(write(tmp_path, "a.txt", garbled + "\n"), document="line")
    assert document.text.encode("latin-1").decode() == "Бу халык әкиятләрен бик яхшы хәтерли."


@pytest.mark.parametrize("content", ["\n \n\t\n", "\u00a0\u200b\n", "\ufeff"])
def test_a_blank_file_is_refused_by_name(tmp_path: Path, content: str):
    (refusal,) = records(write(tmp_path, "a.txt", content))
    assert refusal.reason == "no_text"
    assert "no text" in refusal.detail


def test_a_large_block_is_refused_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plain, "MAX_DOCUMENT_BYTES", len(TATAR[0].encode()) + 1)
    path = write(tmp_path, "a.txt", "\n".join(TATAR) + "\n\n" + TATAR[0] + "\n")
    found = records(path, document="blank_lines")
    assert kept(found) == [TATAR[0]]
    assert reasons(found) == {"too_long": 1}
    assert '"line"' in refused(found)[0].detail


def test_a_long_file_is_put_together_from_many_parts(tmp_path: Path):
    lines = [f"{number}. {TATAR[number % 6]}" for number in range(10_000)]
    assert kept(records(write(tmp_path, "a.txt", lines))) == ["\n".join(lines)]


@pytest.mark.timeout(180)
def test_a_line_of_millions_of_inner_ends_is_read_part_by_part(tmp_path: Path):
    (document,) = records(write(tmp_path, "a.txt", FILES["line_ends.txt"]()), document="line")
    assert document.id == "a.txt#1.1000001"


NUMBERED = "".join(f"{number}\t{line}\n" for number, line in enumerate(TATAR, 7))


def test_sentences_of_leipzig_are_read_without_their_numbers_and_tables(tmp_path: Path):
    (first, *_) = found = records(write(tmp_path, "tat_mixed_2015_6-sentences.txt", NUMBERED))
    assert (kept(found), first.meta) == (TATAR, {"id": "7"})
    members = {
        "x/x-words.txt": "1\tһава\t3\n",
        "x/x-sentences.txt": NUMBERED,
        "x/x-sources.txt": "1\thttp://a\n",
        "x/x-inv_so.txt": "1\t1\n",
    }
    found = records(write(tmp_path, "tat_mixed_2015_6.tar.gz", tar(members, "w:gz")))
    assert (kept(found), reasons(found)) == (TATAR, {"unsupported_format": 3})


def test_lines_of_another_form_than_leipzigs_are_rejects(tmp_path: Path):
    text = (
        f"1\t{TATAR[0]}\r\n\r\n2\t\r\nкүк\r\n3 {TATAR[1]}\r\n4\t{TATAR[2]}\tартык\r\n5\t{TATAR[3]}"
    )
    found = records(write(tmp_path, "x-sentences.txt", text))
    assert kept(found) == [TATAR[0], TATAR[2], TATAR[3]]
    assert reasons(found) == {"bad_row": 3}
