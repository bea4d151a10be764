"""What a file's name says: its format, its compression, whether it is an archive.

A new format is a name in `FORMATS` and in `Source.format` (`text/config.py`), a function in
`text/readers/`, its row in `READERS` (`text/reader.py`), and a guess of its recipe keys
(`autopilot/format_guess.py`). If it is binary, its guess is not made from text, and the size of
its text is not that of its file (`autopilot/text_size.py`): see parquet there. Reasons for rejects
stand in `text/reasons.py`.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath

import regex

from endonym.text.config import Source

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2", ".xz": "xz"}
SHORT_NAMES = {
    ".tgz": ".tar.gz",
    ".tbz2": ".tar.bz2",
    ".txz": ".tar.xz",
    ".tzst": ".tar.zst",
}
ARCHIVES = {".tar": "tar", ".zip": "zip"}
FORMATS = {
    ".txt": "txt",
    ".text": "txt",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
NOT_PLAIN = regex.compile(
    r"\.(?:pdf|epub|x?html?|xml|w?arc|docx?|odt|rtf|djvu|mobi|fb2|tex|jpe?g|png|gif|tiff?|webp|bmp|svg"
    r"|mp[34]|wav|flac|sql|db|sqlite|7z|rar|zip|tar|exe|npy|safetensors|gguf|bin|py|sh)"
)
"""Never read as text, even if the recipe names a format for the whole folder."""

LEIPZIG_TABLE = regex.compile(r"-(?:words|sources|inv_so|inv_w|co_n|co_s|meta)\.txt$|-import\.sql$")
"""The tables that lie beside the sentences in an archive of the Leipzig corpora."""


@dataclass(frozen=True, slots=True)
class FileFormat:
    """Compression, archive and format of a file, each "" if there is none."""

    compression: str
    archive: str
    format: str
    extension: str


def file_format(name: str, source: Source) -> FileFormat:
    """The format of a file by its name; by the recipe if that names a format."""
    lower = name.lower()
    for short, long in SHORT_NAMES.items():
        if lower.endswith(short):
            lower = lower.removesuffix(short) + long
    compression = COMPRESSIONS.get(PurePosixPath(lower).suffix, "")
    if compression:
        lower = lower[: lower.rindex(".")]
    extension = PurePosixPath(lower).suffix
    archive = ARCHIVES.get(extension, "")
    if archive == "zip" and compression:
        archive = ""
    format_name = FORMATS.get(extension, "")
    if source.format != "auto" and not NOT_PLAIN.fullmatch(extension):
        format_name = source.format
    if LEIPZIG_TABLE.search(lower) and extension != ".tsv":
        format_name = ""
    return FileFormat(compression, archive, format_name, extension)


def unsupported(kind: FileFormat, name: str) -> str:
    """The message about a file that cannot be read."""
    if LEIPZIG_TABLE.search(name.lower()):
        return "a table of the Leipzig corpora that holds no text"
    what = f"{kind.extension} files" if kind.extension else "files without an extension"
    known = " ".join(sorted(FORMATS))
    advice = '; if it is plain text, write format = "txt"'
    if NOT_PLAIN.fullmatch(kind.extension):
        advice = ""
    return f"{what} are not read (read are: {known}, tar and zip){advice}"
