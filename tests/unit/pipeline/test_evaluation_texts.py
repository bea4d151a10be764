"""Texts to score that are not of the corpus, and which of them a model was trained on."""

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from text_samples import KHMER, ROMANIAN, TATAR
from toys import toy_tokenizer

from endonym.copies.contamination import Contamination
from endonym.errors import RecipeError, SourceError, TokenizerError
from endonym.log import Log
from endonym.pipeline.evaluation_texts import (
    Cutting,
    documents_below,
    neighbours_of,
    texts_below,
    texts_to_keep_out,
)
from endonym.pipeline.stages import judging_texts
from endonym.tokenizer.tokenizer import Tokenizer

Captured = pytest.CaptureFixture[str]

READER = toy_tokenizer("byte")


CUT = [
    ("Бер.\nИке.\n\n\nӨч.\n \t\nДүрт.\n", ["Бер.\nИке.", "Өч.", "Дүрт."]),
    ("Бер.\nИке.\nӨч.\n", ["Бер.", "Ике.", "Өч."]),
]


@pytest.mark.parametrize(("text", "documents"), CUT)
@pytest.mark.parametrize("form", ["utf-8", "utf-16", "gzip"])
def test_a_file_is_cut_as_it_looks(tmp_path: Path, text: str, documents: list[str], form: str):
    path = tmp_path / ("тест.txt" if form != "gzip" else "тест.txt.gz")
    path.write_bytes(gzip.compress(text.encode()) if form == "gzip" else text.encode(form))
    texts = texts_below(path, READER, Log(quiet=True))
    assert [READER.decode(ids.tolist()) for ids in texts.ids] == documents
    assert list(texts.sources) == [path.name] * len(documents)


def documents_of(path: Path, text: str) -> list[str]:
    """The documents of one file that holds this text."""
    path.write_text(text, encoding="utf-8")
    return documents_below(path, Log(quiet=True))[0]


@pytest.mark.parametrize("sentences", [TATAR, KHMER, ROMANIAN], ids=["tt", "km", "ro"])
def test_empty_lines_divide_documents_however_long_these_are(tmp_path: Path, sentences: list[str]):
    """136 documents of 24 lines each were read as 3,203 lines."""
    documents = ["\n".join(f"{sentences[n % 3]} {m}" for m in range(24)) for n in range(40)]
    assert documents_of(tmp_path / "text.txt", "\n\n".join(documents) + "\n") == documents


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ([30, 30], "2 documents, which end at empty lines (blocks end with an empty line, of 30 "
         "lines each; --document line reads 60)"),
        ([40, 300, 20], "360 documents, one a line (2 empty lines; the median line has 36 "
         "characters; --document blank_lines reads 3)"),
        ([1, 1, 1], "3 documents, which end at empty lines (after every line comes an empty "
         "line)"),
        ([60], "60 documents, one a line (no empty lines between the lines; the median line has "
         "35 characters)"),
    ],
)  # fmt: skip
def test_how_a_text_is_cut_is_said(tmp_path: Path, sizes: list[int], said: str, capsys: Captured):
    lines = iter(f"№{n} {TATAR[0][:30]}." for n in range(sum(sizes)))
    parts = ["\n".join(next(lines) for _ in range(size)) for size in sizes]
    (tmp_path / "текст.txt").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    documents_below(tmp_path / "текст.txt", Log())
    assert f"текст.txt: {said}\n" in capsys.readouterr().err


def test_a_row_of_signs_divides_documents_and_is_none(tmp_path: Path) -> None:
    documents = ["\n".join(f"{each} {n}" for each in ROMANIAN) for n in range(12)]
    for row in ("\n\n* * *\n\n", "\n***\n", "\n\n---\n\n", "\n\n— — —\n\n"):
        assert documents_of(tmp_path / "text.txt", row.join(documents) + "\n") == documents


