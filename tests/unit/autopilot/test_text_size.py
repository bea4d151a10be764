"""How much text there is, estimated before it is read."""

import bz2
import gzip
import json
import lzma
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pytest
import zstandard
from fake_ocr import install, picture
from made_documents import lines, pdf
from pyarrow.parquet import write_table
from text_samples import PERSIAN, in_cp1256, numbered, tar, write

from endonym.autopilot import text_size
from endonym.autopilot.model_size import BYTES_PER_TOKEN
from endonym.autopilot.text_size import (
    SAMPLE_CHARS,
    Beginning,
    beginning,
    measure,
    reading_of,
    samples_of,
    try_tokenizer,
)
from endonym.cleaning import rules
from endonym.formats.config import Clean, Source, Split
from endonym.formats.document import Document
from endonym.formats.files import RawFile, RawSet, source_files
from endonym.formats.io.encoding import HEAD_BYTES
from endonym.survey.survey import survey_texts
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.train import train_tokenizer

SENTENCES = {
    "km": "សៀវភៅនេះជារបស់ខ្ញុំ ហើយខ្ញុំចូលចិត្តអានវា",
    "tt": "Бу китап минеке, мин аны укырга яратам",
    "fr": "Ce livre est à moi et j'aime le lire",
}
LINES = 3_000

Novels = Callable[[str, int], list[str]]


def raw_set(path: Path, pattern: str) -> RawSet:
    source = Source(name="texts", path=str(path / pattern), document="line")
    return RawSet(source=source, files=tuple(source_files(source, path)))


def letters(raw: list[RawSet]) -> int:
    return measure(samples_of(raw)).letters


def text_bytes(raw: list[RawSet]) -> int:
    return measure(samples_of(raw)).text_bytes


def varied(count: int) -> str:
    """Lines that compress less than one line many times."""
    return "\n".join(f"{n * 7919 % 100_003} {SENTENCES['tt']} {n}" for n in range(count))


def zipped(path: Path, text: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", text)


def parquet(path: Path, text: bytes) -> None:
    write_table(arrow.table({"text": text.decode().split("\n")}), path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.txt", lambda path, text: path.write_bytes(text)),
        ("a.txt.gz", lambda path, text: path.write_bytes(gzip.compress(text))),
        ("a.txt.zst", lambda path, text: path.write_bytes(zstandard.compress(text))),
        ("a.txt.xz", lambda path, text: path.write_bytes(lzma.compress(text))),
        ("a.zip", zipped),
        ("a.tar", lambda path, text: path.write_bytes(tar({"a.txt": text.decode()}, "w"))),
        ("a.tar.gz", lambda path, text: path.write_bytes(tar({"a.txt": text.decode()}, "w:gz"))),
        ("a.parquet", parquet),
    ],
)
def test_a_file_counts_by_the_text_that_it_holds(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    write: Callable[[Path, bytes], Any],
) -> None:
    """However well it is compressed, and whether it is read as a whole or not."""
    monkeypatch.setattr(text_size, "MOST_CHARS", text_size.LEAST_CHARS)
    for count in (2_000, 9_000):
        text = varied(count)
        write(tmp_path / name, text.encode())
        assert text_bytes([raw_set(tmp_path, name)]) == pytest.approx(len(text.encode()), rel=0.05)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.jsonl", lambda text: text),
        ("a.jsonl.gz", gzip.compress),
        ("a.jsonl.gz", lambda text: gzip.compress(text[:1_000]) + gzip.compress(text[1_000:])),
        ("a.jsonl.zst", zstandard.compress),
        ("a.jsonl.bz2", bz2.compress),
        ("a.jsonl.gz", lambda text: gzip.compress(text.decode().encode("utf-16"))),
    ],
    ids=["plain", "gzip", "two members", "zstd", "bzip2", "utf-16"],
)
def test_a_file_of_novels_counts_by_the_text_that_it_holds(
    name: str, write: Callable[[bytes], bytes], tmp_path: Path, novels: Novels
) -> None:
    """Of which the first one, as long as the others, is all that is asked for."""
    records = novels("romanian", 5)
    lines = (json.dumps({"text": each}, ensure_ascii=False) + "\n" for each in records)
    text = "".join(lines).encode()
    (tmp_path / name).write_bytes(write(text))
    raw = raw_set(tmp_path, name)
    found = beginning(raw.source, raw.files[0], 100_000)
    assert found.texts == records[:1]
    whole = sum(len(each.encode()) for each in records)
    assert found.text_bytes == pytest.approx(whole, rel=0.02)
    assert text_bytes([raw]) == pytest.approx(whole, rel=0.02)


