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
    "no_column": "file",  # a whole table without the column that the recipe names
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
    "parser_crashed": "file",
    "parser_timeout": "file",
    "parser_memory": "file",
    "parser_failed": "file",  # it raised an error that we do not know
    "trailing_garbage": "file",
    "not_compressed": "file",
    "binary": "file",
    "other_kind": "file",  # its content is not what its name says
    "unknown_encoding": "file",
    "reader_failed": "fault",  # of our own code after parsing
    "cleaning_failed": "fault",  # of our own code in a rule of cleaning, or in what judges by it
    "not_a_file": "unread",  # a pipe, a device, a broken link in a folder
    "empty_file": "unread",
    "no_text": "unread",
    "no_member": "unread",
    "unsafe_member": "unread",
    "needs_password": "unread",
    "extraction_forbidden": "unread",
    "unsupported_format": "passed",
    "needs_ocr": "passed",  # a page or a picture, and the recipe does not ask for OCR
    "bad_text_layer": "passed",  # a page whose letters a broken or old font made nonsense
    "low_confidence": "passed",  # OCR was not sure of this page
    "blank": "passed",
    "redirect": "passed",
    "companion": "passed",  # a read-me or a licence in an archive
    "not_article": "passed",
    "not_a_page": "passed",
    "own_page": "passed",  # a report that endonym made
}
"""`record`: one bad record. `file`: reported file by file. `fault`: like both. `unread`: a file or
a member that is not meant to be read; it is counted, but its bytes are neither good nor bad.
`passed`: the same, and there may be thousands, so they are not reported one by one."""


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
    "parser_crashed": "that crashed the parser",
    "parser_timeout": "that took the parser too long",
    "parser_memory": "that took the parser too much memory",
    "parser_failed": "that the parser cannot read",
    "reader_failed": "that a fault of endonym kept from being read",
    "cleaning_failed": "that a fault of endonym kept from being cleaned",
    "needs_password": "that need a password",
    "extraction_forbidden": "whose authors forbid extraction",
    "needs_ocr": "pages without a text layer",
    "bad_text_layer": "pages whose text layer is nonsense",
    "low_confidence": "pages that OCR is not sure of",
    "not_article": "pages beside the articles",
    "not_a_page": "that are no web pages",
    "own_page": "reports that endonym made",
    "redirect": "redirects",
    "companion": "read-me files and licences in archives",
    "other_kind": "of another kind than their name says",
    "duplicate": "duplicates",
    "held_out": "that share text with held-out or evaluation texts",
    "longer_than_context": "longer than the context",
    "nothing_learnt": "whose answers all have the weight 0",
    "bad_weight": "with a weight that is not 0 or 1",
    "no_answer": "without an answer",
    "no_prompt": "without a question",
    "empty_answer": "with an empty answer",
    "empty_prompt": "with an empty question",
    "unknown_role": "of unknown roles",
    "equal_sides": "with two equal answers",
    "no_common_prompt": "whose answers have no common question",
    "no_columns": "without known columns",
    "no_column": "tables without the column of the text",
    "refused_by_template": "that the chat template refuses",
    "template": "that the chat template cannot be filled with",
    "tool_calls": "with calls of tools",
    "unused_column": "with columns that have no place",
    "two_systems": "with two system prompts",
}
"""Reasons whose names say too little."""


def in_words(reason: str) -> str:
    """A reason as it stands after a number: "203 too short"."""
    return WORDS.get(reason, reason.replace("_", " "))


def is_unreadable(reason: str) -> bool:
    """Whether the raw file is bad: too large a share of such bytes is an error."""
    return READER_REASONS.get(reason) in ("record", "fault", "file")


def is_one_record(reason: str) -> bool:
    """Whether only one bad record is told by it: a few of them end nothing."""
    return READER_REASONS.get(reason) in ("record", "fault")


def is_unread(reason: str) -> bool:
    """Whether its bytes are left out of that share."""
    return READER_REASONS.get(reason) in ("unread", "passed")


def is_reported(reason: str) -> bool:
    """Whether it is reported file by file."""
    return READER_REASONS.get(reason) in ("fault", "file", "unread")
