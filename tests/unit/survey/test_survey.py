"""A survey of raw texts: which files become sources, which are left out, and why."""

import gzip
import os
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

import pytest
from fake_ocr import install, picture, remove
from found_texts import write_found_texts
from made_documents import docx, dump, epub, lines, pdf, word_paragraph, xhtml, zipped
from progress_bars import bars_of
from text_samples import RUSSIAN, TATAR, numbered, write

from endonym.autopilot import text_size
from endonym.autopilot.text_size import measure, samples_of
from endonym.errors import MissingSource
from endonym.formats.config import Source
from endonym.formats.document import Document
from endonym.formats.files import RawSet, source_files
from endonym.formats.pages import ocr
from endonym.log import Log
from endonym.survey import look, survey
from endonym.survey.odd_sources import Odd, Sketch, odd_ones
from endonym.survey.raw_files import FEW_FILES, grouped
from endonym.survey.survey import (
    FEW_DOCUMENTS,
    ODD,
    PARAGRAPH_BYTES,
    SAMPLE_CHARS,
    SENTENCE_BYTES,
    Survey,
    is_list,
    look_through,
    survey_texts,
)


@pytest.fixture
def tatar(language_sentences: Callable[[str], list[str]]) -> list[str]:
    return language_sentences("tatar")


@pytest.fixture(autouse=True)
def no_engine() -> Generator[None]:
    """No test finds the Tesseract of another one."""
    yield
    ocr.tesseract.cache_clear()


@pytest.fixture
def texts(tmp_path: Path, tatar: list[str]) -> Path:
    return write_found_texts(tmp_path / "texts", tatar)


def test_every_readable_file_is_a_source_with_a_name_of_its_own(
    texts: Path, tmp_path: Path
) -> None:
    found = survey_texts([texts], tmp_path / "project")
    sources = {source.name: source for source, _ in found.sources}
    assert set(sources) == {"китап", "texts-китап", "web"}
    assert "../texts/old/китап.txt" in (sources["китап"].path, sources["texts-китап"].path)
    assert sources["web"].column == "текст"
    assert "Әбием мич янында" in found.sample


def test_a_folder_without_text_is_a_wrong_request_but_can_be_looked_through(
    tmp_path: Path,
) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(200))
    (tmp_path / "a.bin").write_bytes(bytes(range(256)) * 20)
    survey = look_through([tmp_path], tmp_path)
    assert (survey.sources, len(survey.skipped)) == ([], 2)
    with pytest.raises(MissingSource, match=r"that can be read\n.*a.bin: .*\n.*jpg: ") as caught:
        survey_texts([tmp_path], tmp_path)
    assert caught.value.exit_code == 2


