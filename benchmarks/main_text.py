"""The main text of ten web pages, marked by hand, next to trafilatura and resiliparse alone.

A page is divided into blocks by lxml, and the marks say which of them are main text: what a reader
came for, with its headings; not menus, links to other pages, tables of contents, licences of the
site. The pages lie beside the project and are not part of it, so a mark is a number of a block; it
holds for the page with this hash. Precision and recall are over words, each as often as it stands
there. Khmer is counted by its letters: trafilatura deletes the marks between its words. It is
installed into a virtual environment of its own.
"""

import hashlib
import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import regex
from benchmark import Bench
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]
from runs import peer_python

from endonym.formats.parsers.html import html_unit
from endonym.formats.parsers.http import answer

Marks = dict[str, tuple[str, list[tuple[int, int]]]]
MARKS: Marks = {
    "raw/html/fr_install_guide_ch01.html": ("c4033b4bcf20", [(1, 1), (11, 11)]),
    "raw/html/ro_install_guide_pr01.html": ("02af5bb064eb", [(1, 4)]),
    "raw/html/ro_install_guide_ch05s01.html": ("80b42c736fd9", [(2, 55)]),
    "raw/html/fr_install_guide_apbs04.html": ("a759cb2a2684", [(2, 89)]),
    "raw/html/fr_lafontaine_livre1_gutenberg.htm": ("f43467c28b42", [(1, 4), (30, 707)]),
    "raw/html/km_lohelp_hidden_text.html": ("7cb849d2f1d8", [(4, 33)]),
    "raw/html/km_lohelp_references.html": ("b23c2889fcc2", [(4, 35)]),
    "raw/warc/example-iana.org-chunked.warc": (
        "aaf8c52338ba",
        [(1, 3), (9, 10), (13, 14), (18, 19)],
    ),
    "raw/warc/example.warc": ("3587cb776ce0", [(0, 1)]),
    "parallel/udhr/tat.html": ("21bc86a2f2ec", [(0, 89)]),
}
"""For each page the hash of its bytes, and the first and last blocks of what is main text."""
NO_DOCBOOK = tuple(key for key in MARKS if "install_guide" not in key)
"""endonym leaves out DocBook's bars by name, so the other pages are a fairer test."""

BLOCKS = {
    *("p", "div", "li", "td", "th", "tr", "table", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol"),
    *(
        "dl",
        "dt",
        "dd",
        "pre",
        "br",
        "hr",
        "title",
        "header",
        "footer",
        "nav",
        "section",
        "article",
    ),
    *("form", "body", "blockquote", "option", "button", "label", "caption", "center"),
    *("address", "main", "aside", "figure", "figcaption"),
}
NO_TEXT = frozenset({"script", "style", "template", "noscript", "head"})
WORD = regex.compile(r"\p{Khmer}|[\p{L}\p{M}\p{N}--\p{Khmer}]+", regex.V1)


def scores(pages: Mapping[str, bytes], texts: Sequence[str]) -> dict[str, float]:
    """Precision, recall and F1 of the text of all pages together, and F1 of each."""
    by_page = {
        key: score(text, truth(key, page))
        for (key, page), text in zip(pages.items(), texts, strict=True)
    }
    means = [sum(figures) / len(by_page) for figures in zip(*by_page.values(), strict=True)]
    found = dict(zip(("precision", "recall", "f1"), means, strict=True))
    found |= {f"f1/{Path(key).stem}": f1 for key, (_, _, f1) in by_page.items()}
    return {key: round(value, 4) for key, value in found.items()}


def texts_by(bench: Bench, name: str, pages: Sequence[bytes]) -> list[str]:
    """The main text of pages by a program; trafilatura runs in a Python that has it."""
    extract = CONTENDERS[name]
    if extract is not None:
        return [extract(page) for page in pages]
    folder = bench.folder(f"pages for {name}")
    paths = [folder / f"{number}.html" for number in range(len(pages))]
    for path, page in zip(paths, pages, strict=True):
        path.write_bytes(page)
    worker = str(Path(__file__).with_name("main_text_worker.py"))
    command = [peer_python(bench, "trafilatura", "lxml_html_clean"), worker, name]
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        [*command, *map(str, paths)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def read(path: Path) -> bytes:
    """A page: a file, or the first answer in a web archive."""
    if path.suffix != ".warc":
        return path.read_bytes()
    import fastwarc.warc as fastwarc

    kind: Any = fastwarc.WarcRecordType.response  # pyright: ignore[reportAttributeAccessIssue]
    with path.open("rb") as file:
        record: Any = next(
            iter(fastwarc.ArchiveIterator(file, parse_http=False, record_types=kind))
        )
        return answer(record.reader.read()).body


def truth(key: str, html: bytes) -> str:
    """The main text of a page, by the marks. Raises ValueError if the page is another one."""
    digest, marks = MARKS[key]
    if digest != hashlib.sha256(html).hexdigest()[:12]:
        raise ValueError(f"{key} is not the page that was marked")
    blocks = blocks_of(html)
    return "\n".join(block for first, last in marks for block in blocks[first : last + 1])


def blocks_of(html: bytes) -> list[str]:
    """The text of a page in its blocks, which the marks count from 0."""
    lines = [""]

    def end_block() -> None:
        if lines[-1].strip():
            lines.append("")

    def walk(element: Any) -> None:
        if isinstance(element.tag, str) and element.tag not in NO_TEXT:
            if element.tag in BLOCKS:
                end_block()
            lines[-1] += element.text or ""
            for child in element:
                walk(child)
            if element.tag in BLOCKS:
                end_block()
        lines[-1] += element.tail or ""

    walk(etree.fromstring(html, etree.HTMLParser(encoding="utf-8")))
    return [" ".join(line.split()) for line in lines if line.split()]


def score(text: str, wanted: str) -> tuple[float, float, float]:
    """Precision, recall and F1 over words."""
    given, truth = Counter(WORD.findall(text)), Counter(WORD.findall(wanted))
    common = (given & truth).total()
    precision, recall = common / max(1, given.total()), common / max(1, truth.total())
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def ours(html: bytes) -> str:
    """As `endonym` reads a page."""
    return html_unit(html, {}).text


def resiliparse(html: bytes) -> str:
    """resiliparse alone, with its own settings for main text."""
    from resiliparse.extract.html2text import extract_plain_text

    return extract_plain_text(html.decode(), main_content=True)


CONTENDERS: dict[str, Callable[[bytes], str] | None] = {
    "endonym": ours,
    "resiliparse": resiliparse,
    "trafilatura": None,
    "trafilatura, favor_recall": None,
}
"""What runs here; the others run in main_text_worker.py."""
