"""Telephone numbers: by their form, Google's tables of numbers, and the words beside them.

Without + a number says no country: it must be one of a country of the language (phonenumbers knows
what each country's numbers are). Beside a word for a telephone it may stand in any groups or in
none. Dates and numbers of books and goods may have the form of a telephone number, and stay, as do
numbers in groups of thousands and years.
"""

import functools
import ipaddress
import random
from typing import TYPE_CHECKING

import regex

from endonym.cleaning.check_digits import digits_of
from endonym.cleaning.personal_codes import BEGIN, END, YEAR, countries, is_ean
from endonym.disk import packaged_tables

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

D = r"(?:0?[1-9]|[12]\d|3[01])"
M = r"(?:0?[1-9]|1[0-2])"
Y = r"(?:1\d{3}|20\d\d|2100)"
DATE = regex.compile(rf"(?:{D}(?P<a>[./-] ?| ){M}(?P=a){Y}|{Y}(?P<b>[./-] ?| ){M}(?P=b){D})(?!\d)")
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
IP = regex.compile(
    r"(?<![\w.:])(?:(?:\d{1,3}\.){3}\d{1,3}(?!\.?\w)"
    r"|(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{1,4}(?![\w:]))"
)
LEAST_PART = 100
"""Of the four numbers of an address, one must be as large: those of a section are smaller."""
TABLES = packaged_tables("endonym.cleaning", "phones.toml")
PHONE = regex.compile(
    rf"(?=[\d+(]){BEGIN}(?:"  # What it begins with is asked first: that is quick.
    rf"{DATE.pattern}|"  # Found whole, and then left.
    rf"{'|'.join(TABLES['forms'])}){END}",
    regex.VERSION1,
)
BESIDE_WORD = regex.compile(
    rf"{BEGIN}(?:(?<!\d )\()?\d(?:[ ()/-]{{0,3}}\d){{6,13}}{END}", regex.VERSION1
)
"""What may be a number beside a word for a telephone: 5123 4567, 912 345 678, (8-612) 34567."""
MOBILE = regex.compile(r"[1-9][\d .-]*")
"""The form of a number of a mobile phone as it is written where no 0 or 8 stands before it."""
UNDIVIDED = regex.compile(r"[1-9]\d*|\d{5}[ -]\d{5}")
"""In halves it is a telephone's with the prefix 8 or the code of its country, or beside a word for
it; in no groups also where few other numbers look like it."""
LEAST_UNDIVIDED = 9
MOST_ALIKE = 1 / 16
DRAWN = 1000
"""Digits of a mobile phone's number in no groups, and which share of all numbers of as many digits
may be a mobile phone's, so that such a number is taken for one; of so many numbers drawn."""
HALVES = regex.compile(r"(?P<one>\d{4})[ -](?P<other>\d{4})")
LATEST_YEAR = "2100"
"""A number of a mobile phone of Mongolia, 9911 2233; if they rise, years or pages."""
NORTH_AMERICAN = regex.compile(r"(?:1[ .-])?\d{3}(?P<gap>[.-])\d{3}(?P=gap)\d{4}")
"""No other numbers are written in these groups."""
WORD_BEFORE = 40
WORD_AFTER = 24
LONGEST_WORD = 24
"""Letters before a number and after it in which a word begins, and those of the word."""
FEW_COUNTRIES = 5
"""Of a language of more countries, nearly every number would be that of some mobile phone."""
LABEL = regex.compile(
    r"\b(?:ISBN|ISSN|DOI|EAN|NIP|REGON|IČO|CUI|ИНН|КПП|БИК|ОГРН|ОКПО|БИН|ЄДРПОУ)\W{0,3}\Z",
    regex.IGNORECASE,
)
"""What stands before a number that is none of a telephone."""
LABEL_CHARS = 8
THOUSANDS = regex.compile(r"[1-9]\d{0,2}(?:[ .]\d{3})+")
LEAST_IN_THOUSANDS = 8
"""Digits of a telephone number in groups as of thousands: a telephone costs 2 999 000 sum."""
YEAR_IN_BRACKETS = regex.compile(r"\((?:1[5-9]|20)\d\d\)")
GAP = regex.compile(r"(?<=\d)[ ./-]+(?=\d)")
LEAST_CUT = 10
LEAST_CUT_BESIDE_WORD = 8
"""Digits of a telephone number that other groups of digits follow."""


@functools.cache
def phone_word() -> "regex.Pattern[str]":
    """A pattern of the words that stand beside telephone numbers."""
    latin, cyrillic, others = (
        "|".join(regex.split(r"(?<!\\)\s+", TABLES[name].strip()))
        for name in ("latin", "cyrillic", "others")
    )
    return regex.compile(rf"\b(?:{latin}|{cyrillic})\b|{others}", regex.IGNORECASE)


def is_book(found: str) -> bool:
    """Whether it is the number of a book (ISBN), with a right check digit: X is ten."""
    signs = [each for each in found.upper() if each.isdigit() or each == "X"]
    if len(signs) != 10:
        return is_ean(found)
    weighted = zip(map("0123456789X".index, signs), range(10, 0, -1), strict=True)
    return sum(value * weight for value, weight in weighted) % 11 == 0


