"""A folder of files of every kind: `new` writes a source for each; the corpus is made of all."""

import io
import json
import tarfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_ocr
import made_documents as made
import pytest

from endonym.copies.held_out.split import SIDES
from endonym.corpus.corpus import Corpus

Say = Callable[..., Any]


@pytest.fixture
def folder(
    fables: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[str]]:
    """`texts/` with a file of each kind. Returns the texts that stand in each, by its name."""
    texts = tmp_path / "texts"
    for each in texts.iterdir():
        each.unlink()
    letters = "".join(dict.fromkeys("".join(fables)))
    fake_ocr.install(tmp_path / "ocr", {"kir": (letters, 95), "eng": ("abcdef", 90)}, monkeypatch)
    text = " ".join(" ".join(fables).split())
    sentences = [f"{each.strip()}." for each in text.split(".") if len(each) > 20]
    files = {name: sentences[place :: len(KINDS)] for place, name in enumerate(KINDS)}
    for name, given in files.items():
        (texts / name).parent.mkdir(exist_ok=True)
        (texts / name).write_bytes(KINDS[name](given))
    (texts / "notes.djvu").write_bytes(b"AT&TFORM" + bytes(40))
    return files


def as_pdf(texts: list[str]) -> bytes:
    return made.pdf([made.lines([text]) for text in texts])


def as_html(texts: list[str]) -> bytes:
    menu = "<nav><a href='/'>Баш бит</a> <a href='/b'>Элемтә</a></nav>"
    return made.xhtml(texts).replace("<body>", f"<body>{menu}<main>").encode()


def as_epub(texts: list[str]) -> bytes:
    return made.epub({f"{n}.xhtml": made.xhtml([text]) for n, text in enumerate(texts)})


def as_docx(texts: list[str]) -> bytes:
    return made.docx("".join(map(made.word_paragraph, texts)))


def as_rtf(texts: list[str]) -> bytes:
    return made.rtf("".join(rf"\pard {made.rtf_escaped(text)}\par" for text in texts))


def as_odt(texts: list[str]) -> bytes:
    return made.odt("".join(f"<text:p>{text}</text:p>" for text in texts))


def as_warc(texts: list[str]) -> bytes:
    pages = (made.http(made.xhtml([text]).encode()) for text in texts)
    return made.warc([("response", f"https://a.tt/{n}", page) for n, page in enumerate(pages)])


def as_dump(texts: list[str]) -> bytes:
    return made.dump([(f"Мәкалә {n}", "0", text) for n, text in enumerate(texts)]).encode()


def as_picture(texts: list[str]) -> bytes:
    return fake_ocr.picture("\n".join(texts))


def as_records(texts: list[str]) -> bytes:
    records = ({"url": f"https://b.tt/{n}", "text": text} for n, text in enumerate(texts))
    return "".join(json.dumps(each) + "\n" for each in records).encode()


def as_leipzig(texts: list[str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for end, rows in (("sentences", texts), ("words", ["юк", "сүз"])):
            data = "".join(f"{n}\t{row}\n" for n, row in enumerate(rows, 1)).encode()
            member = tarfile.TarInfo(f"tat_web/tat_web-{end}.txt")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


KINDS: dict[str, Callable[[list[str]], bytes]] = {
    "list.txt": lambda texts: "".join(f"{each}\n" for each in texts).encode(),
    "books/old.pdf": as_pdf,
    "books/new.epub": as_epub,
    "web/page.html": as_html,
    "web/crawl.warc": as_warc,
    "web/ttwiki-pages-articles.xml": as_dump,
    "office/letter.docx": as_docx,
    "office/story.odt": as_odt,
    "office/play.rtf": as_rtf,
    "scans/page.png": as_picture,
    "data/web.jsonl": as_records,
    "data/tat_web_2015_10K.tar.gz": as_leipzig,
}


@pytest.mark.usefixtures("no_compiler")
def test_every_kind_of_file_becomes_a_source_whose_texts_reach_the_corpus(
    folder: dict[str, list[str]], command: Say, tmp_path: Path
) -> None:
    said = command(
        *("new", tmp_path, "--language", "tt", "--text", "texts", "--hours", "0.0005"),
        *("--store", tmp_path / "store", "--json"),
    )
    assert said.code == 0, said.err
    assert said.json()["not_read"] == {".djvu": 1}
    written = tomllib.loads((tmp_path / "recipe.toml").read_text(encoding="utf-8"))
    sources = {each["path"]: each for each in written["source"]}
    assert set(sources) == {f"texts/{name}" for name in KINDS}
    assert sources["texts/scans/page.png"]["ocr"] == ["kir"]
    assert sources["texts/data/tat_web_2015_10K.tar.gz"]["member"] == "*-sentences.txt"
    assert "document" not in sources["texts/books/old.pdf"], "too short to be divided"

    assert command("check", tmp_path / "recipe.toml", "--store", tmp_path / "store").code == 0
    made_corpus = command(
        *("run", tmp_path / "recipe.toml", "--store", tmp_path / "store"),
        *("--until", "corpus", "--set", "clean.dedup=[]"),
    )
    assert made_corpus.code == 0, made_corpus.err
    (corpus,) = (each for each in (tmp_path / "store" / "corpus").iterdir() if each.is_dir())
    assert_all_there(corpus, folder)


def assert_all_there(corpus: Path, folder: dict[str, list[str]]) -> None:
    """Nine of ten sentences of each file stand in the corpus: short ones may be dropped."""
    documents = (each for side in SIDES for each in Corpus(corpus).documents(side))
    kept = " ".join(" ".join(each.text.split()) for each in documents)
    for name, sentences in folder.items():
        there = sum(each in kept for each in sentences)
        assert there >= 0.9 * len(sentences), name
