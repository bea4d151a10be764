"""Dates and numbers of books and goods: the form may be that of a telephone number or a card."""

import regex

DAY, MONTH, YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:1\d{3}|20\d\d|2100)"
DATE = regex.compile(
    rf"(?:{DAY}(?P<a>[./-] ?| ){MONTH}(?P=a){YEAR}|{YEAR}(?P<b>[./-] ?| ){MONTH}(?P=b){DAY})(?!\d)"
)
"""A day, a month and a year, or the other way round, with the same sign between them."""
STAMP = regex.compile(
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\d{4}|\d{6})?(?!\d)"
)
"""A date as digits, 20240131, and a time after it."""
BOOK = regex.compile(
    r"(?<![\w+.,-])(?:97[89](?:[ -]?\d){10}|\d{9}[\dXx]"
    r"|(?=[\dXx -]{13}(?!\w))\d{1,5}([ -])\d{1,7}\1\d{1,7}\1[\dXx])(?![\w-])"
)
"""The form of an ISBN: of 13 digits in any groups, or of 10 in one or in four."""


def digits_of(found: str) -> str:
    """The digits of a number without what divides them."""
    return "".join(each for each in found if each.isdigit())


def is_ean(found: str) -> bool:
    """Whether it has 13 digits, of which the last is right: a number of goods (EAN, ISBN-13)."""
    values = [int(each) for each in digits_of(found)]
    return len(values) == 13 and (sum(values[::2]) + 3 * sum(values[1::2])) % 10 == 0


def is_book(found: str) -> bool:
    """Whether it is the number of a book (ISBN), with a right check digit: X is ten."""
    signs = [each for each in found.upper() if each.isdigit() or each == "X"]
    if len(signs) != 10:
        return is_ean(found)
    values = [10 if each == "X" else int(each) for each in signs]
    return (
        sum(each * weight for each, weight in zip(values, range(10, 0, -1), strict=True)) % 11 == 0
    )
