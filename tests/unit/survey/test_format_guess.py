"""What a raw file most likely is."""

import csv
import io
import tracemalloc
from itertools import islice
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from made_documents import docx, dump, epub, lines, pdf, warc, word_paragraph, xhtml
from text_samples import FRENCH, KHMER, ROMANIAN, SHARED, TATAR, gzipped, numbered, tar, write

from endonym.formats.config import Source
from endonym.pipeline.evaluation_texts import LOOK
from endonym.survey.format_guess import (
    Look,
    block_sizes,
    guess_source,
    is_even,
    is_mostly_one,
    line_guess,
    plain_guess,
)
from endonym.survey.format_guess import divides as are_documents


def guessed(path: Path) -> dict[str, object]:
    """What a guess changes in a Source; its reason must be one sentence."""
    source, reason = guess_source(path, "probe")
    assert reason
    assert "\n" not in reason
    assert source == Source.model_validate(source.model_dump())
    return source.model_dump(exclude={"name", "path"}, exclude_defaults=True)


@pytest.mark.parametrize("lines", [TATAR, KHMER, ROMANIAN, FRENCH])
def test_sentences_one_a_line_are_lines(tmp_path: Path, lines: list[str]):
    assert guessed(write(tmp_path, "a.txt", lines * 20)) == {"document": "line"}
    path = write(tmp_path, "a.txt.gz", gzipped("\n".join(lines * 20)))
    assert guessed(path) == {"document": "line"}


def test_poems_that_end_with_two_empty_lines_keep_their_stanzas(tmp_path: Path):
    poem = "\n".join(FRENCH) + "\n\n" + "\n".join(FRENCH)
    path = write(tmp_path, "a.txt", "\n\n\n".join([poem] * 8) + "\n")
    assert guessed(path) == {"document": "blank_lines", "blank_lines": 2}


def test_paragraphs_end_with_a_row_of_stars(tmp_path: Path):
    path = write(tmp_path, "a.txt", "\n***\n".join(["\n".join(TATAR)] * 8))
    assert guessed(path) == {"document": "blank_lines"}


def test_lines_that_end_with_another_sign_of_unicode_are_lines(tmp_path: Path):
    path = write(tmp_path, "a.txt", "\u2029".join(TATAR * 9))
    assert guessed(path) == {"document": "line"}


def test_paragraphs_end_with_an_empty_line(tmp_path: Path):
    path = write(tmp_path, "a.txt", "\r\n\r\n".join(["\r\n".join(TATAR)] * 8))
    assert guessed(path) == {"document": "blank_lines"}


@pytest.mark.parametrize(("count", "keys"), [(2, True), (3, True), (1, False)])
def test_few_paragraphs_end_with_an_empty_line_too(tmp_path: Path, count: int, keys: bool):
    path = tmp_path / "хикәя.txt"
    path.write_text("\n\n".join(TATAR[:count]) + "\n", encoding="utf-8")
    assert (guessed(path).get("document") == "blank_lines") == keys


def blocks(sizes: list[int], sentences: list[str], gap: str = "\n\n") -> str:
    """Blocks of so many different lines, with a gap between them."""
    lines = (f"{n}. {sentences[n % len(sentences)]}" for n in range(sum(sizes)))
    return gap.join("\n".join(islice(lines, size)) for size in sizes) + "\n"


