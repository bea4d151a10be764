"""Chunks of a few texts, for tests of the steps of a corpus."""

from pathlib import Path

from endonym.corpus.chunk_steps import ChunkTask, Cleaned
from endonym.formats.chunks import CLEAN, read_chunk, write_chunk
from endonym.formats.config import Clean
from endonym.formats.document import Document, Reject


def rows_of(folder: Path, name: str, source: str = "тел") -> Cleaned:
    """A chunk without rows, of this name in the folder."""
    return Cleaned(ChunkTask(Path(), source, folder, name, Clean(), 7))


def chunk(folder: Path, number: int, texts: list[str | None], source: str = "тел") -> Path:
    """A chunk of texts, each with itself as its id; None stands for a reject."""
    rows = rows_of(folder, str(number), source)
    for text in texts:
        if text is None:
            rows.add(Reject("min_chars", "", source, "0 characters, below 5"), None, 0, 0)
        else:
            rows.add(Document(text, text, source), "{}", 0, len(text.encode()))
    rows.write()
    return folder / f"{number}.arrow"


def in_files(path: Path, of: list[int]) -> Path:
    """The same chunk with its rows in these files."""
    columns = [read_chunk(path)[name].to_pylist() for name in CLEAN.names]
    columns[CLEAN.get_field_index("file")] = of
    write_chunk(path.parent, path.name, CLEAN, columns)
    return path
