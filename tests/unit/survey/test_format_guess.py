"""What a raw file most likely is, and which pack of Tesseract reads its pictures."""

import tracemalloc
from collections.abc import Generator
from itertools import islice
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from fake_ocr import install, picture, remove
from made_documents import (
    docx,
    drawn_pdf,
    dump,
    epub,
    lines,
    pdf,
    warc,
    word_paragraph,
    xhtml,
    zipped,
)
from text_samples import (
    FRENCH,
    KHMER,
    PERSIAN,
    ROMANIAN,
    SHARED,
    TATAR,
    files,
    gzipped,
    numbered,
    records,
    refused,
    tar,
    write,
)

from endonym.formats.config import Source
from endonym.formats.document import Reject
from endonym.formats.pages import ocr
from endonym.formats.pages.ocr import OcrFailed
from endonym.pipeline.evaluation_texts import LOOK
from endonym.survey.format_guess import (
    Look,
    block_sizes,
    guess_source,
    head_of,
    is_even,
    is_mostly_one,
    line_guess,
    needs_ocr,
    pack_for,
    pack_of,
    page_of,
    plain_guess,
)
from endonym.survey.format_guess import divides as are_documents
from endonym.survey.survey import survey_texts

WIDE = {"document": "blank_lines", "blank_lines": 2}


def guessed(path: Path) -> dict[str, object]:
    """What a guess changes in a Source; its reason must be one sentence."""
    source, reason, _ = guess_source(path, "probe")
    assert reason
    assert "\n" not in reason
    assert source == Source.model_validate(source.model_dump())
    return source.model_dump(exclude={"name", "path"}, exclude_defaults=True)


STANZAS = "\n".join(FRENCH) + "\n\n" + "\n".join(FRENCH)
SIX = "\n".join(TATAR)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        *(("\n".join(lines * 20), {"document": "line"}) for lines in (TATAR, KHMER, ROMANIAN)),
        ("\u2029".join(TATAR * 9), {"document": "line"}),
        ("\r".join(TATAR * 9), {"document": "line"}),
        ("\n\n\n".join([STANZAS] * 8) + "\n", WIDE),  # poems keep their stanzas
        ("\n***\n".join([SIX] * 8), {"document": "blank_lines"}),
        ("\n\n***\n\n".join([SIX, *[STANZAS[:300]] * 3] * 2), {"document": "blank_lines"}),
        ("\r\n\r\n".join(["\r\n".join(TATAR)] * 8), {"document": "blank_lines"}),
        ("\n\n".join(TATAR[:3]) + "\n", {"document": "blank_lines"}),
        ("\n\n".join(TATAR[:2]) + "\n", {"document": "blank_lines"}),
        (TATAR[0] + "\n", {}),
    ],
)
def test_what_divides_plain_text_is_seen_in_its_lines(
    tmp_path: Path, text: str, keys: dict[str, object]
):
    assert guessed(write(tmp_path, "a.txt", text)) == keys
    assert guessed(write(tmp_path, "a.txt.gz", gzipped(text))) == keys


def test_a_line_that_the_look_cuts_in_two_is_no_evidence():
    for end in ("\n", "\r\n"):
        assert head_of(iter([f"Таң ата.{end}Көн туа.".encode()]), Look(n_bytes=20)) == "Таң ата.\n"
    assert head_of(iter(["Көн туа.".encode()]), Look(n_bytes=8)) == "Көн "


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
def test_blocks_that_are_even_or_many_are_documents_and_others_a_list(
    tmp_path: Path, sizes: list[int], is_source: bool, is_judge: bool
):
    path = write(tmp_path, "a.txt", blocks(sizes, KHMER))
    for look, divides in ((Look(), is_source), (LOOK, is_judge)):
        source, *_ = guess_source(path, "probe", look=look)
        assert source.document == ("blank_lines" if divides else "line")


@pytest.mark.parametrize(
    ("sizes", "keys"),
    [
        ([3, 3], WIDE),
        ([3, 2, 5], WIDE),
        ([1, 9], {"document": "blank_lines"}),  # The title of one text.
    ],
)
def test_two_empty_lines_divide_documents_of_paragraphs(
    tmp_path: Path, sizes: list[int], keys: dict[str, object]
):
    sentences = iter(ROMANIAN * 4)
    documents = ["\n\n".join(islice(sentences, size)) for size in sizes]
    assert guessed(write(tmp_path, "a.txt", "\n\n\n".join(documents) + "\n")) == keys
    # A list with its title above two empty lines is a list.
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


