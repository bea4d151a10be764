"""Errors of raw files that a person can mend: their words stand in `source_errors.toml`."""

from endonym.disk import packaged_tables
from endonym.errors import MissingLibrary, MissingSource, SourceError, printable

WORDS = packaged_tables("endonym.formats", "source_errors.toml")


def source_error(name: str, where: object, **words: object) -> SourceError:
    """The error of this name. words: fill the blanks of its message and its advice."""
    row = WORDS[name]
    kind = MissingLibrary if row.get("is_library") else SourceError
    kind = MissingSource if row.get("is_missing") else kind
    return kind(
        row["message"].format(**words), where=printable(where), do=row["do"].format(**words)
    )