@pytest.fixture
def novels(language_sentences: Callable[[str], list[str]]) -> Novels:
    """Texts of 300 kB, which compress as texts do and not as one sentence many times."""

    def made(language: str, count: int) -> list[str]:
        draw = random.Random(7)
        words = " ".join(language_sentences(language)).split()
        least = 300_000 // max(len(word.encode()) + 1 for word in words)
        return [" ".join(draw.choices(words, k=3 * least)) for _ in range(count)]

    return made


def test_of_a_large_compressed_file_the_beginning_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, novels: Novels
) -> None:
    monkeypatch.setattr(text_size, "LEAST_UNPACKED", 1 << 21)
    text = "\n".join(novels("french", 16)).encode()
    assert len(text) > 4 << 20
    for name, packed in (("a.txt.gz", gzip.compress), ("b.txt.zst", zstandard.compress)):
        (tmp_path / name).write_bytes(packed(text))
        raw = raw_set(tmp_path, name)
        found = beginning(raw.source, raw.files[0], 10_000)
        assert found.text_bytes == pytest.approx(len(text), rel=0.05)


def test_what_a_compressed_file_says_of_its_size_is_not_believed(
    tmp_path: Path, novels: Novels
) -> None:
    text = "\n".join(novels("romanian", 4)).encode()
    lying = gzip.compress(text)[:-4] + (0xFFFFFFF0).to_bytes(4, "little")
    (tmp_path / "a.txt.gz").write_bytes(lying)
    raw = raw_set(tmp_path, "a.txt.gz")
    found = beginning(raw.source, raw.files[0], 10_000)
    assert found.text_bytes == pytest.approx(len(text), rel=0.02)


def test_a_bomb_counts_by_no_more_than_is_read_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endonym.formats.io.streams.MIN_UNPACKED_BYTES", 1 << 20)
    line = "Таң ата. ".encode() * 10_000 + b"\n"
    for name, packed in (("a.txt.gz", gzip.compress), ("b.txt.zst", zstandard.compress)):
        (tmp_path / name).write_bytes(packed(line * 200))
        raw = raw_set(tmp_path, name)
        limit = max(1 << 20, 100 * raw.bytes())
        found = beginning(raw.source, raw.files[0], 10_000)
        assert found.text_bytes < 1.1 * limit < 0.5 * len(line * 200)
        if name == "a.txt.gz":  # zstd unpacks so much at once that nothing is left of it
            assert found.text_bytes > 0.5 * limit


def test_what_cleaning_drops_does_not_count(tmp_path: Path) -> None:
    lines = [*(f"{SENTENCES['fr']} {n}" for n in range(300)), *["Oui."] * 700]
    (tmp_path / "a.txt").write_text("\n".join(lines), encoding="utf-8")
    raw = [raw_set(tmp_path, "a.txt")]
    everything = measure(samples_of(raw))
    for clean in (Clean(min_chars=20), Clean(dedup=("exact",))):
        found = measure(samples_of(raw), clean)
        assert found.text_bytes == everything.text_bytes
        kept = sum(map(len, lines[:300])) / sum(map(len, lines))
        assert found.kept_share == pytest.approx(kept, rel=0.01)
    assert everything.kept_share == 1.0


@pytest.mark.parametrize("language", ["tatar", "khmer"])
def test_tokens_are_counted_by_trying_the_tokenizer(
    language: str, language_sentences: Callable[[str], list[str]], tmp_path: Path
) -> None:
    """As many as the tokenizer of the whole text makes of it, to a few percent."""
    lines = [f"{line} {n}" for n in range(40) for line in language_sentences(language)]
    (tmp_path / "a.txt").write_text("\n".join(lines), encoding="utf-8")
    config = TokenizerConfig(kind="bpe", vocab=500)
    made = train_tokenizer(config, lambda: iter(lines))
    size = measure(samples_of([raw_set(tmp_path, "a.txt")]))
    facts = size.facts(Split(val_share=0.1), try_tokenizer(config, size.sample).bytes_per_token)
    counted = sum(len(made.encode(line)) for line in lines)
    assert facts.unique_tokens == pytest.approx(0.9 * counted, rel=0.03)
    assert facts.mean_document_tokens == pytest.approx(counted / len(lines), rel=0.03)
    held = size.facts(Split(val_documents=80), 4.0).text_bytes
    assert held == pytest.approx(size.text_bytes * (1 - 80 / len(lines)), rel=0.03)
    assert size.facts(Split(), 4.0).dev_tokens == int(size.text_bytes * 0.03 / 4)
    held = size.facts(Split(val_share=0.5, val_bytes=400), 4.0)
    assert (held.dev_tokens, held.text_bytes) == (50, size.text_bytes - 400)
    assert size.facts(Split(val_documents=99_999), 4.0).text_bytes == size.text_bytes // 2
    assert try_tokenizer(config, []).bytes_per_token == BYTES_PER_TOKEN