def test_numbered_lines_are_leipzigs_and_so_are_files_by_their_name(tmp_path: Path):
    lines = [f"{number}\t{text}" for number, text in enumerate(TATAR, 1)]
    leipzig = {"document": "line", "column": 2}
    assert guessed(write(tmp_path, "a.txt", lines)) == leipzig
    assert guessed(write(tmp_path, "tat_news_2020_1K-sentences.txt", lines)) == leipzig
    members = {"x/x-words.txt": "1\tһәм\n", "x/x-sentences.txt": "\n".join(lines)}
    path = write(tmp_path, "a.tar.gz", tar(members, "w:gz"))
    assert guessed(path) == {"member": "*-sentences.txt", **leipzig}


CSV = '"id","җөмлә","n"\n' + "".join(f'"{n}","{text}","1"\n' for n, text in enumerate(TATAR))


DIVIDED = "sep=;\nid;җөмлә\n" + "".join(f"{n};{text}, a\n" for n, text in enumerate(TATAR))


@pytest.mark.parametrize(
    ("name", "content", "keys"),
    [
        ("a.jsonl", '{"id": "1", "text": "Кояш"}\n{"id": "a long id indeed", "text": "Ай"}', {}),
        ("a.jsonl", '{"n": "a long value", "text": "Кояш"}\n' * 3 + '{"n": "none here"}\n', {}),
        ("a.jsonl", '{"n": "a long value"}\n{"n": "another", "text": "Кояш"}\n', {}),
        ("a.jsonl", '{"n": "one long value", "tt": "Кояш"}\n' + '{"tt": "Ай чыкты"}\n' * 3, "tt"),
        ("a.csv", "id, җөмлә \n1,Кояш чыкты\n", "җөмлә"),
        ("a.jsonl", '{"id": "1", "tt": "Кояш."}\nbroken\n[1]\n{"id": "2", "tt": "Ай."}', "tt"),
        ("a.jsonl", ('{"id": ' + "9" * 5_000 + ', "tt": "Кояш чыкты."}\n') * 3, "tt"),
        ("a.csv", CSV, "җөмлә"),
        ("a.zip", zipped({"../a.txt": SIX, "a.txt": "", "b.csv": CSV, "c.tsv": SIX}), "җөмлә"),
        ("a.csv", DIVIDED, "җөмлә"),
        ("a.tsv", "".join(f"{number}\t{text}\tx\n" for number, text in enumerate(TATAR)), 2),
    ],
)
def test_text_in_records_is_the_field_text_or_the_longest_one(
    tmp_path: Path, name: str, content: str | bytes, keys: str | int | dict[str, object]
):
    wanted = keys if isinstance(keys, dict) else {"column": keys}
    assert guessed(write(tmp_path, name, content)) == wanted


def test_a_question_beside_the_answer_makes_a_conversation_and_other_columns_do_not(tmp_path: Path):
    def reason(first: str) -> str:
        rows = f"{first},Answer\nCe culoare are uniforma?,Uniforma este albastră.\n"
        return guess_source(write(tmp_path, "a.csv", rows), "a")[1]

    assert 'objective = "chat"' in reason("Question")
    assert 'columns = ["id", "Answer"]' in reason("id")


def test_rows_whose_short_column_asks_are_conversations_and_addresses_do_not_ask(tmp_path: Path):
    def chat(first: str, *cells: str) -> dict[str, object] | None:
        rows = [f"{first},Răspuns", *(f"{each},{sentence}" for each in cells for sentence in TATAR)]
        return guess_source(write(tmp_path, "a.csv", "\n".join(rows)), "a")[2]

    assert chat("Întrebare", "Ce oră este?") == {}
    assert chat("Ghicitoare", "Ce oră este?", "Unde e biblioteca? Spune scurt.") == {
        "columns": ("Ghicitoare", "Răspuns")
    }
    assert chat("Αρχή", "Τι ώρα είναι;") is not None
    assert chat("adresă", "https://a.ro/index.php?id=7", "https://a.ro/?p=8&x=a;b") is None
    assert chat("titlu", "Varza; acră", "Ploaia") is None


def test_text_in_parquet_and_arrow_is_the_longest_string_column(tmp_path: Path):
    table = arrow.table({"n": [1, 2], "k": ["a", "b"], "tt": TATAR[:2]})
    path = tmp_path / "a.parquet"
    parquet.write_table(table, path)
    assert guessed(path) == {"column": "tt"}
    whole = path.read_bytes()
    damaged = write(tmp_path, "b.parquet", whole[:4] + bytes(400) + whole[404:])
    assert guess_source(damaged, "b")[1] == "not a whole parquet file"
    path = tmp_path / "data-00000-of-00001.arrow"
    with path.open("wb") as sink, arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    assert guessed(path) == {"column": "tt"}
    assert "Arrow" in guess_source(write(tmp_path, "b.arrow", b"no"), "b")[1]


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
def test_what_cannot_be_read_or_leads_nowhere_is_no_error_here(
    tmp_path: Path, name: str, content: bytes
):
    path = write(tmp_path, name, content)
    assert guessed(path) == {}
    path.unlink()
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
    even = ([4, 7], [4, 4, 4, 11], [1, 4, 4, 1])  # the last one with a title and a footer
    assert [is_even(sizes) for sizes in even] == [True] * 3
    assert [is_even(sizes) for sizes in ([4, 8], [4, 4, 4, 12], [4], [1, 4, 1])] == [False] * 4