@pytest.mark.parametrize(
    ("sizes", "is_source", "is_judge"),
    [
        ([30, 30], False, True),  # Two documents.
        ([600, 600, 600], False, True),  # Chapters.
        ([300, 400, 700, 250, 500], False, True),
        ([1, 600, 500, 700, 1], False, True),  # They have a title and a footer.
        ([12, 78, 45, 30, 20], False, True),  # Short articles.
        ([30, 170, 60, 40, 100, 100, 140, 160, 100], False, True),  # Sections of a list.
        ([4, 4, 4, 3, 3], True, True),  # A sonnet with its title.
        ([8, 8], True, True),
        ([7_000, *[30] * 20], False, True),
        ([400, 300, 200], False, False),  # Two stray empty lines.
        ([100, 800], False, False),
        ([450, 1, 449], False, False),
        ([1, 900, 1], False, False),  # A list with a title and a footer.
        ([1, 1, 30, 1], False, False),
        ([1, 12], False, False),
        ([50_000, 20_000, 1, 3_000, 27_000], False, False),
    ],
)
@pytest.mark.parametrize("sentences", [TATAR, KHMER, ROMANIAN], ids=["tt", "km", "ro"])
def test_blocks_that_are_even_or_many_are_documents_and_others_a_list(
    tmp_path: Path, sizes: list[int], is_source: bool, is_judge: bool, sentences: list[str]
):
    path = write(tmp_path, "a.txt", blocks(sizes, sentences))
    for look, divides in ((Look(), is_source), (LOOK, is_judge)):
        source, _ = guess_source(path, "probe", look=look)
        assert source.document == ("blank_lines" if divides else "line")


@pytest.mark.parametrize(
    ("sizes", "keys"),
    [
        ([3, 3], {"document": "blank_lines", "blank_lines": 2}),
        ([3, 2, 5], {"document": "blank_lines", "blank_lines": 2}),
        ([1, 9], {"document": "blank_lines"}),  # The title of one text.
    ],
)
def test_two_empty_lines_divide_documents_of_paragraphs(
    tmp_path: Path, sizes: list[int], keys: dict[str, object]
):
    sentences = iter(ROMANIAN * 4)
    documents = ["\n\n".join(islice(sentences, size)) for size in sizes]
    assert guessed(write(tmp_path, "a.txt", "\n\n\n".join(documents) + "\n")) == keys


def test_a_list_with_its_title_above_two_empty_lines_is_a_list(tmp_path: Path):
    path = write(tmp_path, "a.txt", blocks([1, 900, 1], TATAR, gap="\n\n\n"))
    assert guessed(path) == {"document": "line"}


def test_a_text_broken_at_a_margin_is_one_document(tmp_path: Path):
    words = " ".join(numbered(200)).split()
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) > 70:
            lines.append(line)
            line = ""
        line = f"{line} {word.strip('.,')}".strip()
    assert guessed(write(tmp_path, "a.txt", lines)) == {}


def test_numbered_lines_are_leipzigs(tmp_path: Path):
    lines = [f"{number}\t{text}" for number, text in enumerate(TATAR, 1)]
    path = write(tmp_path, "a-sentences.txt", lines)
    assert guessed(path) == {"document": "line", "column": 2}
    path = write(
        tmp_path,
        "a.tar.gz",
        tar({"x/x-words.txt": "1\tһәм\n", "x/x-sentences.txt": "\n".join(lines)}, "w:gz"),
    )
    assert guessed(path) == {"member": "*-sentences.txt", "document": "line", "column": 2}


def test_text_in_json_is_the_field_text_or_the_longest_one(tmp_path: Path):
    path = write(
        tmp_path,
        "a.jsonl",
        ['{"id": "1", "text": "Кояш"}', '{"id": "a long id indeed", "text": "Ай"}'],
    )
    assert guessed(path) == {}
    path = write(
        tmp_path,
        "b.jsonl",
        ['{"id": "1", "tt": "Кояш чыкты."}', "broken", '{"id": "2", "tt": "Ай."}'],
    )
    assert guessed(path) == {"column": "tt"}


def test_text_in_a_table_is_the_longest_column(tmp_path: Path):
    buffer = io.StringIO()
    csv.writer(buffer).writerows(
        [["id", "sentence", "n"], *([str(n), text, "1"] for n, text in enumerate(TATAR))]
    )
    assert guessed(write(tmp_path, "a.csv", buffer.getvalue())) == {"column": "sentence"}
    rows = [f"{number}\t{text}\tx" for number, text in enumerate(TATAR)]
    assert guessed(write(tmp_path, "a.tsv", rows)) == {"column": 2}


