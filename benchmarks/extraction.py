"""What is read of files of every kind: how much, how well, how fast, in how much memory.

`files`: each folder of raw files in a process of its own; seconds of wall clock and of processors,
and the peak memory of the reading process and of its largest worker. `pdf`: the text of the Debian
guides against the text that Debian ships, next to PDFium alone. `html`: main_text.py. `isolation`:
clean files through a worker process and by the same parser in this one, by turns.

Error rates are edit distances of characters, divided by the length of the truth, after NFKC, with
one space for white space of any kind, and one form of apostrophes and quotation marks. In the
guides the signs of lists, notes and rules and all tables of contents are left out; notes stand at
the foot of a page in the one, and at the end of a chapter in the other, which counts as an error.
"""

import bz2
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from pkgutil import resolve_name

import main_text
import regex
from benchmark import TINY_TEXTS, Bench, Benchmark, Unavailable, Watch, main
from cells import ROOT, Cell, Cells
from extraction_worker import below
from extraction_worker import processor_seconds as processor_seconds_of
from pages import markdown
from rapidfuzz.distance import Levenshtein

from endonym.formats import isolation
from endonym.formats.config import Source
from endonym.formats.document import Document
from endonym.formats.files import source_files
from endonym.formats.reader import read_file

sys.path.insert(0, str(ROOT / "tests"))
import made_documents

FOLDERS = ("pdf", "html", "epub", "ocr", "warc", "encoding", "broken")
GUIDES = {"fr": "French", "ro": "Romanian"}
ISOLATED = ("html", "warc", "wiki", "pdf")
ROUNDS, LARGE_BYTES = 7, 6_000_000
ONE_FORM = str.maketrans("’‘‛´`ʼ“”„«»", "''''''\"\"\"\"\"")
LIST_SIGNS = regex.compile(
    r"^\s*(?:[•∘◦▪*+o-]\s+|[-=_*─═━┌┐└┘├┤┬┴┼│|+ ]+$)|[│┌┐└┘├┤┬┴┼─═|]", regex.M
)
NOTE_MARK = regex.compile(r"\^?\[\d+\]")
CONTENTS_LINE = regex.compile(r"^.*(?:\. ){4,}.*$", regex.M)
CONTENTS = regex.compile(
    r"^ *(?:Table des matières|Cuprins) *\n(?:\s*\n| *(?:\d+|[A-F])\.[\d.]*\s.+\n)+", regex.M
)
"""Of the whole guide and of its chapters, which the printed one has not."""


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """Cells are named by what is measured, and of what."""
    if bench.tiny:
        return {
            "files/made": partial(files_cell, bench, "made"),
            "isolation/html": partial(isolation_cell, bench, "html"),
        }
    files = {f"files/{folder}": partial(files_cell, bench, folder) for folder in FOLDERS}
    guides = {
        f"pdf/{language} {reader}": partial(guide_cell, bench, language, reader)
        for language in GUIDES
        for reader in READERS
    }
    pages = {f"html/{name}": partial(pages_cell, bench, name) for name in main_text.CONTENDERS}
    isolated = {f"isolation/{kind}": partial(isolation_cell, bench, kind) for kind in ISOLATED}
    return files | guides | pages | isolated