def test_a_path_that_is_not_there_is_named_as_it_was_typed(
    texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no recipe yet, and no [[source]] to correct."""
    monkeypatch.chdir(texts.parent)
    wrong = Path(texts.name[:-1])
    with pytest.raises(MissingSource, match="there is no such file or folder") as caught:
        survey_texts([wrong], tmp_path)
    error = caught.value
    assert error.where == f"--text {wrong}"
    assert f"Did you mean {texts.name}?" in error.do
    assert "source" not in error.message + error.do


def test_a_file_whose_letters_were_lost_is_no_source_among_others_or_alone(
    texts: Path, tmp_path: Path, tatar: list[str]
) -> None:
    broken = texts / "broken.txt"
    broken.write_text("\n".join(tatar) + "\n", encoding="cp1251", errors="replace")
    for language in ("tt", "x-tatar"):
        found = survey_texts([texts], tmp_path, language=language)
        assert "broken encoding: `?` stands inside" in found.unreadable["broken.txt"]
        assert "broken" not in {source.name for source, _ in found.sources} | {
            each.source.name for each in found.left if each.source
        }
    with pytest.raises(MissingSource, match="broken encoding"):
        survey_texts([broken], tmp_path, language="tt")


def test_a_few_files_are_sources_of_their_own_and_many_of_one_kind_are_one() -> None:
    few = [Path(f"/a/{number}.txt") for number in range(FEW_FILES)]
    many = [Path(f"/b/{number}.txt.gz") for number in range(FEW_FILES + 1)]
    other = [Path("/b/1.txt"), Path("/c/1.txt.gz")]
    mixed = [other[0], *many, *few, other[1]]
    assert grouped(mixed) == [[other[0]], many, *([path] for path in few), [other[1]]]
    turns = [Path(name) for name in ("/a/1.txt", "/b/1.txt", "/a/2.txt")]
    assert grouped(turns) == [[path] for path in turns]
    assert grouped([]) == []


def documents(lengths: list[int], *, is_one_file: bool = True) -> list[Document]:
    """Documents of so many bytes, which are fewer letters, of one file or each of its own."""
    name = "a.txt#{}" if is_one_file else "{}.txt#1"
    texts = ["ә" * (length // 2) + "a" * (length % 2) for length in lengths]
    return [Document(text, name.format(number), "a") for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("document", "lengths", "is_one_file", "is_listed"),
    [
        ("line", [60, PARAGRAPH_BYTES, PARAGRAPH_BYTES + 1], True, True),
        ("line", [PARAGRAPH_BYTES + 1] * 3, True, False),
        ("line", [PARAGRAPH_BYTES, PARAGRAPH_BYTES + 2], True, False),
        ("line", [60], True, False),
        ("blank_lines", [60, 70, 80], True, False),
        ("file", [SENTENCE_BYTES] * 3, True, True),
        ("file", [SENTENCE_BYTES + 1] * 3, True, False),
        ("file", [60, 70, 80], False, False),
    ],
)
def test_a_list_is_of_lines_or_of_records_as_short_as_sentences(
    document: str, lengths: list[int], is_one_file: bool, is_listed: bool
) -> None:
    source = Source.model_validate({"name": "a", "path": "a", "document": document})
    assert is_list(source, documents(lengths, is_one_file=is_one_file)) is is_listed


def test_what_is_known_of_the_sample_is_counted_and_lists_are_named(
    tmp_path: Path, tatar: list[str]
) -> None:
    write(tmp_path, "a/list.txt", "\n".join(tatar[::2]) + "\n")
    write(tmp_path, "a/apart 1.txt", "\n\n".join(tatar[1::2]) + "\n")
    found = survey_texts([tmp_path / "a"], tmp_path)
    paths = {source.name: source.path for source, _ in found.sources}
    assert paths == {"apart_1": "a/apart 1.txt", "list": "a/list.txt"}
    assert found.joined == ["list"]
    assert found.all_documents == len(tatar)
    size = sum(len(text.encode()) for text in tatar)
    assert found.text_bytes == pytest.approx(size, rel=0.02)
    said = found.as_dict()
    assert (said["documents"], said["unreadable"]) == (len(tatar), {})
    assert (said["bytes"], said["encodings"]) == (int(found.text_bytes), {"utf-8": 2})
    found.foreign.update({".djvu": 1, "no extension": 2})
    assert found.exclude() == ["*.djvu"]


def test_many_files_of_one_kind_are_one_source_with_the_name_of_their_folder(
    tmp_path: Path, tatar: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, bars = tmp_path / "шигырьләр", bars_of(monkeypatch)
    for number in range(FEW_FILES + 1):
        write(folder, f"{number:02}.txt", tatar[number % len(tatar)] + "\n")
    found = survey_texts([folder], tmp_path / "project")
    assert bars == {"opening files": [FEW_FILES + 1, FEW_FILES + 1]}
    ((source, reason),) = found.sources
    assert (source.name, source.path) == ("шигырьләр", "../шигырьләр/*.txt")
    assert f"{FEW_FILES + 1} files" in reason
    assert found.files == found.all_documents == FEW_FILES + 1
    assert found.sample.count("\n") == FEW_FILES + 1
    assert found.joined == []


def test_a_russian_file_in_a_tatar_folder_is_named_and_no_source(
    texts: Path, tmp_path: Path
) -> None:
    (texts / "книга.txt").write_text("\n".join(RUSSIAN * 3) + "\n", encoding="utf-8")
    found = survey_texts([texts], tmp_path / "project", language="tt")
    ((kind, _, reason, _, source),) = found.left
    assert source is not None
    assert (source.name, source.path) == ("книга", "../texts/книга.txt")
    assert reason.startswith("all of it reads like Russian. A line of it")
    assert {source.name for source, _ in found.sources} == {"китап", "texts-китап", "web"}
    assert kind == ODD
    assert "костёр" not in found.sample
    said = found.as_dict()
    assert (said["files"], said["not_read"]) == (6, {})
    assert [path for path, _ in said["odd"]] == ["../texts/книга.txt"]


def test_odd_and_unreadable_files_among_many_are_excluded(tmp_path: Path, tatar: list[str]) -> None:
    folder = tmp_path / "шигырьләр"
    for number in range(FEW_FILES + 1):
        write(folder, f"{number:02}.txt", tatar[:8])
    write(folder, "рус [1].txt", RUSSIAN * 3)
    write(folder, "broken.txt", bytes(range(256)) * 4)
    write(folder, "a.bak", b"a")
    found = survey_texts([folder], tmp_path, language="tt")
    ((source, reason),) = found.sources
    assert source.exclude == ("broken.txt", "рус [[]1].txt")
    assert "excluded: 2 files" in reason
    assert len(source_files(source, tmp_path)) == FEW_FILES + 1
    assert [each.path for each in found.left] == ["шигырьләр/рус [1].txt"]
    assert found.exclude() == ["*.bak", "broken.txt", "рус [[]1].txt"]


def test_an_empty_file_does_not_leave_out_its_namesakes_in_other_folders(tmp_path: Path):
    for book in ("бер", "ике", "өч"):
        for number in (1, 2):
            page = xhtml([*TATAR[number:], *TATAR[:number], book])
            write(tmp_path, f"t/{book}/chapter{number}.html", page)
    write(tmp_path, "t/бер/chapter1.html", xhtml([]))
    found = survey_texts([tmp_path / "t"], tmp_path, language="tt")
    assert found.exclude() == ["*бер/chapter1.html"]
    ((source, _),) = found.sources
    assert source.exclude == ("/бер/chapter1.html",)
    names = [each.name for each in source_files(source, tmp_path)]
    assert len(names) == 5
    assert "бер/chapter1.html" not in names


def test_only_files_below_a_source_are_excluded_from_it(tmp_path: Path):
    for number in range(3):
        body = "".join(map(word_paragraph, [*TATAR, str(number)]))
        write(tmp_path, f"t/хатлар/{number}.docx", docx(body))
    write(tmp_path, "t/~$0.docx", bytes(162))
    write(tmp_path, "t/хатлар/иске/broken.docx", b"PK")
    ((source, reason),) = survey_texts([tmp_path / "t"], tmp_path, language="tt").sources
    assert (source.path, source.exclude) == ("t/хатлар/*.docx", ())
    assert "excluded" not in reason
    write(tmp_path, "t/хатлар/~$1.docx", bytes(162))
    ((source, reason),) = survey_texts([tmp_path / "t"], tmp_path, language="tt").sources
    assert source.exclude == ("~$1.docx",)
    assert "excluded: 1 file, the first because: a lock file of Word" in reason


def test_a_page_saved_as_a_mail_does_not_leave_out_other_pages(tmp_path: Path):
    for number in range(3):
        write(tmp_path, f"t/{number}.html", xhtml([*TATAR, str(number)]))
    write(tmp_path, "t/mail.html", "MIME-Version: 1.0\nContent-Type: multipart/related\n\nx")
    assert survey_texts([tmp_path / "t"], tmp_path, language="tt").exclude() == ["mail.html"]


def test_documents_of_files_that_are_not_read_whole_are_estimated(
    tmp_path: Path, tatar: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_size, "MOST_CHARS", SAMPLE_CHARS)
    lines = tatar * 400
    (tmp_path / "a.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert len("\n".join(lines)) > SAMPLE_CHARS
    found = survey_texts([tmp_path], tmp_path)
    assert sum(len(begin.texts) for _, begin in found.samples[0].beginnings) < len(lines)
    assert found.all_documents == pytest.approx(len(lines), rel=0.02)


def test_each_source_has_its_share_of_the_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "SAMPLE_CHARS", 2_003)
    for number in range(FEW_FILES + 4):
        name = f"{number}.txt" if number < 3 else f"җ/{number}.txt"
        write(tmp_path, name, " ".join(numbered(40, 40 * number)))
    *many, a, b, c = sorted(map(len, survey_texts([tmp_path], tmp_path).sample.split("\n")))
    assert all(2_003 / 4 <= own < 2_003 / 4 + len(many) for own in (sum(many), a, b, c))


@pytest.mark.timeout(180)
def test_pipes_are_named_and_the_rest_is_read(tmp_path: Path):
    write(tmp_path, "tatar.txt", TATAR * 9)
    write(tmp_path, "key.jsonl", '{"\\ud800": "ә ә ә ә"}\n' * 3)
    os.mkfifo(tmp_path / "pipe.txt")
    found = survey_texts([tmp_path], tmp_path)
    assert [source.path for source, _ in found.sources] == ["tatar.txt"]
    skipped = {name.rpartition("/")[2]: why for name, why in found.skipped}
    assert set(skipped) == {"pipe.txt", "key.jsonl"}
    assert found.unreadable["pipe.txt"] == "a named pipe, not a file"


def no_utf8(name: bytes) -> str:
    """A name of bytes, as Python has it."""
    return os.fsdecode(name)


@pytest.mark.parametrize(
    ("given", "project"),
    [(b".", "project"), (b".", "."), (b"d\xe9p", "."), (b"d\xe9p/\xf1.txt", ".")],
)
def test_files_whose_names_are_no_utf8_are_read_each_once(
    tmp_path: Path, tatar: list[str], given: bytes, project: str
) -> None:
    alike = [b"\xf1.txt", b"\xf2.txt", b"a.txt", b"d\xe9p/\xf1.txt", b"d\xe9p/a.txt", b"dap/a.txt"]
    for number, name in enumerate(alike):
        write(tmp_path / "t", no_utf8(name), tatar[number * 3 :][:4])
    write_poems(tmp_path / "t" / no_utf8(b"d\xe9p [old]"), tatar, no_utf8(b".\xe9p.txt"))
    (tmp_path / "t" / no_utf8(b"d\xe9p/\xf1.\xff")).write_bytes(b"\x7fELF\x02" + bytes(99))
    folder, text = tmp_path / project, tmp_path / "t" / no_utf8(given)
    found = survey_texts([text], folder, language="tt")
    for source, _ in found.sources:
        source.path.encode("utf-8")
        "".join(source.exclude).encode("utf-8")
    "".join(found.exclude()).encode("utf-8")
    read = [file.path for s, _ in found.sources for file in source_files(s, folder)]
    wanted = [path for path in [text, *text.rglob("*.txt")] if path.suffix == ".txt"]
    assert sorted(read) == sorted(wanted)


def read_files(survey: Survey, folder: Path) -> list[str]:
    """The names of all files that the sources of a survey read, with repetitions."""
    return sorted(file.path.name for s, _ in survey.sources for file in source_files(s, folder))


def write_poems(folder: Path, sentences: list[str], ending: str) -> list[str]:
    """More files of one kind than are sources of their own; their names."""
    names = [f"{number:02}{ending}" for number in range(FEW_FILES + 1)]
    for number, name in enumerate(names):
        write(folder, name, sentences[number % 9 :][:8])
    return names


def test_a_source_of_many_files_reads_them_and_no_others(tmp_path: Path, tatar: list[str]) -> None:
    folder = tmp_path / "poems [old]" / "әкият *"
    poems = write_poems(folder, tatar, ".txt.gz")
    for name in poems:
        (folder / name).write_bytes(gzip.compress((folder / name).read_bytes()))
    write(folder, "book.v2.txt", RUSSIAN * 3)
    write(folder, "русча.txt", RUSSIAN * 3)
    write(folder, "notes.jsonl", f'{{"text": "{tatar[0]}"}}\n')
    (folder / "tales.txt.gz").write_bytes(gzip.compress("\n".join(tatar).encode()))
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(200))
    found = survey_texts([folder], tmp_path / "project", language="tt")
    assert {Path(each.path).name for each in found.left} == {"book.v2.txt", "русча.txt"}
    good = sorted([*poems, "notes.jsonl", "tales.txt.gz"])
    assert read_files(found, tmp_path / "project") == good


def test_of_a_folder_only_the_given_files_are_read(tmp_path: Path, tatar: list[str]) -> None:
    poems = write_poems(tmp_path, tatar, ".poem.txt")
    write(tmp_path, "draft.txt", tatar)
    found = survey_texts([tmp_path / "*.poem.txt"], tmp_path, language="tt")
    assert read_files(found, tmp_path) == poems


def test_of_very_many_files_some_are_compared_and_each_is_judged(
    tmp_path: Path,
    language_sentences: Callable[[str], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The counts of all of them together would not fit into memory."""
    french, held = language_sentences("french"), list[int]()

    def judge(sketches: list[Sketch], language: str, others: Iterable[Sketch] = ()) -> Odd:
        held.append(len(sketches))
        return odd_ones(sketches, language, others)

    monkeypatch.setattr(survey, "odd_ones", judge)
    monkeypatch.setattr(text_size, "MOST_FILES", 7)
    names = write_poems(tmp_path, french * 2, ".txt")
    write(tmp_path, names[7], language_sentences("khmer"))
    write(tmp_path, names[8], language_sentences("tatar"))
    for language in ("fr", "x-one"):
        found = survey_texts([tmp_path], tmp_path, language=language)
        assert [Path(each.path).name for each in found.left] == names[7:9]
        assert 3 < held[-1] <= 7


def mixed(folder: Path) -> None:
    """Documents of many kinds, in folders of their own."""
    for n in range(3):
        pages = [lines(numbered(9, 40 * n + k)) for k in range(4)]
        write(folder, f"китаплар/{n}/{n}.pdf", pdf(pages))
    for n in range(25):
        write(folder, f"web/{n}.html", xhtml([f"{n}. {each}" for each in TATAR]))
    write(folder, "web/a.epub", epub({f"{k}.xhtml": xhtml(numbered(9, 900 + k)) for k in range(6)}))
    write(folder, "хат.docx", docx("".join(map(word_paragraph, numbered(12, 1_000)))))
    articles = [(f"{n}", "0", "\n".join(numbered(5, 1_100 + n))) for n in range(30)]
    write(folder, "ttwiki-1-pages-articles.xml", dump(articles))
    write(folder, "list.txt", numbered(60, 1_300))
    write(folder, "old.djvu", b"AT&TFORM")


def test_every_kind_of_document_is_one_source_wherever_its_files_lie(tmp_path: Path) -> None:
    mixed(tmp_path / "texts")
    found = survey_texts([tmp_path / "texts"], tmp_path)
    sources = {source.path: source for source, _ in found.sources}
    assert {path: source.document for path, source in sources.items()} == {
        "texts/китаплар/**/*.pdf": "file",
        "texts/web/*.html": "file",
        "texts/web/a.epub": "file",
        "texts/хат.docx": "file",
        "texts/ttwiki-1-pages-articles.xml": "file",
        "texts/list.txt": "file",
    }
    names = {"китаплар-pdf", "web-html", "a", "хат", "ttwiki-1-pages-articles", "list"}
    assert {source.name for source in sources.values()} == names
    assert found.foreign == {".djvu": 1}
    assert all(source_files(source, tmp_path) for source in sources.values())


def test_a_long_book_is_not_read_whole_and_counts_as_one_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "FEW_DOCUMENTS", 1)
    texts = [numbered(30, 30 * k) for k in range(120)]
    path = write(tmp_path, "a/book.pdf", pdf([lines(each) for each in texts]))
    for limit in ("LEAST_CHARS", "MOST_CHARS"):
        monkeypatch.setattr(text_size, limit, 8_000)
    found = survey_texts([path], tmp_path)
    size = sum(len(text.encode()) + 1 for page in texts for text in page)
    assert found.text_bytes == pytest.approx(size, rel=0.2)
    assert found.all_documents == 1


