"""Names of languages: their codes of ISO 639, and what people write instead of a code."""

import difflib
import unicodedata

from endonym.disk import packaged_tables

TABLES = packaged_tables("endonym.script", "languages.toml")
NAMES: dict[str, str] = TABLES["names"]
"""Code to English name: all of ISO 639-1, and others that have texts."""
TWO_LETTERS: dict[str, str] = {
    three: code for code, threes in TABLES["three_letters"].items() for three in threes.split()
}
"""Codes of ISO 639-2 and 639-3 to those of ISO 639-1, which are the usual ones."""
TAKEN_FOR: dict[str, str] = TABLES["taken_for"]
"""Codes of countries, codes of old, and of one kind of a language, to what is usually written."""
OTHER_NAMES: dict[str, str] = TABLES["other_names"]
"""What else languages are called, in lower case: by their speakers, or formerly."""
LETTERS: dict[str, str] = TABLES["letters"]
"""Letters that tell a language from others in its script."""
SCRIPTS: dict[str, str] = TABLES["scripts"]
"""Script -> the languages that are written in it alone, or almost."""
DEBIAN_PACKS: dict[str, str] = TABLES["debian_packs"]
"""Script -> its name in Debian's packages of Tesseract, such as tesseract-ocr-script-geor."""
MOST_NEAR = 3
"""Codes that are named as what may be meant."""


def usual_script(code: str) -> str | None:
    """The script of a language, in lower case; None if it has several, or is not known.

    >>> usual_script("ka"), usual_script("sr-Cyrl"), usual_script("sr")
    ('georgian', 'cyrillic', None)
    """
    language, *subtags = code.lower().split("-")
    named = (script for script, pack in DEBIAN_PACKS.items() if pack in subtags)
    usual = (script for script, codes in SCRIPTS.items() if language in codes.split())
    return next(named, None) or next(usual, None)


MISLEADING = ("tt",)
"""Languages whose pack of Tesseract is wrong: that of Tatar writes Latin letters for Cyrillic."""


def ocr_packages(script: str | None, code: str = "") -> str:
    """The Debian packages with which Tesseract reads a script, and a language if it is given.

    >>> ocr_packages("georgian", "ka")
    'tesseract-ocr tesseract-ocr-script-geor tesseract-ocr-kat'
    """
    language = code.split("-")[0].lower()
    threes = [three for three, two in TWO_LETTERS.items() if two == language]
    threes = [] if language in MISLEADING else threes
    names = [f"script-{DEBIAN_PACKS[script]}"] if script in DEBIAN_PACKS else []
    names += threes[:1] or ([language] if len(language) == 3 and language in NAMES else [])
    return " ".join(["tesseract-ocr", *(f"tesseract-ocr-{name}" for name in names)])


def language_name(code: str) -> str:
    """The name of a language, with its script or region; the code itself if it is not known.

    >>> language_name("tt"), language_name("zh-Hant"), language_name("x-gasconha")
    ('Tatar', 'Chinese (Hant)', 'gasconha')
    """
    language, _, rest = code.partition("-")
    language = language.lower()
    if language == "x":
        return rest or code
    if language not in NAMES:
        return code
    return f"{NAMES[language]} ({rest})" if rest else NAMES[language]


def nearest_code(written: str) -> str | None:
    """The code that somebody who wrote this may have meant: by a language's name, or one like it.

    None if nothing is near.
    """
    wanted = unicodedata.normalize("NFC", written).strip().casefold()
    codes = {name.casefold(): code for code, name in NAMES.items()}
    codes |= {unicodedata.normalize("NFC", name): code for name, code in OTHER_NAMES.items()}
    if (code := usual_code(wanted)) in NAMES:
        return code
    for each in (wanted, wanted.replace("_", "-").split("-")[0]):
        if near := difflib.get_close_matches(each, codes, n=1, cutoff=0.75):
            return codes[near[0]]
    return None


def usual_code(code: str) -> str:
    """The code with two letters for the language if it has one; else the code as it is.

    >>> usual_code("tat"), usual_code("khm-Khmr"), usual_code("sah")
    ('tt', 'km-Khmr', 'sah')
    """
    language, dash, rest = code.partition("-")
    return TWO_LETTERS.get(language.lower(), language) + dash + rest


def language_alone(code: str) -> str:
    """The usual code of a language without its script and region, and of what is one kind of it.

    >>> language_alone("zh-Hant"), language_alone("arb"), language_alone("x-gasconha")
    ('zh', 'ar', 'x-gasconha')
    """
    usual = usual_code(code.lower())
    language = usual if usual.startswith("x-") else usual.partition("-")[0]
    return TAKEN_FOR.get(language, language)


def language_warning(code: str) -> str:
    """What is doubtful about a valid code, and what may be meant; empty if nothing is."""
    language = code.partition("-")[0]
    if language == "x" or language in NAMES:
        return ""
    if language in TWO_LETTERS:
        two = TWO_LETTERS[language]
        return f'language "{code}" is {NAMES[two]}: write its usual code, {usual_code(code)}'
    what = "is no language's code" if len(language) == 2 else "is not in endonym's list"
    near = " or ".join(f"{near_code} ({NAMES[near_code]})" for near_code in _near_codes(language))
    meant = f": did you mean {near}?" if near else ""
    return f'language "{code}" {what}{meant}'


def _near_codes(language: str) -> list[str]:
    """Codes of languages that may be meant: the usual one, or those that differ in one letter."""
    if language in TAKEN_FOR:
        return [TAKEN_FOR[language]]
    codes = [each for each in (*TWO_LETTERS, *NAMES) if len(each) == len(language)]
    alike = [each for each in codes if sum(map(str.__ne__, each, language)) == 1]
    # First those with the same first letter, of them those with the same first two.
    alike.sort(key=lambda each: (each[0] != language[0], each[:2] != language[:2], each))
    return list(dict.fromkeys(TWO_LETTERS.get(each, each) for each in alike))[:MOST_NEAR]
