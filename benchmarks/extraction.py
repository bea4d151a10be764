"""What is read of files of every kind: how much, how well, how fast, in how much memory.

    python benchmarks/extraction.py [--data ../shared/data] [--cells files pdf ocr html isolation]

`files`: each folder of DATA/raw in a process of its own; seconds of wall clock and of processors,
and the peak memory of the reading process and of its largest worker. `pdf`: the text of the Debian
guides against the text that Debian ships, beside PDFium alone. `ocr`: the pictures against what
stands on them, by pack, and by the pack that is chosen. `html`: main_text.py. `isolation`: clean
files through a worker process and by the same parser in this one, by turns.

Error rates are edit distances of characters, divided by the length of the truth, after NFKC, with
one blank for white space of any kind, and one form of apostrophes and quotation marks. In the
guides the signs of lists, notes and rules and all tables of contents are left out; notes stand at
the foot of a page in the one, and at the end of a chapter in the other, which counts as an error.
Results are added to benchmarks/results/extraction.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import main_text
import regex
from cells import RESULTS, ROOT, Cells, busy_cores
from extraction_worker import below
from extraction_worker import processor_seconds as processor_seconds_of
from rapidfuzz.distance import Levenshtein

from endonym.formats import isolation
from endonym.formats.config import Source
from endonym.formats.document import Document
from endonym.formats.files import source_files
from endonym.formats.pages.ocr import best_pack, require_tesseract
from endonym.formats.reader import read_file
from endonym.formats.readers.scans import LEAST_CONFIDENCE

RESULT = RESULTS / "extraction.json"
FOLDERS = ("pdf", "html", "epub", "ocr", "warc", "encoding", "broken")
GUIDES = ("fr", "ro")
PACKS = {"fr": ("fra", "frm", "eng"), "tt": ("Cyrillic", "kir", "kaz", "rus", "tat")}
ROUNDS, LARGE_BYTES = 11, 6_000_000
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


def main() -> None:
    """Measure the cells asked for, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=list(CELLS))
    parser.add_argument("--results", type=Path, default=RESULT)
    asked = parser.parse_args()
    cells = Cells(asked.results)
    for name in asked.cells:
        for key, cell in CELLS[name](asked.data.absolute()).items():
            cells.keep(f"{name}/{key}", cell)
            print(f"{name}/{key}", cell, flush=True)


def files(data: Path) -> dict[str, Any]:
    """Each folder, in a process of its own."""
    found: dict[str, Any] = {}
    for folder in FOLDERS:
        worker = str(Path(__file__).with_name("extraction_worker.py"))
        command = [sys.executable, worker, str(data / "raw" / folder)]
        busy = busy_cores()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[folder] = json.loads(done.stdout.splitlines()[-1]) | {"busy_cores_before": busy}
    return found


def plain(text: str) -> str:
    """A text as it is compared."""
    text = unicodedata.normalize("NFKC", text).translate(ONE_FORM)
    return " ".join(text.replace("\u00ad", "").replace("\u200b", "").split())


def error_rate(found: str, truth: str) -> float:
    """Edits of characters, for each character of the truth."""
    return round(Levenshtein.distance(found, truth) / len(truth), 4)


def texts(path: Path, **keys: Any) -> str:
    """All text of a file."""
    source = Source(name="x", path=str(path), **keys)
    records = (
        each for file in source_files(source, path.parent) for each in read_file(source, file)
    )
    return "\n\n".join(each.text for each in records if isinstance(each, Document))


def pdf(data: Path) -> dict[str, Any]:
    """The guides: error rates of all characters, and of letters and digits alone; words found."""
    found: dict[str, Any] = {}
    for language in GUIDES:
        path = data / "raw" / "pdf" / f"debian_install_guide.{language}.pdf"
        truth = guide(path.with_suffix(".txt").read_text(encoding="utf-8"))
        for name, read in (("endonym", texts), ("pdfium", pdfium)):
            found[f"{language} {name}"] = compared(guide(read(path)), truth)
    return found


def guide(text: str) -> str:
    """A guide as it is compared: without the signs of lists, notes and rules, and the contents."""
    text = CONTENTS.sub("\n", CONTENTS_LINE.sub("", text))
    return plain(NOTE_MARK.sub("", LIST_SIGNS.sub(" ", text)))


def compared(text: str, truth: str) -> dict[str, Any]:
    """A text beside its truth."""
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


def ocr(data: Path) -> dict[str, Any]:
    """Each picture by each pack; and the pack that is chosen by the letters of other texts."""
    folder, found = data / "raw" / "ocr", dict[str, Any]()
    pictures = {"fr": sorted(folder.glob("fr17_*.jpg")), "tt": sorted(folder.glob("tt_*.jpeg"))}
    samples = {"fr": "fr/lafontaine_fables.txt", "tt": "tt/common_voice_sentences.txt"}
    for language, paths in pictures.items():
        truths = {each.stem: written(each) for each in paths}
        letters = (data / samples[language]).read_text(encoding="utf-8")[:20_000]
        chosen = best_pack(require_tesseract([]), [(each, 1) for each in paths[:3]], letters)
        for pack in dict.fromkeys((*PACKS[language], chosen.pack)):
            read = {each.stem: seen(each, pack) for each in paths}
            kept = [name for name, (_, sure) in read.items() if sure >= LEAST_CONFIDENCE]
            rates = {name: error_rate(read[name][0], truths[name]) for name in truths}
            found[f"{language} {pack}"] = {
                "chosen": pack == chosen.pack,
                "cer": pooled(rates, truths, list(truths)),
                "kept": len(kept),
                "kept_cer": pooled(rates, truths, kept),
                "pictures": rates,
            }
    return found


