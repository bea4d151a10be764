"""Files of prompts: one a line, in any encoding that a text of a recipe may have."""

from pathlib import Path

from endonym.data.conversation_files import places_in_words
from endonym.errors import SourceError
from endonym.formats.config import Source
from endonym.formats.document import Document, Reject
from endonym.formats.files import RawFile
from endonym.formats.reader import read_file

SUITES = {
    each.stem: each for each in sorted((Path(__file__).parent / "writing_prompts").glob("*.txt"))
}
"""Beginnings of texts of many kinds, a file for each language, by its code."""


def read_prompts(path: Path) -> list[str]:
    """The lines of a file that are not blank. Raises SourceError if it has none, or no text."""
    source = Source(name="prompts", path=str(path), format="txt", document="line")
    records = [*read_file(source, RawFile(path=path, name=path.name))]
    if rejects := [each for each in records if isinstance(each, Reject)]:
        do = "Write one prompt a line, in UTF-8."
        raise SourceError(f"no prompts: {places_in_words(rejects)}", where=path, do=do)
    return [each.text for each in records if isinstance(each, Document)]
