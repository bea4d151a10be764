"""What the doctor says of each rule: a title, what it means, and how much it matters."""

from typing import NamedTuple

from endonym.cleaning.packs import packs
from endonym.formats.reasons import READER_REASONS, in_words


class Words(NamedTuple):
    """title: of the finding. meaning: for a native speaker who looks at the examples.

    weight: how much harm one such document does to a model, from 0 to 1.
    """

    title: str
    meaning: str
    weight: float


PRIVATE = (
    "Personal data. Nobody has to learn it, and a model may say it to anyone. The rule puts a mask "
    "in its place. Names and postal addresses are not looked for."
)
RULES = {
    "mask email": Words("E-mail addresses", PRIVATE, 0.5),
    "mask ip": Words("Addresses of computers (IP)", PRIVATE, 0.2),
    "mask iban": Words("Numbers of bank accounts (IBAN)", PRIVATE, 0.7),
    "mask code": Words("Codes of persons", PRIVATE, 0.7),
    "mask card": Words("Numbers of bank cards", PRIVATE, 0.7),
    "mask phone": Words("Telephone numbers", PRIVATE, 0.6),
    "mojibake": Words(
        "Garbled letters",
        "UTF-8 that a program once read in another encoding and saved. Most of it can be repaired; "
        "what cannot is dropped.",
        1.0,
    ),
    "lost_letters": Words(
        "Lost letters",
        "Question marks stand within words: letters were lost in an encoding that did not have "
        "them. Nothing brings them back; look for the original.",
        1.0,
    ),
    "replacement": Words(
        "Letters that an earlier program lost",
        "The text holds U+FFFD, the mark of a letter that could not be read, or question marks "
        "within words. It is kept; look for the original.",
        0.7,
    ),
    "min_language_score": Words(
        "Documents in another language",
        "They do not read like the language of the others. Are they? If they are yours, leave the "
        "line out.",
        1.0,
    ),
    "min_script_share": Words(
        "Documents in another script",
        "Less than half of their letters are of the script of the others.",
        1.0,
    ),
    "split_languages": Words(
        "Paragraphs in another language",
        "They stand in documents of your language and are taken out of them.",
        0.8,
    ),
    "look_alikes": Words(
        "Look-alike letters",
        "A word mixes letters of two scripts that look the same, such as Latin a in a Cyrillic "
        "word. To a program it is another word.",
        0.7,
    ),
    "max_same_skeleton": Words(
        "Texts filled in by a program",
        "They are the same once numbers, names and rare words are blanked. A model would learn the "
        "template by heart. A few of each template may stay.",
        0.8,
    ),
    "max_line_documents": Words(
        "Boilerplate",
        "Lines that stand in many documents: menus, notices, copyright lines, signatures. They are "
        "taken out of the documents.",
        0.6,
    ),
    "exact": Words(
        "Exact copies",
        "The same text stands elsewhere. Copies are learnt by heart, and leak into the texts by "
        "which the model is judged.",
        0.6,
    ),
    "near": Words(
        "Near copies",
        "Nearly the same text stands elsewhere; the better copy stays.",
        0.6,
    ),
    "paragraphs": Words(
        "Repeated paragraphs",
        "Long paragraphs that stand in an earlier document, too.",
        0.5,
    ),
    "nfc": Words(
        "Letters written in several forms",
        "A letter with its marks is stored in more than one way, which cannot be seen. To a "
        "program these are different letters.",
        0.3,
    ),
    "controls": Words(
        "Control characters",
        "Invisible characters that no text needs: controls, overrides of direction.",
        0.3,
    ),
    "zero_width": Words(
        "Invisible characters",
        "Zero-width characters where the script does not need them. They divide words.",
        0.3,
    ),
    "spaces": Words(
        "Blanks of several kinds",
        "No-break spaces, tabs, several blanks or empty lines in a row: harmless, and made one.",
        0.0009,
    ),
    "min_chars": Words("Nothing but a few characters", "Too short to be a text.", 0.1),
    "empty": Words("Empty documents", "Nothing that can be seen is in them.", 0.1),
    "nul": Words("NUL characters", "They hold NUL, which is no character.", 0.3),
    "license": Words(
        "No licence named",
        "Nobody can publish a model of these texts without knowing what they may be used under. "
        "Ask the owners, and write it down.",
        0.005,
    ),
    "encoding": Words(
        "Encodings that were guessed",
        "These files are not UTF-8. Look whether the letters are right; then name the encoding, so "
        "that it is no guess.",
        0.1,
    ),
    "odd_files": Words(
        "Files that read like another language",
        "They were left out of what follows. Are they in another language? If they are yours, use "
        "them all the same.",
        1.0,
    ),
    "unread_files": Words(
        "Files that cannot be read",
        "They were left out. Repair them if you can, or look for better copies.",
        0.9,
    ),
    "needs_ocr": Words(
        "Pages without text",
        "They are pictures, such as scans. Tesseract can read them: apt-get install {packages}",
        0.9,
    ),
    "bad_text_layer": Words(
        "Pages whose text is nonsense",
        "They look right on screen, but a broken or old font made nonsense of the text behind. "
        "Tesseract can read the page as a picture: apt-get install {packages}",
        0.9,
    ),
    "low_confidence": Words(
        "Pages that OCR is not sure of",
        "Tesseract read them, but hardly any word is certain.",
        0.9,
    ),
}
"""Findings that have words of their own. packages: of Debian, with which OCR reads the language."""

MEASURED = {
    "max_repeated_lines": "Texts whose lines repeat",
    "max_repeated_5grams": "Texts that repeat themselves",
    "min_word_length": "Words in pieces",
    "max_word_length": "Words without blanks between them",
    "max_symbols": "Texts of symbols",
    "max_digits": "Texts of digits",
    "min_ended_lines": "Lines that are no sentences",
    "max_short_lines": "Texts of short lines",
    "max_list_lines": "Lists",
    "max_table_lines": "Tables",
    "max_code_lines": "Programs and markup",
}
"""Rules whose limit comes from the texts themselves: what lies far beyond most of them."""
MEASURED_MEANING = "They lie far from nearly all other texts here. Look whether they are prose."
MEASURED_WEIGHT = 0.4

STEP_WEIGHT = 0.6
STEP_MEANING = "One word is spelt in two ways here. The step of the language pack makes them one."

PAGES = frozenset({"needs_ocr", "bad_text_layer", "low_confidence"})
"""Reasons of pages that OCR may read."""
UNREAD_MEANING = "These files, or records of them, could not be read; they are counted and left out"
UNREAD_WEIGHT = 0.9
NO_FINDING = frozenset({"blank", "redirect", "not_article", "not_a_page", "own_page"})
"""Reasons of the reader that every dump and every book has."""


def words_of(name: str) -> Words:
    """What is said of a rule of cleaning, or of a reason of the reader."""
    if name in RULES:
        return RULES[name]
    if name in packs():
        return Words(f"Spelling: {name.replace('_', ' ')}", STEP_MEANING, STEP_WEIGHT)
    if name in READER_REASONS:
        meaning = f"{UNREAD_MEANING} ({name})."
        return Words(f"Unreadable: {in_words(name)}", meaning, UNREAD_WEIGHT)
    return Words(MEASURED.get(name, in_words(name)), MEASURED_MEANING, MEASURED_WEIGHT)