def test_a_text_without_a_letter_is_none(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "a.txt").write_text("***\n— — —\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"a\.txt: no text .* no letter and no digit"):
        documents_below(tmp_path / "a.txt", Log(quiet=True))
    (tmp_path / "b.txt").write_text("Кояш чыкты.\n", encoding="utf-8")
    assert documents_below(tmp_path, Log())[0] == ["Кояш чыкты."]
    assert "a.txt: not read: no letter and no digit" in capsys.readouterr().err


def test_empty_lines_after_the_first_megabyte_divide_documents(tmp_path: Path) -> None:
    documents = ["\n".join(ROMANIAN * size) for size in (5_200, 5_200, 5_200)]
    assert len(documents[0].encode()) > 1 << 20
    assert documents_of(tmp_path / "text.txt", "\n\n".join(documents)) == documents


def test_who_says_how_a_text_is_cut_is_followed(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "text.txt"
    path.write_text("Бер.\nИке.\n\nӨч.\nДүрт.\n", encoding="utf-8")
    lines = Cutting.of("line", None)
    assert documents_below(path, Log(), lines)[0] == ["Бер.", "Ике.", "Өч.", "Дүрт."]
    assert "4 documents, one a line (as asked)" in capsys.readouterr().err
    assert len(documents_below(path, Log(quiet=True), Cutting.of("file", None))[0]) == 1
    table = tmp_path / "text.tsv"
    table.write_text("ru\ttt\nОдин.\tБер бик озын җөмлә.\nДва.\tИке.\n", encoding="utf-8")
    for column in ("ru", "1"):
        cutting = Cutting.of(None, column)
        found = documents_below(table, Log(quiet=True), cutting)[0]
        assert [each for each in found if each != "ru"] == ["Один.", "Два."]
    plain = tmp_path / "pairs.txt"
    plain.write_bytes(b"".join(b"%s\n" % f"{line}\t{line} {line}".encode() for line in TATAR))
    for column, times in (("1", 1), ("2", 2)):
        found = documents_below(plain, Log(quiet=True), Cutting.of(None, column))[0]
        assert found == [" ".join([line] * times) for line in TATAR]
    with pytest.raises(RecipeError, match=r"^--column 0: columns are counted from 1"):
        Cutting.of(None, "0")


def test_a_way_to_cut_plain_texts_leaves_the_records_beside_them_whole(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Бер.\nИке.\n\nӨч.\n", encoding="utf-8")
    table = "id,җөмлә\n1,Кояш чыкты.\n2,Кошлар сайрый.\n"
    (tmp_path / "b.csv").write_text(table, encoding="utf-8")
    found, sources = documents_below(tmp_path, Log(quiet=True), Cutting.of("blank_lines", None))
    assert found == ["Бер.\nИке.", "Өч.", "Кояш чыкты.", "Кошлар сайрый."]
    assert sources == ["a.txt", "a.txt", "b.csv", "b.csv"]


def test_numbered_sentences_are_cut_as_someone_says_and_not_by_their_column(tmp_path: Path) -> None:
    path = tmp_path / "leipzig.txt"
    path.write_text("".join(f"{n}\t{TATAR[n % 6]}\n" for n in range(1, 31)), encoding="utf-8")
    assert documents_below(path, Log(quiet=True))[0][0] == TATAR[1], "the column is guessed"
    found, _ = documents_below(path, Log(quiet=True), Cutting.of("file", None))
    assert found == [path.read_text(encoding="utf-8").strip()]


def test_a_folder_is_told_by_its_first_ten_files(tmp_path: Path, capsys: Captured):
    (tmp_path / "01.txt").write_bytes(TATAR[0].encode())
    (tmp_path / "02.doc").write_bytes(b"{")
    documents_below(tmp_path, Log())
    assert "02.doc: not read: .doc files are not read" in capsys.readouterr().err
    for n in range(2, 13):
        (tmp_path / f"{n:02}.txt").write_bytes(f"{TATAR[0]} {n}".encode())
    documents_below(tmp_path, Log())
    said = capsys.readouterr().err
    named = [line[:2] for line in said.splitlines() if line[2:6] in (".txt", ".doc")]
    assert named == ["01", "02", "02", *(f"{n:02}" for n in range(3, 10))]
    assert "12 documents in 13 files; -v lists them all" in said


def test_a_file_of_two_thousand_bytes_counts_in_the_mean_and_a_smaller_one_does_not(tmp_path: Path):
    for name, size in (("a.txt", 2_000), ("b.txt", 1_999)):
        (tmp_path / name).write_text(("Кояш чыкты. " * 200)[: size // 2] + "." * (size % 2))
        whole = (tmp_path / name).read_bytes().decode()
        (tmp_path / name).write_bytes((whole + "." * (size - len(whole.encode()))).encode())
        assert (tmp_path / name).stat().st_size == size
    texts = texts_below(tmp_path, READER, Log(quiet=True), Cutting.of("file", None))
    assert texts.averaged == frozenset({"a.txt"})


def test_neighbours_of_a_file_are_one_group_of_about_two_thousand_bytes(tmp_path: Path) -> None:
    line, long = "Бүген һава бик матур. " * 3, "Озын. " * 400
    texts = [*[line] * 60, long, line, line]
    groups = neighbours_of(texts, ["а"] * 50 + ["б"] * 13)
    assert groups.tolist() == sorted(groups.tolist())
    sizes = [len(each.encode()) for each in texts]
    every = np.bincount(groups, weights=sizes)
    assert groups[49] != groups[50], "another file begins another group"
    assert groups[60] != groups[59]
    assert groups[61] != groups[60], "a long document is a group of its own"
    assert groups[61] == groups[62]
    assert all(2_000 <= size < 2_000 + sizes[0] for size in every[:2])
    path = tmp_path / "text.txt"
    path.write_text("".join(f"{TATAR[n % 6]} {n}\n" for n in range(300)), encoding="utf-8")
    found = texts_below(path, READER, Log(quiet=True), Cutting.of("line", None)).groups
    assert 10 < found.max() < 40


def test_a_text_that_would_lose_is_not_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "text.txt"
    path.write_text("алма", encoding="utf-8")
    monkeypatch.setattr(Tokenizer, "decode", lambda self, ids: "")
    with pytest.raises(TokenizerError, match="comes back as"):
        texts_below(path, READER, Log(quiet=True))


BAD_TEXTS = [("юк.txt", None, "no such file", 2), ("буш.txt", b" \n\n \n", "no text", 1)]


@pytest.mark.parametrize(
    ("name", "data", "message", "code"), [*BAD_TEXTS, ("a.jpg", b"\xff\xd8\xff", "no text", 1)]
)
def test_a_text_that_cannot_be_scored_is_named(
    tmp_path: Path, name: str, data: bytes | None, message: str, code: int
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError, match=message) as caught:
        texts_below(tmp_path / name, READER, Log(quiet=True))
    assert (caught.value.where, caught.value.exit_code) == (str(tmp_path / name), code)


def test_what_was_not_read_is_counted_in_words(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "a.txt").write_bytes("Кояш чыкты.\n".encode() * 20 + b"\xd3\xff\n")
    (tmp_path / "b.doc").write_bytes(b"{")
    texts_below(tmp_path, READER, Log())
    said = capsys.readouterr().err
    assert "not read: " in said
    assert "1 not UTF-8" in said
    assert "1 in a format that is not read" in said


def test_a_file_named_by_itself_is_plain_text(tmp_path: Path, capsys: Captured):
    for name in ("тест.txt.bak", "тест", "тест.md"):
        (tmp_path / name).write_text("Бер.\nИке.\nӨч.\n", encoding="utf-8")
        assert len(texts_below(tmp_path / name, READER, Log(quiet=True)).ids) == 3
    (tmp_path / "хат.doc").write_bytes(b"{")
    with pytest.raises(SourceError, match=r"хат\.doc: .*\.doc files are not read"):
        texts_below(tmp_path / "хат.doc", READER, Log())
    with pytest.raises(SourceError) as caught:
        texts_below(tmp_path, READER, Log())
    assert "format =" not in str(caught.value) + capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "expected"), [(b"", "empty file"), ("Întâlnire".encode("cp1250"), "iconv")]
)
def test_what_to_do_fits_the_reason(tmp_path: Path, data: bytes, expected: str, capsys: Captured):
    (tmp_path / "text.txt").write_bytes(data)
    with pytest.raises(SourceError) as caught:
        texts_below(tmp_path / "text.txt", READER, Log())
    said = str(caught.value)
    assert expected in said
    assert "encoding =" not in said
    assert ("UTF-8" in caught.value.do) == bool(data)
    assert capsys.readouterr().err == ""


def kept_out(path: Path, data: str | bytes) -> list[str]:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return list(texts_to_keep_out(path))


def test_every_string_of_a_task_is_kept_out_however_deep(tmp_path: Path) -> None:
    lines = [
        '{"question": "Кем?", "choices": ["Әни", {"text": "Әти"}], "answer": 1}',
        "no JSON",
        '["Кояш", null, 5]',
    ]
    expected = ["Кем?", "Әни", "Әти", "no JSON", "Кояш"]
    assert kept_out(tmp_path / "a.jsonl", "\n".join(lines)) == expected
    packed = gzip.compress("\n".join(lines).encode())
    assert kept_out(tmp_path / "b.jsonl.gz", packed) == expected
    assert kept_out(tmp_path / "c.json", '{"x": [{"y": "Бер"}, "Ике"]}') == ["Бер", "Ике"]
    deep = "[" * 100_000 + '"Бер"' + "]" * 100_000
    assert kept_out(tmp_path / "d.jsonl", f'{deep}\n{{"x": "Ике"}}')[1:] == ["Ике"]


def test_tables_are_kept_out_line_by_line_and_all_their_columns_of_strings(tmp_path: Path) -> None:
    assert kept_out(tmp_path / "a.tsv", "id\ttext\n1\tКояш чыкты\n")[1] == "1\tКояш чыкты"
    path = tmp_path / "b.parquet"
    parquet.write_table(arrow.table({"a": ["Бер", "Ике"], "n": [1, 2], "b": ["Өч", None]}), path)
    assert [text for text in texts_to_keep_out(path) if text] == ["Бер", "Ике", "Өч"]
    assert kept_out(tmp_path / "c.csv", "id,text\n1,Кояш чыкты\n")[1] == "1,Кояш чыкты"
    plain = kept_out(tmp_path / "a.txt", "Бер.\nИке.\n\nӨч.\n\nДүрт.\n")
    assert plain == ["Бер.\nИке.", "Өч.", "Дүрт."], "other texts are read as they are scored"


@pytest.mark.parametrize("name", ["a.jsonl", "a.tsv"])
def test_an_option_after_its_context_is_kept_out_and_a_short_text_is_not(
    name: str, tmp_path: Path
) -> None:
    context, option = "Балалар иртән торып, мәктәпкә ", "баралар һәм кич кайталар."
    short = "Мин китап укыйм."
    records = [{"context": context, "text": option}, {"context": "", "text": short}]
    lines = map(json.dumps, records)
    if name.endswith("tsv"):  # The columns stand apart.
        lines = ["text\tnumber\tcontext", f"{option}\t7\t{context}", f"{short}\t8\t"]
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    of_items = Contamination.of_files(judging_texts([path], [0]))
    judged = [each.text for each in of_items.judge([context + option, short, option])]
    assert judged == [None, short, option]
    assert of_items.counts[0].too_short >= 2
    others = Contamination.of_files(judging_texts([path]))
    assert next(others.judge([context + option])).text == context + option


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.parquet", "a.jpg"])
def test_a_file_without_text_is_refused(tmp_path: Path, name: str) -> None:
    (path := tmp_path / name).touch()
    below, log = documents_below, Log(quiet=True)
    for read, do in (
        (lambda: [*texts_to_keep_out(path)], "Name files with texts in [clean] decontaminate and "),
        (lambda: below(path, log), "Give a file that holds text."),
    ):
        with pytest.raises(SourceError, match="no text that can be read: empty file: ") as caught:
            read()
        assert caught.value.where == str(tmp_path / name)
        assert caught.value.do.startswith(do)


def test_other_cuts_are_named_for_plain_text(tmp_path: Path, capsys: Captured):
    plain = tmp_path / "pairs.txt"
    lines = [f"{line}\t{line}\n" for line in TATAR]
    plain.write_text("".join([*lines[:3], "\n", *lines[3:]]), encoding="utf-8")
    documents_below(plain, Log(), Cutting.of("line", None))
    documents_below(plain, Log())
    assert "--document" in capsys.readouterr().err
    documents_below(plain, Log(), Cutting.of(None, "1"))
    assert "--document" not in capsys.readouterr().err


def test_documents_without_a_letter_are_counted(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "a.txt").write_text("Кояш чыкты.\n\n— — —\n\nКош очты.\n", encoding="utf-8")
    found = documents_below(tmp_path / "a.txt", Log(), Cutting.of("blank_lines", None))[0]
    assert found == ["Кояш чыкты.", "Кош очты."]
    assert "not scored: 1 document without a letter" in capsys.readouterr().err
    (tmp_path / "b.txt").write_bytes("Ай.\n\n***\n— —\n\n".encode() + b"\xd3\xff\n")
    (tmp_path / "c.txt").write_text("Йолдыз.\n", encoding="utf-8")
    assert len(documents_below(tmp_path, Log(), Cutting.of("blank_lines", None))[0]) == 4
    assert "not scored: 2 documents without a letter" in capsys.readouterr().err
