"""Codes of persons, and numbers of cards, bank accounts and goods, by their check digits.

A code has the form of its country, a date or a region that can exist where it has one, and the
right check digits: of random numbers of its form, at most one in ten passes. Codes of nine to
twelve digits for which many amounts of money pass are found behind a word only. Codes without check
digits are not found: those of Georgia, the United States, Indonesia, Pakistan and Vietnam among
them, and of Denmark, which gives them without since 2007. Numbers of bank accounts (IBAN, ISO
13616) have the length of their country, and remainder 1 by 97.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import regex

from endonym.cleaning import check_digits
from endonym.cleaning.check_digits import digits_of, is_day, is_luhn
from endonym.disk import packaged_tables
from endonym.script.languages import TAKEN_FOR, usual_code

UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
"""Letters beside which a number stands without a blank, in regular expressions of version 1."""
BEGIN = rf"(?<![[\w+\p{{Sc}}-]--{UNSPACED}]|\d\.|(?<=\d)(?<!\d{{6}}),(?!\+))"
"""No part of a longer number, of a word or of a sum of money; of a list, 0722123456,0733123456,
or behind a word, Tel.,0722123456."""
END = rf"(?![\w--{UNSPACED}]|-[\d\p{{Lu}}]|[.,]\d\d?(?!\d))"
"""An ending may follow, 0722123456-ul, but no decimals, 599123456,78."""
CARD = regex.compile(
    rf"{BEGIN}(?<![A-Za-z]{{2}}\d\d(?:[ -]| {{2}}))[2-6]\d{{3}}(?:[ -]?\d){{9,15}}(?!\d|-\d)",
    regex.VERSION1,
)
CARD_GROUPS = regex.compile(r"\d{4}([ -])(?:\d{4}\1\d{4}\1\d{4}|\d{6}\1\d{4,5})")
"""The beginning of what looks like a card: after it the date may follow until which it holds."""
YEAR = regex.compile(r"(?<!\d)(?:1[5-9]|20)\d\d(?!\d)")
IBAN = regex.compile(
    r"[A-Za-z]{2}\d\d(?<=(?<![\p{L}\p{N}])(?:[Ii][Bb][Aa][Nn])?.{4})"  # IBANDE89… is one, too.
    r"(?:(?:[ .-]| {2})?[A-Za-z0-9]){11,30}"
)
"""In any groups: FR14 20041 01005 0500013M026 06. Words after it may look like more of it."""
LEAST_ACCOUNT_DIGITS = 10
"""No number of an account has fewer: "de 10" and a row of words is none."""


@functools.cache
def countries(language: str) -> tuple[str, ...]:
    """The countries whose numbers a text in a language may have without +; none for no language.

    A region of the language is the only one: en-IN. Codes may have three letters: ron, tat, swh.
    """
    code, *parts = usual_code(language.lower()).split("-")
    if code == "x":
        return ()
    if region := next((part for part in parts if len(part) == 2 and part.isalpha()), ""):
        return (region.upper(),)
    table = packaged_tables("endonym.cleaning", "countries.toml")
    return tuple(table.get(code, table.get(TAKEN_FOR.get(code, ""), "")).split())


@functools.cache
def account_characters() -> dict[str, int]:
    """How many characters a number of an account has in each country that has them."""
    lengths = packaged_tables("endonym.cleaning", "person_codes.toml")["account_characters"]
    return {name: int(length) for length, names in lengths.items() for name in names.split()}


def iban_within(found: str) -> str:
    """The beginning that is the number of a bank account; empty if none is."""
    length = account_characters().get(found[:2].upper(), 0)
    ends = [end for end, sign in enumerate(found, 1) if sign.isalnum()]
    if not length or len(ends) < length:
        return ""
    account = found[: ends[length - 1]]
    if found[len(account) : len(account) + 1].isalnum():
        return ""
    signs = [each for each in account if each.isalnum()]
    if sum(map(str.isdigit, signs)) < LEAST_ACCOUNT_DIGITS:
        return ""
    # ISO 13616: the first four signs stand last, A counts 10 and Z 35.
    is_right = int("".join(str(int(each, 36)) for each in signs[4:] + signs[:4])) % 97 == 1
    return account if is_right else ""


def is_ean(found: str) -> bool:
    """Whether it is a number of goods (EAN, ISBN-13): 13 digits, of which the last is right."""
    values = [int(each) for each in digits_of(found)]
    return len(values) == 13 and (sum(values[::2]) + 3 * sum(values[1::2])) % 10 == 0


def is_card(found: str) -> bool:
    """Whether the last digit is right (Luhn), they are not all alike, and no row of years.

    A number of goods is none: cards of 13 digits are not issued any more.
    """
    if not YEAR.sub("", found).strip(" -") or is_ean(found):
        return False
    digits = digits_of(found)
    return len(set(digits)) > 1 and is_luhn(digits)


def card_within(found: str) -> str:
    """What of digits is the number of a card: all, or what stands in the groups of one."""
    groups = CARD_GROUPS.match(found)
    candidates = [found, groups[0]] if groups else [found]
    return next((each for each in candidates if is_card(each)), "")


class Code(NamedTuple):
    """A code of some countries, and how it is checked without the signs between its digits.

    check: whether its check digits are right. The others: see person_codes.toml.
    """

    countries: str
    form: str
    check: Callable[[str], bool]
    date: str = ""
    months: int = 100
    days: int = 100
    word: str = ""

    def is_right(self, code: str) -> bool:
        """Whether the check digits are right, and the date can be one."""
        if self.date:
            at_month = self.date.index("MM")
            at_day = self.date.index("DD")
            month = int(code[at_month : at_month + 2])
            day = int(code[at_day : at_day + 2])
            if not is_day(month % self.months, day % self.days):
                return False
        return self.check(code)


WORD_BEFORE = 40
"""Letters before a code in which its word stands."""


@functools.cache
def codes() -> tuple[Code, ...]:
    """The codes of persons with check digits."""
    found = list[Code]()
    for row in packaged_tables("endonym.cleaning", "person_codes.toml")["code"]:
        if "check" in row:
            check = getattr(check_digits, row.pop("check"))
        else:
            weights = row.pop("weights")
            second = row.pop("second", ())
            check = check_digits.by_weights(row.pop("signs"), *weights, second=second)
        found.append(Code(**row, check=check))
    return tuple(found)


def codes_within(countries: tuple[str, ...]) -> list[Code]:
    """The codes of one of these countries."""
    return [code for code in codes() if {*code.countries.split()} & {*countries}]


@functools.cache
def codes_of(countries: tuple[str, ...]) -> "regex.Pattern[str] | None":
    """What has the form of a code of one of these countries; None if no code is known."""
    possible = codes_within(countries)
    if not possible:
        return None
    forms = "|".join(f"(?:{each.form})" for each in possible)
    starts = r"\dA-Za-z" if regex.search(r"\[A-Z\]|\[XYZ\]", forms) else r"\d"
    letter = rf"[\p{{L}}--{UNSPACED}]"
    # No sum of money either: neither the sign of a currency before nor decimals after it.
    begin = rf"(?<!{letter}|[\p{{N}}\p{{Sc}}+/-]|\d[.,])"
    end = rf"(?!{letter}|\p{{N}}|[.,]\d\d?(?!\d))"
    # What it begins with is asked first: that is quick, and true at few places.
    return regex.compile(rf"(?=[{starts}]){begin}(?i:{forms}){end}", regex.VERSION1)


def is_code(found: str, countries: tuple[str, ...], before: str = "") -> bool:
    """Whether it is the code of a person in one of these countries. before: its line up to it."""
    found = found.upper()
    for code in codes_within(countries):
        if not regex.fullmatch(code.form, found):
            continue
        bare = found if code.check is check_digits.is_finnish else regex.sub(r"[ ./+-]", "", found)
        if len(set(bare)) > 2 and code.is_right(bare):
            near = before[-WORD_BEFORE:]
            if not code.word or regex.search(code.word, near, regex.IGNORECASE):
                return True
    return False
