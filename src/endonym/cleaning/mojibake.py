"""Repairs mojibake: UTF-8 that an earlier program decoded with another encoding and saved.

ftfy finds which encoding it was. It is asked only about lines with pairs of characters that no
language has (`formats/broken.py`), and only to repair encodings: its other changes, of quotation
marks, ligatures, widths, entities, line ends and controls, damage good text or are other steps.
"""

import functools
from collections.abc import Callable

from endonym.formats.broken import MOJIBAKE


@functools.cache
def fixer() -> Callable[[str], str]:
    """ftfy's repair of encodings alone."""
    import ftfy

    return ftfy.fix_encoding


def without_mojibake(text: str) -> str:
    """The text with each line repaired that can be."""
    if text.isascii() or not MOJIBAKE.search(text):
        return text
    lines = text.split("\n")
    return "\n".join(fixer()(line) if MOJIBAKE.search(line) else line for line in lines)
