"""Repairs mojibake: UTF-8 that an earlier program decoded with another encoding and saved.

ftfy finds which encoding it was. It is asked only about lines with pairs of characters that no
language has (`text/broken.py`), and may change nothing but such errors: its other changes, of
quotation marks, ligatures, widths and entities, damage good text and are turned off.
"""

import functools
from collections.abc import Callable

from endonym.text.broken import MOJIBAKE


@functools.cache
def fixer() -> Callable[[str], str]:
    """ftfy with all but the repair of encodings turned off."""
    import ftfy

    config = ftfy.TextFixerConfig(
        uncurl_quotes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        normalization=None,
        unescape_html=False,
    )
    return lambda text: ftfy.fix_text(text, config)


def without_mojibake(text: str) -> str:
    """The text with each line repaired that can be."""
    if text.isascii() or not MOJIBAKE.search(text):
        return text
    lines = text.split("\n")
    return "\n".join(fixer()(line) if MOJIBAKE.search(line) else line for line in lines)