def seen(path: Path, pack: str) -> tuple[str, float]:
    """The text of a picture as it is compared, and how sure the pack is of it."""
    source = Source(name="x", path=str(path), ocr=(pack,), min_ocr_confidence=0.0)
    (file,) = source_files(source, path.parent)
    found = [each for each in read_file(source, file) if isinstance(each, Document)]
    sure = float(found[0].meta["confidence"]) if found else 0.0
    return modern(plain("\n".join(each.text for each in found))), sure


def written(path: Path) -> str:
    """What stands on a picture, with the hyphens at line ends joined, as we join them."""
    beside = next(each for end in (".txt", ".md") if (each := path.with_suffix(end)).is_file())
    return modern(plain(regex.sub(r"¬\s*\n", "", beside.read_text(encoding="utf-8"))))


def modern(text: str) -> str:
    """Old prints with the letters of today: packs write s for ſ (NFKC does, too)."""
    return text.replace("ſ", "s").replace("¬", "")


def pooled(rates: dict[str, float], truths: dict[str, str], names: list[str]) -> float | None:
    """The error rate of several pictures together."""
    letters = sum(len(truths[name]) for name in names)
    edits = sum(rates[name] * len(truths[name]) for name in names)
    return round(edits / letters, 4) if letters else None


def html(data: Path) -> dict[str, Any]:
    """Main text beside peers."""
    return main_text.measured(data)


def isolated(data: Path) -> dict[str, Any]:
    """The same units in this process and in a worker: medians of the rounds, and of their ratios.

    Processor time is that of both processes together.
    """
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, path in clean_files(data, Path(folder)).items():
            found[name] = by_turns(name.partition(" ")[0], path)
    return found


def by_turns(form: str, path: Path) -> dict[str, Any]:
    """One file, both ways, by turns; the first turn, in which libraries are loaded, is for free."""
    rounds: list[dict[str, float]] = []
    parser = f"endonym.formats.parsers.{form}:{form}_units"
    parse, size = resolve_name(parser), path.stat().st_size

    def here() -> int:
        return sum(1 for each in parse(str(path), 1, {}) if each is not None)

    def apart() -> int:
        return sum(
            1 for each in isolation.parsed_units(parser, path, {}, raw_bytes=size) if each.number
        )

    for _ in range(ROUNDS + 1):
        own, other = timed(here), timed(apart)
        assert own["units"] == other["units"], "both read the same"
        rounds.append({f"here_{key}": value for key, value in own.items()} | other)
    rounds = rounds[1:]
    ratios = {
        f"{what}_ratio": round(
            statistics.median(each[what] / each[f"here_{what}"] for each in rounds), 3
        )
        for what in ("seconds", "cpu_seconds")
    }
    medians = {key: round(statistics.median(each[key] for each in rounds), 3) for key in rounds[0]}
    return {"bytes": path.stat().st_size, **medians, **ratios}


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


def clean_files(data: Path, folder: Path) -> dict[str, Path]:
    """Large files without faults, made of those of the data. Returns: parser and what -> path."""
    import bz2

    raw = data / "raw"
    pages = sorted((raw / "html").glob("*.htm*"))
    large = folder / "large.html"
    book = (raw / "html" / "fr_lafontaine_livre1_gutenberg.htm").read_bytes()
    start, end = book.index(b"<p"), book.rindex(b"</body")
    large.write_bytes(book[:start] + book[start:end] * (LARGE_BYTES // len(book)) + book[end:])
    archive = folder / "pages.warc"
    with archive.open("wb") as file:
        for number in range(6 * len(pages)):
            file.write(warc_record(number, pages[number % len(pages)].read_bytes()))
    dump = bz2.decompress((raw / "broken" / "ttwiki-mini-pages-articles.xml.bz2").read_bytes())
    first, last = dump.index(b"<page>"), dump.rindex(b"</mediawiki>")
    articles = folder / "articles.xml"
    articles.write_bytes(dump[:first] + dump[first:last] * 150 + dump[last:])
    return {
        "html": large,
        "warc": archive,
        "wiki": articles,
        "pdf": raw / "pdf" / "debian_reference.fr.pdf",
    }


def warc_record(number: int, page: bytes) -> bytes:
    """A page as an archive has it."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + page
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://example.org/{number}\r\n"
        f"WARC-Date: 2026-01-02T03:04:05Z\r\nWARC-Record-ID: <urn:uuid:{number:032x}>\r\n"
        f"Content-Type: application/http\r\nContent-Length: {len(answer)}\r\n\r\n"
    )
    return head.encode() + answer + b"\r\n\r\n"


CELLS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "files": files,
    "pdf": pdf,
    "ocr": ocr,
    "html": html,
    "isolation": isolated,
}


if __name__ == "__main__":
    main()
