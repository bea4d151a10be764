"""Repair of text that was decoded with the wrong encoding."""

import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.cleaning.normalize import without_mojibake

GOOD = [
    *TATAR,
    *KHMER,
    *ROMANIAN,
    *FRENCH,
    "„Citatul” rămâne, la fel și « ceci ».",
    "ﬁn et ﬂeur, largeur ＡＢ, L'été &eacute;tait là…",
    "Ã und Â sind Buchstaben.",
]


@pytest.mark.parametrize("text", GOOD)
def test_good_text_stays(text: str):
    assert without_mojibake(text) == text


@pytest.mark.parametrize("text", [*ROMANIAN, *FRENCH])
def test_utf8_that_was_read_as_windows_1252_is_repaired(text: str):
    broken = text.encode().decode("cp1252", "ignore")
    assert without_mojibake(broken) != broken
    safe = [
        word for word in text.split() if word.encode().decode("cp1252", "replace").isprintable()
    ]
    found = without_mojibake(broken).split()
    assert sum(word in found for word in safe) > 0.8 * len(safe)


@pytest.mark.parametrize("text", [TATAR[0], *TATAR[2:]])
def test_utf8_that_was_read_as_windows_1251_is_repaired(text: str):
    assert without_mojibake(text.encode().decode("cp1251")) == text


def test_only_the_broken_lines_change():
    lines = [FRENCH[0], "forÃªt", FRENCH[1]]
    assert without_mojibake("\n".join(lines)) == f"{FRENCH[0]}\nforêt\n{FRENCH[1]}"


@pytest.mark.parametrize("sign", ["\ufeff", "\u206a", "\x1b[31m", "\u2028", "\r", "ﬁ", "’"])
def test_nothing_else_in_a_broken_line_changes(sign: str):
    assert without_mojibake(f"La forÃªt {sign}brÃ»le{sign}") == f"La forêt {sign}brûle{sign}"