def is_ip(found: str) -> bool:
    """Whether it is an address that can exist, and no number of a section, nor a time."""
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return False
    if address.version == 4:
        return max(map(int, found.split("."))) >= LEAST_PART
    return found.count(":") >= 3


@functools.cache
def share_of_mobiles(language: str, digits: int) -> float:
    """The share of numbers of so many digits that are mobile phones' in the language's countries.

    Measured on DRAWN numbers that are always the same.
    """
    draw = random.Random(digits)
    n_mobile = 0
    for _ in range(DRAWN):
        drawn = str(draw.randrange(10 ** (digits - 1), 10**digits))
        numbers = (phone_number(drawn, country) for country in countries(language))
        n_mobile += any(n and is_mobile(n) and str(n.national_number) == drawn for n in numbers)
    return n_mobile / DRAWN


def phone_number(found: str, country: str | None) -> "PhoneNumber | None":
    """The number as one of a country, or after + of any; None if it is none that exists."""
    import phonenumbers

    try:
        number = phonenumbers.parse(found, country)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None


def is_mobile(number: "PhoneNumber") -> bool:
    """Whether only mobile phones have such a number."""
    import phonenumbers

    return phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE


@functools.lru_cache(maxsize=1 << 12)
def is_phone(found: str, language: str = "", *, is_beside_word: bool = False) -> bool:
    """Whether it is a number of some country with +, or else of one of the language's."""
    years = len(YEAR.findall(found))
    is_thousands = THOUSANDS.fullmatch(found) is not None
    if years > 1 or YEAR_IN_BRACKETS.search(found) or (is_thousands and not is_beside_word):
        return False
    areas = (None,) if found.startswith("+") else countries(language)
    if found.startswith("00") and areas:
        found = f"+{found[2:]}"
        areas = (None,)
    for country in areas:
        number = phone_number(found, country)
        if number is None:
            continue
        if is_beside_word:
            is_long = len(digits_of(found)) >= LEAST_IN_THOUSANDS
            return not is_thousands or (is_long and is_mobile(number))
        is_dialled_within = digits_of(found) == f"8{number.national_number}"
        if not MOBILE.fullmatch(found) or is_dialled_within:
            return True
        if number.country_code == 1 and NORTH_AMERICAN.fullmatch(found):
            return True
        if is_mobile(number) and len(areas) <= FEW_COUNTRIES and is_usual(found, number, language):
            return True
    return False


def is_usual(found: str, number: "PhoneNumber", language: str) -> bool:
    """Whether digits that may be a mobile phone's number are more likely that than another one."""
    if halves := HALVES.fullmatch(found):
        return halves["one"] > halves["other"] > LATEST_YEAR
    if not UNDIVIDED.fullmatch(found):
        return True
    code = number.country_code or 0
    own = str(number.national_number)
    if code >= 10 and found == f"{code}{own}" and not is_ean(found):
        return True
    is_sum_of_money = found.endswith("000")
    if len(found) < LEAST_UNDIVIDED or found != own or is_sum_of_money:
        return False
    return share_of_mobiles(language, len(found)) <= MOST_ALIKE


def phone_within(found: str, language: str, *, is_beside_word: bool = False) -> str:
    """What of groups of digits is a number: all, or else the most groups; empty for none.

    A beginning of a few digits may be a number by chance.
    """
    if is_phone(found, language, is_beside_word=is_beside_word):
        return found
    least = LEAST_CUT_BESIDE_WORD if is_beside_word else LEAST_CUT
    least = 0 if found.startswith("+") else least
    for gap in reversed([*GAP.finditer(found)]):
        begin = found[: gap.start()]
        is_long = sum(map(str.isdigit, begin)) >= least
        if is_long and is_phone(begin, language, is_beside_word=is_beside_word):
            return begin
    return ""


def phone_in(match: "regex.Match[str]", language: str) -> str:
    """The telephone number with which a match begins, unless a label says another kind."""
    before = match.string[max(0, match.start() - LABEL_CHARS) : match.start()]
    if LABEL.search(before) or DATE.match(match[0]) or STAMP.match(match[0]) or is_ip(match[0]):
        return ""
    return phone_within(match[0], language, is_beside_word=has_word_beside(match))


def phone_beside_word(match: "regex.Match[str]", language: str) -> str:
    """The telephone number with which a match begins, if a word for one stands beside it."""
    return phone_in(match, language) if has_word_beside(match) else ""


def has_word_beside(match: "regex.Match[str]") -> bool:
    """Whether a word for a telephone or for calling stands near in the same line."""
    text = match.string
    start = match.start()
    end = match.end()
    begin = max(start - WORD_BEFORE, text.rfind("\n", 0, start) + 1)
    if phone_word().search(text, begin, start):
        return True
    line_end = text.find("\n", end, end + WORD_AFTER)
    stop = line_end if line_end >= 0 else end + WORD_AFTER
    after = phone_word().search(text, end, stop + LONGEST_WORD)
    return after is not None and after.start() < stop


def without_books(text: str) -> str:
    """The text with `_` for the characters of ISBNs beside which no word for a telephone stands."""

    def hidden(match: "regex.Match[str]") -> str:
        is_isbn = is_book(match[0]) and not has_word_beside(match)
        return "_" * len(match[0]) if is_isbn else match[0]

    return BOOK.sub(hidden, text)