CYRILLIC = "абвгдеёжзийклмнопрстуфхцчшщъыьэюяәөүҗңһ"


def test_pictures_are_read_by_the_pack_that_reads_them_and_only_a_few_to_estimate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = "".join(sorted(set("".join(numbered(60))))) + CYRILLIC
    packs = {"Cyrillic": (letters, 95.0), "tat": ("abc", 99.0)}
    asked = install(tmp_path / "t", packs, monkeypatch)
    for n in range(30):
        write(tmp_path, f"p/{n:02}.jpg", picture("\n".join(numbered(9, 9 * n))))
    bars = bars_of(monkeypatch)
    found = survey_texts([tmp_path / "p"], tmp_path, language="tt", log=Log())
    assert (bars["trying packs of OCR"], bars["reading pictures"]) == ([3, 3], [3, 3])
    ((source, reason),) = found.sources
    assert (source.path, source.ocr, source.document) == ("p/*.jpg", ("Cyrillic",), "file")
    assert "Cyrillic is sure to 95%" in reason
    assert found.all_documents == pytest.approx(30)
    assert not found.samples[0].is_whole
    assert found.samples[0].bytes == sum(each.stat().st_size for each in tmp_path.glob("p/*"))
    assert len(asked()) < 10
    raw = RawSet(source=source, files=tuple(source_files(source, tmp_path)))
    assert measure(samples_of([raw], Log())).text_bytes == pytest.approx(found.text_bytes, rel=0.1)
    assert bars["reading pictures"] == [2, 2]
    assert measure(found.samples).text_bytes == pytest.approx(found.text_bytes, rel=0.1)


