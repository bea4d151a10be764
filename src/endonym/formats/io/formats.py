"""What a file's name says: its format, its compression, whether it is an archive.

A new format is a table of `formats.toml`, a name in `Source.format` (`formats/config.py`), a
function in `formats/readers/`, its row in `READERS` (`formats/reader.py`), and a guess of its
recipe keys (`survey/format_guess.py`). One that strangers can make dangerous has its parser in
`formats/parsers/`. Reasons for rejects stand in `formats/reasons.toml`.
"""

from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import NamedTuple

import regex

from endonym.disk import packaged_tables
from endonym.formats.config import Source

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2", ".xz": "xz"}
ARCHIVES = {".tar": "tar", ".zip": "zip"}
FORMAT_TABLES = packaged_tables("endonym.formats.io", "formats.toml")
FORMATS: dict[str, str] = {
    extension: name
    for name, row in FORMAT_TABLES.items()
    for extension in row["extensions"].split()
}
"""The format of each extension."""
BINARY = frozenset(name for name, row in FORMAT_TABLES.items() if "is_binary" in row)
"""Formats whose bytes are not text."""
PARSED = frozenset(name for name, row in FORMAT_TABLES.items() if "parser" in row)
"""Formats that a parser reads."""
JOINED = frozenset(name for name in PARSED if "is_joined" in FORMAT_TABLES[name]["parser"])
"""Of these, the formats whose parts (pages, chapters) are one document, unless it is divided."""
NAMES = packaged_tables("endonym.formats.io", "names.toml")
NO_TEXTS = packaged_tables("endonym.formats", "no_texts.toml")
NOT_PLAIN = frozenset(NAMES["not_plain"].split())
"""Extensions of files that are never read as text."""

MARKUP = {".xml": ("wiki", "html"), ".mediawiki": ("wiki",)}
"""What such a file may be, if the recipe says so."""

DUMP = regex.compile(r"-pages-[\w.-]*\.xml(?:-p\d+p\d+)?$|^[a-z_]+wik\w*-.*\.xml$")
"""How dumps of MediaWiki are called."""

CACHE_OF_DATASETS = regex.compile(r"^cache-[0-9a-f]{8,}.*\.arrow$")
"""Copies that the library datasets keeps beside the data."""

LEIPZIG_TABLE = regex.compile(r"-(?:words|sources|inv_so|inv_w|co_n|co_s|meta)\.txt$|-import\.sql$")
"""The tables that lie beside the sentences in an archive of the Leipzig corpora."""
LEIPZIG_SENTENCES = regex.compile(r"-sentences\.txt$")
"""The sentences, each with its number."""


class FileFormat(NamedTuple):
    """Compression, archive and format of a file, each "" if there is none."""

    compression: str
    archive: str
    format: str
    extension: str


def unpacked_name(name: str) -> str:
    """The name of a file without the ending of its compression."""
    for ending in COMPRESSIONS:
        name = name.removesuffix(ending)
    return name


def file_format(name: str, source: Source) -> FileFormat:
    """The format of a file by its name; by the recipe if that names a format."""
    lower = name.lower()
    for short, long in NAMES["short"].items():
        if lower.endswith(short):
            lower = lower.removesuffix(short) + long
    compression = COMPRESSIONS.get(PurePosixPath(lower).suffix, "")
    if compression:
        lower = lower[: lower.rindex(".")]
    extension = PurePosixPath(lower).suffix
    archive = "" if extension == ".zip" and compression else ARCHIVES.get(extension, "")
    return FileFormat(compression, archive, format_by(lower, extension, source), extension)


def format_by(lower: str, extension: str, source: Source) -> str:
    """The format of a file by its name without compression, in lower case; "" if it is not read."""
    name = PurePosixPath(lower).name
    if CACHE_OF_DATASETS.search(name) or LEIPZIG_TABLE.search(lower):
        return ""
    by_name = "wiki" if DUMP.search(name) else FORMATS.get(extension, "")
    if source.format == "auto":
        is_plain = source.document == "file" and source.column is None
        return "leipzig" if is_plain and LEIPZIG_SENTENCES.search(lower) else by_name
    if extension not in NOT_PLAIN or source.format in (by_name, *MARKUP.get(extension, ())):
        return source.format
    return ""


def unsupported(kind: FileFormat, name: str) -> str:
    """The message about a file that cannot be read."""
    lower = name.lower()
    if LEIPZIG_TABLE.search(lower):
        return "a table of the Leipzig corpora that holds no text"
    if CACHE_OF_DATASETS.search(PurePosixPath(lower).name):
        return "a copy that the library datasets keeps beside its data"
    what = f"{kind.extension} files" if kind.extension else "files without an extension"
    if kind.extension in FORMATS:
        return f"{what} are not of the format that the recipe names; leave `format` out"
    if kind.extension in MARKUP:
        return f'{what} are not read, unless they are dumps of a wiki: then write format = "wiki"'
    is_plain = kind.extension not in NOT_PLAIN
    advice = '; if it is plain text, write format = "txt"' if is_plain else ""
    return f"{what} are not read{advice}"


def is_savable(name: str) -> bool:
    """Whether a file of this name holds a text that is not read, and can be saved as another."""
    return PurePosixPath(name).suffix.lower() in NO_TEXTS["savable"].split()


def is_no_text(name: str) -> bool:
    """Whether a file of this name holds no text, such as Thumbs.db, a lock file or a song."""
    names, kinds = (NO_TEXTS[key].split() for key in ("names", "kinds"))
    last = PurePosixPath(name.replace("\\", "/"))
    return last.suffix.lower() in kinds or any(fnmatchcase(last.name, each) for each in names)