def test_a_table_whose_first_line_names_its_delimiter_has_its_header_after_that(tmp_path: Path):
    rows = [f"{n};{text}, {text}" for n, text in enumerate(TATAR)]
    path = write(tmp_path, "a.csv", ["sep=;", "id;җөмлә", *rows])
    assert guessed(path) == {"column": "җөмлә"}


def test_a_number_of_many_digits_is_no_text(tmp_path: Path):
    raw = '{"id": ' + "9" * 5_000 + ', "tt": "Кояш чыкты."}'
    assert guessed(write(tmp_path, "a.jsonl", [raw] * 3)) == {"column": "tt"}


def test_text_in_parquet_is_the_longest_string_column(tmp_path: Path):
    path = tmp_path / "a.parquet"
    parquet.write_table(arrow.table({"n": [1, 2], "k": ["a", "b"], "tt": TATAR[:2]}), path)
    assert guessed(path) == {"column": "tt"}


def test_a_value_that_is_repeated_is_measured_and_not_unpacked(tmp_path: Path):
    """It would take 400 MB; nulls and bytes that are not UTF-8 do no harm."""
    long = arrow.DictionaryArray.from_arrays([0] * 4_999 + [None], ["ә" * (1 << 20)])
    raw = arrow.array([b"\xff\xfe"] * 5_000, arrow.binary())
    short = arrow.Array.from_buffers(arrow.string(), 5_000, raw.buffers())
    parquet.write_table(arrow.table({"n": short, "tt": long}), tmp_path / "a.parquet")
    tracemalloc.start()
    assert guessed(tmp_path / "a.parquet") == {"column": "tt"}
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b""),
        ("a.txt", b" \n"),
        ("a.txt", b"***\n\n* * *\n"),
        ("a.pdf", b"%PDF"),
        ("a.txt.gz", b"no"),
        ("a.zip", b"no"),
        ("a.parquet", b"no"),
    ],
)
def test_what_cannot_be_read_is_no_error_here(tmp_path: Path, name: str, content: bytes):
    assert guessed(write(tmp_path, name, content)) == {}


def test_a_link_that_leads_nowhere_is_no_error_here(tmp_path: Path):
    (tmp_path / "a.txt").symlink_to("a.txt")
    assert guessed(tmp_path / "a.txt") == {}


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data beside this project")
@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("en/aesop_fables.txt", {"document": "blank_lines", "blank_lines": 2}),
        ("fr/lafontaine_fables.txt", {"document": "blank_lines", "blank_lines": 2}),
        ("fr/baudelaire_fleurs_du_mal.txt", {"document": "blank_lines", "blank_lines": 2}),
        ("tt/common_voice_sentences.txt", {"document": "line"}),
        ("fr/common_voice_sentences.txt.gz", {"document": "line"}),
        ("km/wikipedia_paragraphs.txt", {"document": "line"}),
        ("ro/eltec_rom_novels.jsonl.zst", {}),
        ("km/libreoffice_help.jsonl.gz", {}),
    ],
)
def test_real_files_are_guessed_right(name: str, keys: dict[str, object]):
    assert guessed(SHARED / name) == keys


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pdf", pdf([lines(TATAR)])),
        ("a.html", xhtml(TATAR)),
        ("a.epub", epub({"a.xhtml": xhtml(TATAR)})),
        ("a.docx", docx(word_paragraph(TATAR[0]))),
        ("a.warc", warc([])),
        ("ttwiki-1-pages-articles.xml", dump([("Казан", "0", TATAR[0])])),
        ("a.html.gz", gzipped(xhtml(TATAR))),
    ],
)
def test_documents_divide_themselves_and_nothing_is_guessed_of_them(
    tmp_path: Path, name: str, content: str | bytes
):
    assert guessed(write(tmp_path, name, content)) == {}