def test_pictures_without_tesseract_are_left_out_and_the_reason_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove(monkeypatch)
    write(tmp_path, "p/a.jpg", picture(TATAR[0]))
    write(tmp_path, "p/b.txt", numbered(30))
    found = survey_texts([tmp_path / "p"], tmp_path)
    # The kind is one that is read: another picture may be, so the file is left out by its name.
    assert found.exclude() == ["a.jpg"]
    assert any("apt-get install tesseract-ocr" in reason for _, reason in found.skipped)
    assert [*found.pictures] == [str(tmp_path / "p/a.jpg")]
    assert found.convertible == []
    found.libraryless["p/c.rtf"] = "c.rtf"
    assert found.exclude() == ["a.jpg", "c.rtf"]


def test_a_zip_of_pictures_does_not_leave_out_other_zips_and_few_pictures_are_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked = install(tmp_path / "t", {"tat": ("abc", 20.0)}, monkeypatch)
    write(tmp_path, "z/scans.zip", zipped({"a.png": picture("abc")}))
    write(tmp_path, "z/texts.zip", zipped({"a.txt": "\n".join(TATAR * 9)}))
    found = survey_texts([tmp_path / "z"], tmp_path, language="tt")
    assert [source.path for source, _ in found.sources] == ["z/texts.zip"]
    assert found.exclude() == ["scans.zip"]
    assert asked()
    asked = install(tmp_path / "v", {"Cyrillic": ("".join(TATAR), 95.0)}, monkeypatch)
    monkeypatch.setattr(look, "pack_for", lambda *_: ("Cyrillic", "told"))
    write(tmp_path, "p/a.txt", TATAR * 9)
    for number in range(12):
        write(tmp_path, f"p/{number:02}.png", picture(""))
    found = survey_texts([tmp_path / "p"], tmp_path, language="tt")
    assert len(asked()) <= 4
    assert sum("OCR finds no text" in why for _, why in found.skipped) >= 9


def test_few_documents_are_divided_and_as_many_as_can_be_held_out_are_not(tmp_path: Path) -> None:
    for number in range(FEW_DOCUMENTS):
        write(tmp_path, f"{number}.html", xhtml(TATAR[:2]).encode())
    whole = survey_texts([tmp_path], tmp_path)
    (tmp_path / "0.html").unlink()
    write(tmp_path, "хат.txt", TATAR[0])
    divided = survey_texts([tmp_path], tmp_path)
    usual = Source(name="a", path="b").document
    assert (whole.sources[0][0].document, whole.joined) == (usual, [])
    # Its paragraphs are documents, and are read with their neighbours.
    (source, _), *_ = divided.sources
    assert (source.document, divided.joined) == ("blank_lines", [source.name])
    assert divided.samples[0].beginnings[0][1].texts == TATAR[:2]