def files_cell(bench: Bench, folder: str) -> Cell:
    """What is read of a folder, in a process of its own."""
    if folder == "ocr" and not shutil.which("tesseract"):
        raise Unavailable("no tesseract: install it with its pack fra (tesseract-ocr-fra)")
    path = made_files(bench) if bench.tiny else bench.file(f"raw/{folder}").resolve()
    bench.quiet(f"files/{folder}")
    worker = str(Path(__file__).with_name("extraction_worker.py"))
    done = subprocess.run(
        [sys.executable, worker, str(path)], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def made_files(bench: Bench) -> Path:
    """A folder with a small file of some kinds."""
    folder, texts = bench.folder("made files"), sentences()
    (folder / "page.html").write_text(made_page(texts), encoding="utf-8")
    (folder / "book.pdf").write_bytes(made_documents.pdf([made_documents.lines(texts)]))
    dump = made_documents.dump([("Таң", "0", "\n\n".join(texts))])
    (folder / "wiki-pages-articles.xml").write_text(dump, encoding="utf-8")
    return folder


def sentences() -> list[str]:
    """Tatar sentences of the project."""
    return (TINY_TEXTS / "tatar.txt").read_text(encoding="utf-8").splitlines()


def made_page(texts: list[str]) -> str:
    """A web page of some sentences."""
    body = "".join(f"<p>{text}</p>" for text in texts)
    return f"<html><body><main>{body}</main></body></html>"


def plain(text: str) -> str:
    """A text as it is compared."""
    text = unicodedata.normalize("NFKC", text).translate(ONE_FORM)
    return " ".join(text.replace("\u00ad", "").replace("\u200b", "").split())


def error_rate(found: str, truth: str) -> float:
    """Edits of characters, for each character of the truth."""
    return round(Levenshtein.distance(found, truth) / len(truth), 4)


def text_of(path: Path) -> str:
    """All text that endonym reads of a file."""
    source = Source(name="x", path=str(path))
    records = (
        record for file in source_files(source, path.parent) for record in read_file(source, file)
    )
    return "\n\n".join(record.text for record in records if isinstance(record, Document))


def guide_cell(bench: Bench, language: str, reader: str) -> Cell:
    """A guide: error rates of all characters, and of letters and digits alone; words found."""
    path = bench.file(f"raw/pdf/debian_install_guide.{language}.pdf").resolve()
    truth = guide(path.with_suffix(".txt").read_text(encoding="utf-8"))
    return compared(guide(READERS[reader](path)), truth)


def guide(text: str) -> str:
    """A guide as it is compared: without the signs of lists, notes and rules, and the contents."""
    text = CONTENTS.sub("\n", CONTENTS_LINE.sub("", text))
    return plain(NOTE_MARK.sub("", LIST_SIGNS.sub(" ", text)))


def compared(text: str, truth: str) -> Cell:
    """A text next to its truth."""
    words, wanted = (Counter(main_text.WORD.findall(each)) for each in (text, truth))
    common = (words & wanted).total()
    letters, true_letters = (
        "".join(sign for sign in each if sign.isalnum()) for each in (text, truth)
    )
    return {
        "characters": len(text),
        "truth": len(truth),
        "cer": error_rate(text, truth),
        "letters_cer": error_rate(letters, true_letters),
        "precision": round(common / words.total(), 4),
        "recall": round(common / wanted.total(), 4),
    }


def pdfium(path: Path) -> str:
    """The text of PDFium alone, page by page."""
    import pypdfium2

    return "\n".join(page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(path))


READERS: dict[str, Callable[[Path], str]] = {"endonym": text_of, "pdfium": pdfium}


def pages_cell(bench: Bench, name: str) -> Cell:
    """The main text of the marked pages by one program."""
    pages = {key: main_text.read(bench.file(key)) for key in main_text.MARKS}
    return main_text.scores(pages, main_text.texts_by(bench, name, list(pages.values())))


def isolation_cell(bench: Bench, kind: str) -> Cell:
    """One file, both ways, by turns: medians of the rounds, and of their ratios.

    The first turn, in which libraries are loaded, does not count. Processor time is that of both
    processes together.
    """
    path = large_file(bench, kind)
    bench.quiet(f"isolation/{kind}")
    parser = f"endonym.formats.parsers.{kind}:{kind}_units"
    parse, size = resolve_name(parser), path.stat().st_size

    def here() -> int:
        return sum(1 for unit in parse(str(path), 1, {}) if unit is not None)

    def apart() -> int:
        units = isolation.parsed_units(parser, path, {}, raw_bytes=size)
        return sum(1 for unit in units if unit.number)

    rounds: list[dict[str, float]] = []
    for _ in range(1 + (1 if bench.tiny else ROUNDS)):
        own, other = timed(here), timed(apart)
        assert own["units"] == other["units"], "both read the same"
        rounds.append({f"here_{key}": value for key, value in own.items()} | other)
    rounds = rounds[1:]
    medians = {key: round(statistics.median(one[key] for one in rounds), 3) for key in rounds[0]}
    ratios = {
        f"{what}_ratio": round(
            statistics.median(one[what] / max(1e-3, one[f"here_{what}"]) for one in rounds), 3
        )
        for what in ("seconds", "cpu_seconds")
    }
    return {"bytes": size, "rounds": len(rounds), **medians, **ratios}


def timed(read: Callable[[], int]) -> dict[str, float]:
    """Seconds of wall clock, and of processors, the workers' included."""
    wall, cpu = time.perf_counter(), processor_seconds()
    units = read()
    return {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": processor_seconds() - cpu,
        "units": units,
    }


def processor_seconds() -> float:
    """Of this process and of the workers that wait, to a hundredth."""
    return time.process_time() + sum(map(processor_seconds_of, below(os.getpid())))


def large_file(bench: Bench, kind: str) -> Path:
    """A large file of a kind without faults, made of those of the data."""
    path = bench.folder(f"isolation {kind}") / f"large.{kind}"
    if bench.tiny or not bench.has("raw"):
        write_made(path, kind, copies=2 if bench.tiny else 400)
        return path
    raw = bench.file("raw").resolve()
    if kind == "pdf":
        return raw / "pdf" / "debian_reference.fr.pdf"
    if kind == "html":
        book = (raw / "html" / "fr_lafontaine_livre1_gutenberg.htm").read_bytes()
        start, end = book.index(b"<p"), book.rindex(b"</body")
        path.write_bytes(book[:start] + book[start:end] * (LARGE_BYTES // len(book)) + book[end:])
    if kind == "warc":
        pages = [page.read_bytes() for page in sorted((raw / "html").glob("*.htm*"))]
        answers = [("response", "https://example.org/", made_documents.http(p)) for p in pages]
        path.write_bytes(made_documents.warc(6 * answers))
    if kind == "wiki":
        dump = bz2.decompress((raw / "broken/ttwiki-mini-pages-articles.xml.bz2").read_bytes())
        first, last = dump.index(b"<page>"), dump.rindex(b"</mediawiki>")
        path.write_bytes(dump[:first] + dump[first:last] * 150 + dump[last:])
    return path


def write_made(path: Path, kind: str, copies: int) -> None:
    """A file of a kind, of sentences of the project, so many times as large as a small one."""
    texts = 10 * sentences()
    page = made_page(texts).encode()
    if kind == "html":
        path.write_text(made_page(copies * texts), encoding="utf-8")
    elif kind == "warc":
        answer = ("response", "https://example.org/", made_documents.http(page))
        path.write_bytes(made_documents.warc(copies * [answer]))
    elif kind == "wiki":
        pages = [(f"Таң {number}", "0", "\n\n".join(texts)) for number in range(copies)]
        path.write_text(made_documents.dump(pages), encoding="utf-8")
    else:
        path.write_bytes(made_documents.pdf(copies * [made_documents.lines(sentences())]))


def files(cells: Cells) -> str:
    """Each folder of raw files: what was read, rejects, time and memory."""
    rows: list[list[str]] = []
    for folder in FOLDERS:
        if (cell := cells.get(f"files/{folder}")) is None:
            continue
        counts = (cell.get(name, 0) for name in ("files", "documents", "pages", "characters"))
        rows.append(
            [
                folder,
                f"{cell['bytes'] / 1e6:.1f}",
                *(f"{number:,}" for number in counts),
                f"{sum(cell['rejects'].values()):,}",
                f"{cell['seconds']:.1f}",
                f"{cell['cpu_seconds']:.1f}",
                f"{cell['own_mib']:,}",
                f"{cell['worker_mib']:,}" if cell["worker_mib"] else "–",
            ]
        )
    head = ["folder", "MB", "files", "documents", "pages", "characters", "rejects", "seconds"]
    return markdown([*head, "CPU s", "MiB, reader", "MiB, worker"], rows)


def guides(cells: Cells) -> str:
    """The text of the Debian guides against the text that Debian ships."""
    rows = [
        [
            name,
            reader,
            f"{cell['truth']:,}",
            f"{cell['characters']:,}",
            *(f"{cell[key]:.1%}" for key in ("cer", "letters_cer", "precision", "recall")),
        ]
        for language, name in GUIDES.items()
        for reader in READERS
        if (cell := cells.get(f"pdf/{language} {reader}"))
    ]
    head = ["guide", "read by", "characters", "characters read", "character errors"]
    return markdown([*head, "of letters and digits", "words: precision", "recall"], rows, labels=2)


def main_texts(cells: Cells) -> str:
    """Main text next to peers: means over the marked pages, and over those without DocBook."""
    rows: list[list[str]] = []
    for name in main_text.CONTENDERS:
        if (cell := cells.get(f"html/{name}")) is None:
            continue
        others = [cell[f"f1/{Path(key).stem}"] for key in main_text.NO_DOCBOOK]
        means = (cell["precision"], cell["recall"], cell["f1"], sum(others) / len(others))
        rows.append([name, str(len(main_text.MARKS)), *(f"{mean:.3f}" for mean in means)])
    head = ["read by", "pages", "words: precision", "recall", "F1", "F1 without DocBook's pages"]
    return markdown(head, rows)


def isolated(cells: Cells) -> str:
    """Clean files in a worker and in the same process."""
    rows = [
        [
            kind,
            f"{cell['bytes'] / 1e6:.1f}",
            f"{cell['units']:,.0f}",
            f"{cell['here_seconds']:.2f}",
            f"{cell['seconds']:.2f}",
            f"{cell['seconds_ratio'] - 1:+.1%}",
            f"{cell['cpu_seconds_ratio'] - 1:+.1%}",
        ]
        for kind in ISOLATED
        if (cell := cells.get(f"isolation/{kind}"))
    ]
    head = ["file", "MB", "units", "s, same process", "s, worker", "wall clock", "processor time"]
    return markdown(head, rows)


BENCHMARK = Benchmark(
    name="extraction",
    code=("endonym.formats",),
    cells=cells,
    tables={
        ("docs/documents.md", "extraction files"): files,
        ("docs/documents.md", "extraction guides"): guides,
        ("docs/documents.md", "extraction main text"): main_texts,
        ("docs/documents.md", "extraction isolation"): isolated,
    },
    watched={
        "characters": Watch("higher", 0.005),
        "cer": Watch("lower", 0.02),
        "f1": Watch("higher", 0.005),
        "cpu_seconds": Watch("lower", 0.3, timed=True),
        "cpu_seconds_ratio": Watch("lower", 0.1, timed=True),
    },
)

if __name__ == "__main__":
    main(BENCHMARK)