def test_the_longest_column_of_an_arrow_file_is_its_text(tmp_path: Path):
    table = arrow.table({"n": ["1", "2"], "tt": TATAR[:2]})
    path = tmp_path / "data-00000-of-00001.arrow"
    with path.open("wb") as sink, arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    assert guessed(path) == {"column": "tt"}
    assert "Arrow" in guess_source(write(tmp_path, "b.arrow", b"no"), "b")[1]


def test_sentences_of_leipzig_are_known_by_their_name(tmp_path: Path):
    text = "".join(f"{n}\t{line}\n" for n, line in enumerate(TATAR, 1))
    expected = {"document": "line", "column": 2}
    assert guessed(write(tmp_path, "tat_news_2020_1K-sentences.txt", text)) == expected


@pytest.mark.parametrize(
    ("lines", "least", "sizes"),
    [
        ("аа бб", 1, [2, 2]),
        (" аа б ", 1, [2, 1, 0]),
        ("  аа  бб", 2, [2, 2]),
        ("аа б  ггг", 2, [3, 3]),
        ("а   б", 2, [1, 1]),
        ("а", 1, [1]),
    ],
)
def test_lines_of_each_block_are_counted(lines: str, least: int, sizes: list[int]):
    assert block_sizes([line != " " for line in lines], least) == sizes


def test_blocks_are_even_if_they_differ_less_than_there_are_many():
    assert [is_even(sizes) for sizes in ([4, 7], [4, 8], [4, 4, 4, 11], [4, 4, 4, 12])] == [
        True,
        False,
        True,
        False,
    ]
    assert is_even([1, 4, 4, 1])  # a title and a footer
    assert not is_even([4])
    assert not is_even([1, 4, 1])


def test_one_long_block_beside_a_few_lines_is_a_list():
    assert is_mostly_one([90, *[1] * 8])
    assert not is_mostly_one([90, *[1] * 9])
    assert not is_mostly_one([20, 1])
    assert is_mostly_one([21, 1])
    assert not is_mostly_one([60, 30])
    assert is_mostly_one([61, 30])


def test_blocks_are_documents_up_to_so_many_lines_for_each_gap():
    even = [10, 10, 10]
    assert are_documents(even, 15)
    assert not are_documents(even, 14)
    many = [3, 9, 2, 14, 3, 11]
    assert are_documents(many, 20)
    assert not are_documents([30, 2], 20)


def test_lines_are_broken_at_a_margin_if_most_are_full_and_few_end_a_sentence():
    def is_one(full: int, closed: int = 0, width: int = 60) -> bool:
        short = ["а" * (width // 2)] * (10 - full)
        lines = ["б" * width] * full + short
        lines = [line + "." * (number < closed) for number, line in enumerate(lines)]
        return line_guess(lines, 0)[0] == {"document": "file"}

    assert [is_one(full) for full in (6, 7)] == [False, True]
    assert [is_one(9, closed) for closed in (2, 3)] == [True, False]
    assert [is_one(9, 0, width) for width in (119, 120)] == [True, False]
    assert line_guess(TATAR[:1], 0)[0] == {"document": "file"}
    assert line_guess(TATAR[:2], 0)[0] == {"document": "line"}


def test_nine_of_ten_numbered_lines_are_a_list_whose_text_is_in_the_second_column():
    rows = [f"{number}\t{text}" for number, text in enumerate(numbered(9), 1)]
    assert plain_guess("\n".join([*rows, FRENCH[0]]))[0] == {"document": "line", "column": 2}
    assert "column" not in plain_guess("\n".join([*rows[:-1], *FRENCH[:2]]))[0]


def test_a_row_of_stars_between_empty_lines_is_one_border(tmp_path: Path):
    stories = ["\n".join(ROMANIAN[:3]), "\n".join(FRENCH[:3]), "\n".join(TATAR[:3])] * 2
    for border in ("\n\n***\n\n", "\n***\n"):
        assert guessed(write(tmp_path, "a.txt", border.join(stories) + "\n")) == {
            "document": "blank_lines"
        }
