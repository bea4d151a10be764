"""Votes on a text's language: pycld2 (Google's CLD2, 165 languages), py3langid (140).

Both know most written languages and neither knows the smallest; `language/model.py` learns those.
Codes are those of `script/languages.py`: ISO 639-1 where there is one. A library that cannot tell
votes for no language.
"""

import functools
from dataclasses import dataclass
from typing import Any

import regex

from endonym.script.languages import NAMES, TWO_LETTERS

UNUSABLE = regex.compile(r"[^\P{C}\n\t]|[\ufdd0-\ufdef]|\p{Noncharacter_Code_Point}")
"""Controls, surrogates and noncharacters, which pycld2 takes for invalid UTF-8."""
SHOWN_CHARS = 4_000
"""Characters of a text that are enough to tell its language: at three places."""
SAME = {"iw": "he", "in": "id", "jw": "jv", "mo": "ro", "bs": "sh", "hr": "sh", "sr": "sh"}
"""Codes of the libraries that mean a language under another code here."""
CERTAIN = 0.97
"""The probability that a reliable vote is given: on whole lines that is how often they are right
(docs/cleaning.md)."""


@dataclass(frozen=True, slots=True)
class Vote:
    """A language's code, empty if it cannot be told, and how probable it is, from 0 to 1."""

    code: str
    probability: float


NONE = Vote("", 0.0)


def usable(text: str) -> str:
    """The text without what the libraries refuse."""
    return UNUSABLE.sub(" ", text)


def excerpt(text: str) -> str:
    """A text, or three parts of a long one."""
    if len(text) <= SHOWN_CHARS:
        return text
    part = SHOWN_CHARS // 3
    middle = len(text) // 2 - part // 2
    return "\n".join([text[:part], text[middle : middle + part], text[-part:]])


@functools.cache
def _cld2() -> Any:
    import pycld2

    return pycld2


@functools.cache
def _langid() -> Any:
    """py3langid's model, which takes 136 MB and a few seconds: loaded when it is first asked."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def cld2_vote(text: str) -> Vote:
    """What pycld2 says; its probability is lower where it calls itself unreliable."""
    is_reliable, _, found = _cld2().detect(usable(excerpt(text)), bestEffort=True)
    _, code, percent, _ = found[0]
    if code == "un":
        return NONE
    certain = CERTAIN if is_reliable else (1 + CERTAIN) / 3
    return Vote(usual(code), certain * percent / 100)


def langid_vote(text: str) -> Vote:
    """What py3langid says."""
    code, probability = _langid().classify(usable(excerpt(text)))
    return Vote(usual(code), CERTAIN * float(probability))


def usual(code: str) -> str:
    """A library's code as endonym writes it."""
    code = SAME.get(code, code.partition("-")[0])
    return code if code in NAMES else TWO_LETTERS.get(code, code)


def reliable_code(text: str) -> str:
    """The language that pycld2 is certain of, most of the text being in it; else empty."""
    is_reliable, _, found = _cld2().detect(usable(excerpt(text)))
    _, code, percent, _ = found[0]
    return usual(code) if is_reliable and code != "un" and percent >= 80 else ""


@functools.cache
def known_codes() -> dict[str, frozenset[str]]:
    """The languages that each library can name."""
    codes = dict(_cld2().LANGUAGES)
    cld2 = {usual(codes[name]) for name in _cld2().DETECTED_LANGUAGES if name in codes}
    langid = {usual(str(code)) for code in _langid().nb_classes}
    return {"pycld2": frozenset(cld2), "py3langid": frozenset(langid)}