@pytest.mark.parametrize("language", SENTENCES)
def test_letters_are_counted_and_not_bytes(language: str, tmp_path: Path) -> None:
    text = [SENTENCES[language]] * LINES
    escaped = "\n".join(json.dumps({"text": line}) for line in text)
    for name, written in (("a.txt", "\n".join(text)), ("a.jsonl", escaped)):
        (tmp_path / name).write_text(written, encoding="utf-8")
        found = letters([raw_set(tmp_path, name)])
        assert found == pytest.approx(len("\n".join(text)), rel=0.05)


@pytest.mark.parametrize(
    ("name", "first"),
    [("a.md", b"# Texts of a village\n"), ("a.txt", b""), ("a.txt", b"Free for all uses.\n")],
    ids=["no text", "empty", "a licence"],
)
def test_what_stands_first_in_a_folder_does_not_speak_for_it(
    name: str, first: bytes, tmp_path: Path
) -> None:
    text = "\n".join([SENTENCES["km"]] * LINES)
    (tmp_path / name).write_bytes(first)
    (tmp_path / "b.txt").write_text(text, encoding="utf-8")
    assert letters([raw_set(tmp_path, "*")]) == pytest.approx(len(text), rel=0.05)


def test_many_large_files_count_by_their_beginnings(
    tmp_path: Path, language_sentences: Callable[[str], list[str]]
) -> None:
    """Of each less is read than is looked at to find its encoding. A source has its share."""
    text = "\n".join(language_sentences("tatar") * 1_000)
    assert len(text.encode()) > HEAD_BYTES
    for number, written in enumerate([text] * 6 + [text.upper()] * 2):
        (tmp_path / f"{number}.txt").write_text(written, encoding="utf-8")
    raw = [raw_set(tmp_path, pattern) for pattern in ("[0-5].txt", "[67].txt")]
    found = measure(samples_of(raw))
    assert found.text_bytes == pytest.approx(8 * len(text.encode()), rel=0.02)
    assert found.letters == pytest.approx(8 * len(text), rel=0.03)
    of_each = [sum(len(line) for line in found.sample if line.isupper() == up) for up in (0, 1)]
    assert of_each == pytest.approx([SAMPLE_CHARS * 3 / 4, SAMPLE_CHARS / 4], rel=0.01)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "cp1251"])
@pytest.mark.parametrize("chars", [3_000, 400_000])
def test_the_beginning_of_a_file_shows_the_size_of_all_of_it(
    tmp_path: Path, encoding: str, chars: int
) -> None:
    text = "\n".join(f"{n * 7919 % 100_003} Утром мы пошли в лес на {n}" for n in range(20_000))
    (tmp_path / "a.txt").write_text(text, encoding=encoding)
    raw = raw_set(tmp_path, "a.txt")
    source = raw.source.model_copy(update={"encoding": encoding})
    found = beginning(source, raw.files[0], chars)
    assert sum(map(len, found.texts)) < chars + 100
    assert found.text_bytes == pytest.approx(len(text.encode()), rel=0.03)


def test_a_text_counts_where_only_its_script_makes_its_encoding_certain(tmp_path: Path) -> None:
    data = in_cp1256("\n".join(PERSIAN * 8))
    (tmp_path / "a.txt").write_bytes(data)
    raw = raw_set(tmp_path, "a.txt")
    found = beginning(raw.source.in_script("arabic"), raw.files[0], 200)
    assert 0 < found.share < 0.2
    assert found.text_bytes == pytest.approx(len(data.decode("cp1256").encode()), rel=0.05)


def test_of_a_table_with_little_text_no_more_is_read(tmp_path: Path) -> None:
    row = json.dumps({"text": "Oui.", "page": "x" * 4_000}) + "\n"
    (tmp_path / "a.jsonl").write_text(row * 400)
    raw = raw_set(tmp_path, "a.jsonl")
    found = beginning(raw.source, raw.files[0], 20_000)
    assert len(found.records) == 20
    assert found.text_bytes == pytest.approx(4 * 400, rel=0.01)


