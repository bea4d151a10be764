"""Files that were broken on purpose, which lie beside the project where it is developed."""

import pytest
from text_samples import SHARED, records

from endonym.cleaning.rules import normalizer
from endonym.formats.config import Clean
from endonym.formats.document import Document, Reject

FOLDER = SHARED / "raw" / "broken"
NEEDED = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="needs ../shared/data/raw/broken, which is not beside this project"
)
ALL = ("nfc", "zero_width", "spaces")


def lines(name: str, **keys: object) -> list[Document | Reject]:
    """The records of a file read line by line."""
    return records(FOLDER / name, document="line", **keys)


def answer(name: str) -> list[str]:
    """The lines of a file that holds the right answer."""
    return (FOLDER / name).read_text(encoding="utf-8").splitlines()


def cleaned(texts: list[str], **keys: object) -> list[str]:
    """Texts after every normalisation."""
    return list(map(normalizer(Clean.model_validate({"normalize": ALL, **keys})), texts))
