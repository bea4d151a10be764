"""Where texts come from on a machine that has none: by name from the network, read here."""

import gzip
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import zstandard

from endonym.formats.config import Source
from endonym.formats.document import Document
from endonym.formats.files import source_files
from endonym.formats.reader import read_file

NAMED = {
    "tt": ("leipzig:tat_mixed_2015_100K", "wikipedia:tt"),
    "km": ("wikipedia:km",),
    "ro": ("leipzig:ron_wikipedia_2021_100K",),
    "fr": ("leipzig:fra_wikipedia_2021_100K",),
    "en": ("leipzig:eng_wikipedia_2016_100K",),
}
"""Where texts of a language are fetched from if no folder is given."""
MOST_LINES = 200_000
"""Of each language, of texts that are fetched: a whole Wikipedia is read for no benchmark."""
WHERE = {
    "parallel/flores200": "FLORES-200: openlanguagedata/flores_plus on the Hugging Face hub, as "
    "JSONL with one column per language, each line a sentence",
    "parallel/tatoeba": "pairs of sentences (tatoeba.org), as JSONL with pair, src and tgt",
    "parallel/udhr": "the Universal Declaration of Human Rights (unicode.org/udhr), as HTML",
    "eval/sib200": "SIB-200: Davlan/sib200 on the Hugging Face hub, as JSONL with text and label",
    "eval/ro_sts": "RO-STS: github.com/dumitrescustefan/RO-STS, as JSONL with two sentences and "
    "a score",
    "raw/": "a folder of raw documents (Debian's installation guides, web pages, archives); the "
    "programs say which file is which",
    "": "a file of texts, one a line or as JSONL with the column text: sentences of Common Voice "
    "(commonvoice.mozilla.org), of Tatoeba (tatoeba.org), or novels of ELTeC (distantreading.net)",
}
"""What a file of the data folder is, and where it can be had, by the beginning of its name."""


def fetched(name: str, work: Path) -> Path:
    """The file of a source of the network, such as "leipzig:tat_mixed_2015_100K"; fetched once.

    Raises EndonymError if it cannot be had.
    """
    (file,) = source_files(Source(name="texts", path=name), work)
    return file.path


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a folder of texts, or of a file that was fetched."""
    return lines_of_folder(path) if path.is_dir() else lines_of_file(path)


def lines_of_folder(folder: Path) -> Iterator[str]:
    """The lines of all files of a folder, unpacked; those of texts within JSON lines."""
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        elif path.suffix == ".zst":
            data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
        for record in filter(None, data.decode("utf-8").split("\n")):
            document = json.loads(record)["text"] if ".jsonl" in path.name else record
            yield from filter(None, document.split("\n"))


def lines_of_file(path: Path) -> Iterator[str]:
    """The first lines of an archive or dump, as endonym reads it."""
    source = Source(name="texts", path=str(path))
    records = (each for file in source_files(source, path) for each in read_file(source, file))
    texts = (record.text for record in records if isinstance(record, Document))
    lines = (line for text in texts for line in text.split("\n") if line.strip())
    return itertools.islice(lines, MOST_LINES)