def test_one_long_block_beside_a_few_lines_is_a_list():
    assert [is_mostly_one(sizes) for sizes in ([90, *[1] * 8], [21, 1], [61, 30])] == [True] * 3
    assert [is_mostly_one(sizes) for sizes in ([90, *[1] * 9], [20, 1], [60, 30])] == [False] * 3


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


CYRILLIC = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
ALL = CYRILLIC + "әөүҗңһ" + (CYRILLIC + "әөүҗңһ").upper()
PACKS = {"Cyrillic": (ALL, 95.0), "tat": ("abcdefgh", 99.0), "weak": (ALL, 30.0)}


@pytest.fixture
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Packs of a Tesseract that is not there."""
    install(tmp_path / "t", PACKS, monkeypatch)
    yield
    ocr.tesseract.cache_clear()


def rejects(path: Path) -> list[Reject]:
    return refused(records(path))


def pack_of_picture(folder: Path, text: str) -> tuple[str, str]:
    path = write(folder, "a.png", picture(text))
    found = rejects(path)
    assert needs_ocr(each.reason for each in found)
    return pack_for([(path, found)], "tt", "")


@pytest.mark.usefixtures("packs")
def test_a_picture_gets_the_pack_that_reads_it_and_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pack, reason = pack_of_picture(tmp_path, SIX)
    assert (pack, "Cyrillic is sure to 95%" in reason) == ("Cyrillic", True)
    pack, reason = pack_of_picture(tmp_path, "")
    assert (pack, "does not read them well" in reason) == ("", True)
    install(tmp_path / "u", {"weak": (ALL, 30.0)}, monkeypatch)
    pack, reason = pack_of_picture(tmp_path, TATAR[0])
    assert (pack, "apt-get install tesseract-ocr tesseract-ocr-script-cyrl" in reason) == ("", True)
    remove(monkeypatch)
    pack, reason = pack_of_picture(tmp_path, TATAR[0])
    assert (pack, "apt-get install tesseract-ocr" in reason) == ("", True)


@pytest.mark.parametrize(("sure", "best"), [(86.0, "fas"), (80.0, "Arabic")])
def test_the_pack_of_the_language_wins_where_it_is_about_as_good(
    sure: float, best: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    known = "".join(sorted(set("".join(PERSIAN))))
    install(tmp_path / "t", {"Arabic": (known, 87.0), "fas": (known, sure)}, monkeypatch)
    path = write(tmp_path, "a.png", picture("\n".join(PERSIAN)))
    assert pack_for([(path, rejects(path))], "fa", "\n".join(PERSIAN))[0] == best
    ocr.tesseract.cache_clear()


@pytest.mark.usefixtures("packs")
def test_a_page_of_a_pdf_is_drawn(tmp_path: Path):
    path = write(tmp_path, "a.pdf", drawn_pdf("0 0 100 100 re f"))
    data, number = page_of(path, rejects(path))
    assert isinstance(data, bytes)
    assert (data[:2], number) == (b"P5", 1)


@pytest.mark.usefixtures("packs")
def test_a_picture_in_a_zip_is_tried_and_other_pages_in_archives_say_why_not(tmp_path: Path):
    path = write(tmp_path, "a.zip", zipped({"б.png": picture(SIX)}))
    assert pack_for([(path, rejects(path))], "tt", "")[0] == "Cyrillic"
    path = write(tmp_path, "b.zip", zipped({"a.pdf": drawn_pdf("0 0 100 100 re f")}))
    with pytest.raises(OcrFailed, match="unpack the archive"):
        page_of(path, rejects(path))


@pytest.mark.usefixtures("packs")
def test_a_source_that_leaves_the_choice_gets_its_pack_once(tmp_path: Path):
    write(tmp_path, "p/a.png", picture(SIX))
    source = Source(name="p", path=str(tmp_path / "p"), ocr="auto")
    assert pack_of(source, files(source), "tt", "әөүҗңһ") == "Cyrillic"
    write(tmp_path, "q/a.pdf", pdf([lines(TATAR * 3)]))
    source = Source(name="q", path=str(tmp_path / "q"), ocr="auto")
    assert pack_of(source, files(source), "tt", "") == ""


def test_a_file_whose_encoding_its_script_tells_is_guessed_by_its_lines(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "\n".join(PERSIAN).encode("cp1256"))
    ((source, reason),) = survey_texts([tmp_path], tmp_path, language="fa").sources
    assert (source.document, "no readable text" in reason) == ("line", False)