@pytest.mark.parametrize("files", [2, 1])
def test_what_cannot_be_read_is_estimated_of_the_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    """Every tenth line of this file is no UTF-8; a half of it is read, or all."""
    good = f"{SENTENCES['tt']}\n".encode()
    bad = b"\xff" * (len(good) - 1) + b"\n"
    (tmp_path / "a.txt").write_bytes((9 * good + bad) * 2_000)
    raw = raw_set(tmp_path, "a.txt")
    source = raw.source.model_copy(update={"encoding": "utf-8"})
    found = beginning(source, raw.files[0], 10_000)
    assert found.share < 0.02
    monkeypatch.setattr(text_size, "MOST_READ", raw.bytes() + 1)
    reading = reading_of(source, raw.files[0], found, files)
    assert reading.records == pytest.approx(20_000, rel=0.05)
    assert reading.bytes == pytest.approx(raw.bytes(), rel=0.05)
    assert reading.bad_records == pytest.approx(2_000, rel=0.05)
    assert reading.share == pytest.approx(0.1, rel=0.05)


def books(folder: Path, count: int, **keys: Any) -> RawSet:
    """PDF files of eight pages each."""
    for number in range(count):
        pages = [lines([f"{SENTENCES['fr']} {number} {page}"] * 9) for page in range(8)]
        (folder / f"{number}.pdf").write_bytes(pdf(pages))
    source = Source(name="books", path=str(folder / "*.pdf"), **keys)
    return RawSet(source=source, files=tuple(source_files(source, folder)))


@pytest.mark.parametrize("most", [1 << 17, 2_000])
def test_a_book_is_one_document_however_much_of_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(text_size, "LEAST_CHARS", most)
    monkeypatch.setattr(text_size, "MOST_CHARS", most)
    monkeypatch.setattr(text_size, "LEAST_FILE_CHARS", 500)
    (sample,) = samples_of([books(tmp_path, 3)])
    assert all((begin.share < 0.5) is (most < 9_000) for _, begin in sample.beginnings)
    kept, document = measure([sample]).sources["books"]
    assert kept == pytest.approx(3 * 8 * 9 * len(SENTENCES["fr"].encode()), rel=0.25)
    assert document == pytest.approx(kept / 3, rel=0.25)


def test_of_pictures_two_are_read_and_of_files_with_text_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = SENTENCES["fr"]
    asked = install(tmp_path / "t", {"Latin": (sentence, 95.0)}, monkeypatch)
    books(tmp_path, 3)
    for number in range(6):
        scan = picture("\n".join([sentence] * 9)) + bytes(40_000)
        (tmp_path / f"{number}.jpg").write_bytes(scan)
    source = Source(name="books", path=str(tmp_path / "*.*"), ocr=("Latin",), document="part")
    raw = [RawSet(source=source, files=tuple(source_files(source, tmp_path)))]
    size = (3 * 8 + 6) * 9 * len(sentence.encode())
    assert measure(samples_of(raw)).text_bytes == pytest.approx(size, rel=0.2)
    assert len(asked()) == 2


def test_a_book_is_not_parsed_again_to_count_what_cannot_be_read(tmp_path: Path) -> None:
    source, file = Source(name="a", path="a.pdf"), RawFile(path=tmp_path / "a.pdf", name="a.pdf")
    begun = Beginning([Document(SENTENCES["tt"], "a.pdf#1", "a")], share=0.5)
    reading = reading_of(source, file, begun, 1)
    assert (reading.records, reading.share) == (2, 0)
    assert reading.bytes == 2 * len(SENTENCES["tt"].encode())


def test_faults_of_our_code_in_the_sample_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(text: str) -> Any:
        raise ZeroDivisionError("no words")

    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(f"{SENTENCES['tt']}\n" * 50, encoding="utf-8")
    monkeypatch.setitem(rules.STEPS, "spaces", lambda clean: failing)
    raw = [raw_set(tmp_path, "a.txt"), raw_set(tmp_path, "b.txt")]
    faults = measure(samples_of(raw), Clean(normalize=("spaces",))).faults
    assert {each.split("#")[0] for each in faults} == {"a.txt", "b.txt"}
    assert all("ZeroDivisionError at " in each for each in faults)


def test_of_a_file_the_beginning_is_read_and_of_many_less_of_each_and_none_has_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, chars in (("MOST_CHARS", 6_000), ("LEAST_CHARS", 500), ("LEAST_FILE_CHARS", 500)):
        monkeypatch.setattr(text_size, key, chars)
    for name in "абвг":
        write(tmp_path, f"{name}.txt", [f"{text}." for text in numbered(400)])
    one = sum(map(len, survey_texts([tmp_path / "а.txt"], tmp_path).texts))
    assert 5_000 < one < 40_000
    assert sum(map(len, survey_texts([tmp_path], tmp_path).texts)) < 1.6 * one
    write(tmp_path, "д.txt", "\n \n\n")
    assert "text" in dict(survey_texts([tmp_path], tmp_path).skipped)[str(tmp_path / "д.txt")]
