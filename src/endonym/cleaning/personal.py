"""Masks personal data: addresses of e-mail and IP, numbers of phones, cards, accounts and persons.

Patterns find what has the usual form, and then it is checked: cards, accounts and codes of persons
have check digits, telephone numbers are looked up in Google's tables of what each country's numbers
are (phonenumbers). Without + a number says no country: it must be one of a country of the recipe's
language, and so must a code. Beside a word for a telephone it may stand in any groups or in none.
Digits may be those of any script. Numbers in groups of thousands,
years, dates, ISBN, EAN and the numbers of sections and versions stay; so do names and postal
addresses.
"""

import functools
import ipaddress
import random
import tomllib
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

import regex

from endonym.cleaning.other_numbers import BOOK, DATE, STAMP, digits_of, is_book, is_ean
from endonym.cleaning.personal_codes import (
    IBAN,
    UNSPACED,
    codes_of,
    iban_within,
    is_code,
    is_luhn,
)
from endonym.cleaning.personal_codes import WORD_BEFORE as CODE_WORD_BEFORE
from endonym.cleaning.phone_words import WORD
from endonym.script.languages import TAKEN_FOR, usual_code

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

EMAIL = regex.compile(
    r"(?<![\p{L}\p{N}._%+-])[\p{L}\p{N}._%+-]{1,64}+@(?:[\p{L}\p{N}-]{1,63}+\.){1,8}\p{L}{2,24}"
)
BEGIN = rf"(?<![[\w+\p{{Sc}}-]--{UNSPACED}]|\d\.|(?<!\d{{6}}),)"
"""No part of a longer number, of a word or of a sum of money; of a list, 0722123456,0733123456."""
END = rf"(?![\w--{UNSPACED}]|-[\d\p{{Lu}}]|[.,]\d\d?(?!\d))"
"""An ending may follow, 0722123456-ul, but no decimals, 599123456,78."""
CARD = regex.compile(
    rf"{BEGIN}(?<![A-Za-z]{{2}}\d\d(?:[ -]| {{2}}))[2-6]\d{{3}}(?:[ -]?\d){{9,15}}(?!\d|-\d)",
    regex.VERSION1,
)
CARD_GROUPS = regex.compile(r"\d{4}([ -])(?:\d{4}\1\d{4}\1\d{4}|\d{6}\1\d{4,5})")
"""The beginning of what looks like a card: after it the date may follow until which it holds."""
PHONE = regex.compile(
    rf"(?=[\d+(]){BEGIN}(?:"  # What it begins with is asked first: that is quick.
    rf"{DATE.pattern}|"  # Found whole, and then left.
    r"\+\d(?:[ .()/-]{0,2}\d){7,14}"  # +7 843 292-12-34
    r"|00[1-9]\d{0,2}[ .-](?:[ .()/-]{0,2}\d){7,12}"  # 0033 6 12 34 56 78
    r"|8 ?\d{3}[ -]\d{3}[ -]\d\d[ -]\d\d"  # 8 917 123-45-67
    r"|8[ -]?\d{3}[ -]?\d{5}(?:\d\d)?"  # 8-917-1234567, 8-9171234567, 8 612 34567
    r"|(?:\d[ -]?|(?<!\d[ -]))\(\d{2,5}\)[ -]?\d(?:[ -]?\d){4,8}"  # (843) 292-12-34
    # 01 23 45 67 89, 01/23/45/67/89
    r"|[08](?=[\d ./-]{9,15}(?!\d))\d{0,4}(?:(?P<c>[ ./-])\d{2,4})(?:(?P=c)\d{2,4}){1,4}"
    # 0911/234 567, 0555 12-34-56
    r"|0(?=[\d /-]{9,15}(?!\d))\d{2,5}[ /-] ?\d{2,4}(?:(?P<e>[ -])\d{2,4})(?:(?P=e)\d{2,4}){0,2}"
    r"|0\d{8,12}"  # 0123456789
    r"|0\d{2,5}[ /-]\d{5,8}"  # 0256/395476, 0151-23456789
    r"|[1-9]\d{8,12}"  # 599123456, 79171234567, 5511987654321
    r"|[6-9]\d{4}[ -]\d{5}"  # 98765 43210
    r"|(?<!\d[ -])[1-9]\d{3}[ -]\d{4}(?![ -]\d)"  # 9911 2233
    r"|(?:1[ .-])?[2-9]\d\d(?P<n>[.-])\d{3}(?P=n)\d{4}"  # 202-456-1111
    # 599 12 34 56, 599 12-34-56, 599-123-456
    r"|[1-9]\d{1,3}(?=[\d -]{8,12}(?!\d))[ -]\d{2,3}(?P<d>[ -])\d{2,3}(?:(?P=d)\d{2,3}){0,2}"
    r"|[1-9]\d{2,3}(?:\.\d\d){3}"  # 599.12.34.56
    r"|(?<!\d[ -])[1-9]\d{1,3}[ -]\d{6,7}(?![ -]\d)"  # 599 123456
    rf"){END}",
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
LEAST_UNDIVIDED, MOST_ALIKE, DRAWN = 9, 1 / 16, 1000
"""Digits of a mobile phone's number in no groups, and which share of all numbers of as many digits
may be a mobile phone's, so that such a number is taken for one; of so many numbers drawn."""
HALVES, LATEST_YEAR = regex.compile(r"(?P<one>\d{4})[ -](?P<other>\d{4})"), "2100"
"""A number of a mobile phone of Mongolia, 9911 2233; if they rise, years or pages."""
NORTH_AMERICAN = regex.compile(r"(?:1[ .-])?\d{3}(?P<gap>[.-])\d{3}(?P=gap)\d{4}")
"""No other numbers are written in these groups."""
WORD_BEFORE, WORD_AFTER, LONGEST_WORD = 40, 24, 24
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
YEAR = regex.compile(r"(?<!\d)(?:1[5-9]|20)\d\d(?!\d)")
YEAR_IN_BRACKETS = regex.compile(r"\((?:1[5-9]|20)\d\d\)")
GAP = regex.compile(r"(?<=\d)[ ./-]+(?=\d)")
IP = regex.compile(
    r"(?<![\w.:])(?:(?:\d{1,3}\.){3}\d{1,3}(?!\.?\w)"
    r"|(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{1,4}(?![\w:]))"
)
LEAST_CUT, LEAST_CUT_BESIDE_WORD = 10, 8
"""Digits of a telephone number that other groups of digits follow."""
LEAST_PART = 100
"""Of the four numbers of an address, one must be as large: those of a section are smaller."""


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
    tried = [found, groups[0]] if groups else [found]
    return next((each for each in tried if is_card(each)), "")


@functools.cache
def countries(language: str) -> tuple[str, ...]:
    """The countries whose numbers a text in a language may have without +; none for no language.

    A region of the language is the only one: en-IN. Codes may have three letters: ron, tat, swh.
    """
    code, *parts = usual_code(language.lower()).split("-")
    if code == "x":
        return ()
    if region := next((each for each in parts if len(each) == 2 and each.isalpha()), ""):
        return (region.upper(),)
    path = files("endonym.cleaning").joinpath("countries.toml")
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(table.get(code, table.get(TAKEN_FOR.get(code, ""), "")).split())


@functools.cache
def share_of_mobiles(language: str, digits: int) -> float:
    """Of the numbers of so many digits, how many are a mobile phone's in the language's countries.

    Measured on numbers that are always the same.
    """
    draw = random.Random(digits)
    drawn = (str(draw.randrange(10 ** (digits - 1), 10**digits)) for _ in range(DRAWN))
    given = countries(language)
    return sum(any(is_whole_mobile(each, country) for country in given) for each in drawn) / DRAWN


def is_whole_mobile(digits: str, country: str) -> bool:
    """Whether digits, all of them, are the number of a mobile phone as within its country."""
    number = phone_number(digits, country)
    return number is not None and is_mobile(number) and str(number.national_number) == digits


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
    given = (None,) if found.startswith("+") else countries(language)
    if found.startswith("00") and given:
        found, given = f"+{found[2:]}", (None,)
    for country in given:
        number = phone_number(found, country)
        if number is None:
            continue
        if is_beside_word:
            is_long = len(digits_of(found)) >= LEAST_IN_THOUSANDS
            return not is_thousands or (is_long and is_mobile(number))
        if not MOBILE.fullmatch(found) or begins_with_prefix(found, number):
            return True
        if number.country_code == 1 and NORTH_AMERICAN.fullmatch(found):
            return True
        if is_mobile(number) and len(given) <= FEW_COUNTRIES and is_usual(found, number, language):
            return True
    return False


def is_usual(found: str, number: "PhoneNumber", language: str) -> bool:
    """Whether digits that a mobile phone has are rather its number than another one."""
    if halves := HALVES.fullmatch(found):
        return halves["one"] > halves["other"] > LATEST_YEAR
    if not UNDIVIDED.fullmatch(found) or has_code(found, number):
        return True
    if len(found) < LEAST_UNDIVIDED or found != str(number.national_number) or is_round(found):
        return False
    return share_of_mobiles(language, len(found)) <= MOST_ALIKE


def is_round(found: str) -> bool:
    """Whether it ends in three noughts, as sums of money do."""
    return found.endswith("000")


def has_code(found: str, number: "PhoneNumber") -> bool:
    """Whether digits begin with the code of a country, of two digits or three, and are no EAN."""
    code = number.country_code or 0
    return code >= 10 and found == f"{code}{number.national_number}" and not is_ean(found)


def begins_with_prefix(found: str, number: "PhoneNumber") -> bool:
    """Whether before the number stands an 8, as it is dialled within some countries."""
    return digits_of(found) == f"8{number.national_number}"


def is_ip(found: str) -> bool:
    """Whether it is an address that can exist, and no number of a section, nor a time."""
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return False
    if address.version == 4:
        return max(map(int, found.split("."))) >= LEAST_PART
    return found.count(":") >= 3


def phone_within(found: str, language: str, *, is_beside_word: bool = False) -> str:
    """What of groups of digits is a number: all, or else the most groups; empty for none.

    A beginning of a few digits may be a number by chance.
    """
    if is_phone(found, language, is_beside_word=is_beside_word):
        return found
    least = LEAST_CUT_BESIDE_WORD if is_beside_word else LEAST_CUT
    least = 0 if found.startswith("+") else least
    for gap in sorted(GAP.finditer(found), key=lambda gap: -gap.start()):
        begin = found[: gap.start()]
        if sum(map(str.isdigit, begin)) >= least and is_phone(
            begin, language, is_beside_word=is_beside_word
        ):
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
    text, start, end = match.string, match.start(), match.end()
    begin = max(start - WORD_BEFORE, text.rfind("\n", 0, start) + 1)
    if WORD.search(text, begin, start):
        return True
    line = text.find("\n", end, end + WORD_AFTER)
    stop = line if line >= 0 else end + WORD_AFTER
    after = WORD.search(text, end, stop + LONGEST_WORD)
    return after is not None and after.start() < stop


def without_books(text: str) -> str:
    """The same with a sign in place of each character of an ISBN that stands beside no word."""

    def hidden(match: "regex.Match[str]") -> str:
        is_other = is_book(match[0]) and not has_word_beside(match)
        return "_" * len(match[0]) if is_other else match[0]

    return BOOK.sub(hidden, text)


def code_in(match: "regex.Match[str]", language: str) -> str:
    """The code of a person that a match is; empty if it is none."""
    near = match.string[max(0, match.start() - CODE_WORD_BEFORE) : match.start()]
    return match[0] * is_code(match[0], countries(language), near.rpartition("\n")[2])


Within = Callable[["regex.Match[str]", str], str]
Search = tuple["regex.Pattern[str]", Within]
KINDS: dict[str, tuple["regex.Pattern[str] | None", Within, str]] = {
    "email": (EMAIL, lambda match, language: match[0], "@"),
    "ip": (IP, lambda match, language: match[0] * is_ip(match[0]), ""),
    "iban": (IBAN, lambda match, language: iban_within(match[0]), ""),
    "code": (None, code_in, ""),
    "card": (CARD, lambda match, language: card_within(match[0]), ""),
    "phone": (PHONE, phone_in, ""),
}
"""Of each kind: its pattern, what of a match is one, and a sign without which there is none.

Codes have a pattern for each language. The order is that in which they are masked: parts of a
number of an account may look like a card, and parts of a code like a telephone number.
"""
ALSO: dict[str, list[Search]] = {
    "phone": [(BESIDE_WORD, phone_beside_word)],
}
"""Of a kind: what else may be one, in the text that its pattern has left."""
WITHIN_FAILED = ("iban", "code")
"""Kinds of which one may begin in what looked like one and is none: in AB12 DE89 3704 0044 …"""
DIGIT = regex.compile(r"\d")
BLANK = regex.compile(r"[\p{Zs}--[ ]]", regex.VERSION1)
"""Another blank than the usual one: U+00A0, U+202F."""
NATIVE = regex.compile(r"[\p{Nd}--[0-9]]", regex.VERSION1)
"""A digit of another script: of Khmer, Persian, Bengali."""


@functools.lru_cache(maxsize=1)  # Each kind asks for the same text.
def in_ascii(text: str) -> str:
    """The same text with every digit as one of 0 to 9, character for character."""
    return NATIVE.sub(lambda found: as_ascii(found[0]), text)


@functools.cache
def as_ascii(digit: str) -> str:
    """A digit of another script as one of 0 to 9; Python's tables lack those of new scripts.

    Those of a script stand in this order, and only next to other whole rows of ten (Unicode, 4.6).
    """
    first = ord(digit)
    while NATIVE.match(chr(first - 1)):
        first -= 1
    return str((ord(digit) - first) % 10)


def mask(kind: str, put: str, language: str | None = None) -> Callable[[str], str]:
    """A function that puts a text in place of everything of a kind. language: of the texts."""
    given, one_in, sign = KINDS[kind]
    pattern = given or codes_of(countries(language or ""))
    if pattern is None:
        return lambda text: text
    searches = [(pattern, one_in), *ALSO.get(kind, ())]

    def masked(text: str) -> str:
        if (sign and sign not in text) or not (sign or DIGIT.search(text)):
            return text
        plain = BLANK.sub(" ", in_ascii(text))
        plain = without_books(plain) if kind == "phone" else plain
        every = list[tuple[int, int]]()
        for number, search in enumerate(searches):
            here = with_put(plain, every, lambda length: "_" * length) if number else plain
            found = spans(here, search, language or "", is_within=kind in WITHIN_FAILED)
            every = sorted([*every, *found])
        return with_put(text, every, lambda length: put)

    return masked


def with_put(text: str, spans: Sequence[tuple[int, int]], put: Callable[[int], str]) -> str:
    """The text with something in place of each span; put: what, by the length of the span."""
    parts, done = list[str](), 0
    for start, end in spans:
        parts += [text[done:start], put(end - start)]
        done = end
    return "".join([*parts, text[done:]]) if parts else text


def spans(
    text: str, search: Search, language: str, *, is_within: bool = False
) -> Iterator[tuple[int, int]]:
    """Where the numbers or addresses stand that a pattern finds.

    is_within: whether one may begin in a match that is none.
    """
    pattern, one_in = search
    place = 0
    while (match := pattern.search(text, place)) is not None:
        if one := one_in(match, language):
            place = match.start() + len(one)
            yield match.start(), place
        else:
            place = match.start() + 1 if is_within else match.end()


def mask_warnings(kinds: Sequence[str], language: str | None) -> list[str]:
    """What masks of these kinds cannot find in texts of a language, one sentence a kind."""
    known, named = countries(language or ""), f'of language "{language}"' if language else ""
    if not known:
        why = f"no country {named} is known" if named else "language is not given"
        finds = {"phone": "only telephone numbers with +", "code": "no codes of persons"}
        return [
            f'mask: {why}, so {finds[kind]} are found; a region says a country: language = "en-IN"'
            for kind in finds
            if kind in kinds
        ]
    if "code" in kinds and codes_of(known) is None:
        return [f"mask: no codes of persons of {' '.join(known)} are known, so none are found"]
    return []
