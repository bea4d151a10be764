"""Reasons of the reader why a record does not become a document.

The rules of cleaning have their own reasons, which are their keys in the recipe.
"""

READER_REASONS = {
    "invalid_utf8": "record",  # bytes that are no UTF-8 in a UTF-8 file
    "invalid_bytes": "record",  # bytes without a meaning in another encoding
    "bad_json": "record",
    "bad_row": "record",  # too few or too many columns, an open quote
    "not_object": "record",  # JSON, but a list or a number
    "no_text_field": "record",
    "text_not_string": "record",
    "lone_surrogates": "record",  # escapes of half a character
    "too_deep": "record",
    "mojibake": "record",
    "lost_letters": "record",
    "too_long": "file",
    "truncated": "file",
    "bad_checksum": "file",
    "damaged": "file",
    "bomb": "file",  # it unpacks to far more than any text
    "trailing_garbage": "file",
    "not_compressed": "file",
    "binary": "file",
    "unknown_encoding": "file",
    "not_a_file": "unread",  # a pipe, a device, a broken link in a folder
    "empty_file": "unread",
    "no_text": "unread",
    "no_member": "unread",
    "unsafe_member": "unread",
    "unsupported_format": "unread",
}
"""`record`: one bad record. `file`: reported file by file. `unread`: a file or a member that is not
meant to be read; it is counted, but its bytes are neither good nor bad."""


WORDS = {
    "empty": "empty",
    "min_chars": "too short",
    "max_chars": "too long",
    "min_script_share": "in another script",
    "min_expected_share": "without the language's letters",
    "max_repeated_lines": "repetitive",
    "max_repeated_5grams": "that repeat themselves",
    "min_words": "of few words",
    "min_word_length": "in pieces of words",
    "max_word_length": "of long words",
    "max_symbols": "of symbols",
    "max_digits": "of digits",
    "min_ended_lines": "without sentences",
    "max_short_lines": "of short lines",
    "max_list_lines": "that are lists",
    "max_table_lines": "that are tables",
    "max_code_lines": "that are code",
    "min_language_score": "in another language",
    "split_languages": "in another language",
    "max_line_documents": "that stand in many documents",
    "max_same_skeleton": "filled in by a program",
    "exact": "copies",
    "near": "near copies",
    "paragraphs": "of paragraphs that stood before",
    "decontaminate": "overlapping with evaluation texts",
    "too_long": "lines too long to read",
    "invalid_utf8": "not UTF-8",
    "invalid_bytes": "not of their encoding",
    "unsupported_format": "in a format that is not read",
    "empty_file": "empty files",
}
"""Reasons whose names say too little."""


def in_words(reason: str) -> str:
    """A reason as it stands after a number: "203 too short"."""
    return WORDS.get(reason, reason.replace("_", " "))


def is_unreadable(reason: str) -> bool:
    """Whether the raw file is bad: too large a share of such bytes is an error."""
    return READER_REASONS.get(reason) in ("record", "file")


def is_unread(reason: str) -> bool:
    """Whether its bytes are left out of that share."""
    return READER_REASONS.get(reason) == "unread"


def is_reported(reason: str) -> bool:
    """Whether it is reported file by file; unsupported formats are only counted."""
    kind = READER_REASONS.get(reason)
    return kind == "file" or (kind == "unread" and reason != "unsupported_format")
