"""Reasons of the reader why a record does not become a document.

The rules of cleaning have their own reasons, which are their keys in the recipe.
"""

REASONS_BY_KIND = {
    # One bad record: bytes that are no UTF-8 in a UTF-8 file, or without a meaning in another
    # encoding; rows with too few or too many columns; JSON that is a list or a number; escapes of
    # half a character.
    "record": "invalid_utf8 invalid_bytes bad_json bad_row not_object no_text_field "
    "text_not_string lone_surrogates too_deep mojibake lost_letters",
    # Reported file by file: a table without the column that the recipe names; what unpacks to far
    # more than any text; a parser that raised an error which we do not know; content that is not
    # what the name says.
    "file": "no_column too_long truncated bad_checksum damaged bomb parser_crashed parser_timeout "
    "parser_memory parser_failed trailing_garbage not_compressed binary other_kind "
    "unknown_encoding",
    # Like both. Of our own code: after parsing; in a rule of cleaning, or in what judges by it.
    "fault": "reader_failed cleaning_failed",
    # A file or a member that is not meant to be read; it is counted, but its bytes are neither good
    # nor bad: a pipe, a device, a broken link in a folder.
    "unread": "not_a_file empty_file no_text no_member unsafe_member needs_password "
    "extraction_forbidden",
    # The same, and there may be thousands, so they are not reported one by one: pages and pictures
    # where the recipe does not ask for OCR; pages whose letters a broken or old font made nonsense,
    # or of which OCR was not sure; a read-me or a licence in an archive; a report of endonym.
    "passed": "unsupported_format needs_ocr bad_text_layer low_confidence blank redirect companion "
    "not_article not_a_page own_page",
}
READER_REASONS = {
    reason: kind for kind, reasons in REASONS_BY_KIND.items() for reason in reasons.split()
}
"""The kind of each reason."""


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
