"""Errors of raw files that a person can mend: their words stand in `source_errors.toml`."""

from endonym.disk import packaged_tables
from endonym.errors import MissingSource, SourceError

WORDS = packaged_tables("endonym.formats", "source_errors.toml")


def source_error(name: str, where: str, **words: object) -> SourceError:
    """The error of this name. words: fill the blanks of its message and its advice."""
    row = WORDS[name]
    kind = MissingSource if row.get("is_missing") else SourceError
    return kind(row["message"].format(**words), where=where, do=row["do"].format(**words))
