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
import tomllib
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files

import regex

from endonym.text.clean.other_numbers import BOOK, DATE, STAMP, digits_of, is_book, is_ean
from endonym.text.clean.personal_codes import IBAN, codes_of, iban_within, is_code, is_luhn
from endonym.text.clean.phone_words import WORD

EMAIL = regex.compile(
    r"(?<![\p{L}\p{N}._%+-])[\p{L}\p{N}._%+-]{1,64}+@(?:[\p{L}\p{N}-]{1,63}+\.){1,8}\p{L}{2,24}"
)
CARD = regex.compile(r"(?<![\w.,-])(?<![A-Z]{2}\d\d[ -])[2-6]\d{3}(?:[ -]?\d){9,15}(?![\d-])")
PHONE = regex.compile(
    r"(?<![\w+.,-])(?:"
    rf"{DATE.pattern}|"  # Found whole, and then left.
    r"\+\d(?:[ .()/-]{0,2}\d){7,14}"  # +7 843 292-12-34
    r"|00[1-9]\d{0,2}[ .-](?:[ .()/-]{0,2}\d){7,12}"  # 0033 6 12 34 56 78
    r"|8 ?\d{3}[ -]\d{3}[ -]\d\d[ -]\d\d"  # 8 917 123-45-67
    r"|(?:\d[ -]?|(?<!\d[ -]))\(\d{2,5}\)[ -]?\d(?:[ -]?\d){4,8}"  # (843) 292-12-34
    r"|[08](?=[\d .-]{9,15}(?!\d))\d{0,4}(?:(?P<c>[ .-])\d{2,4})(?:(?P=c)\d{2,4}){1,4}"  # 01 23 45
    r"|0\d{8,12}|8\d{10}"  # 0123456789
    r"|0\d{2,5}[ /-]\d{5,7}"  # 0256/395476, 01812-345678
    r"|[1-9]\d{8,12}"  # 599123456, 79171234567, 5511987654321
    r"|[6-9]\d{4}[ -]\d{5}"  # 98765 43210
    # 599 12 34 56, 599 12-34-56
    r"|[1-9]\d{1,3}(?=[\d -]{9,12}(?!\d))[ -]\d{2,3}(?P<d>[ -])\d{2,3}(?:(?P=d)\d{2,3}){0,2}"
    r")(?![\w-])"
)
BESIDE_WORD = regex.compile(r"(?<![\w+.,-])(?:(?<!\d )\()?\d(?:[ ()/-]{0,3}\d){6,13}(?![\w-])")
"""What may be a number beside a word for a telephone: 5123 4567, 912 345 678, (8-612) 34567."""
MOBILE = regex.compile(r"[1-9][\d -]*")
"""The form of a number of a mobile phone as it is written where no 0 or 8 stands before it."""
UNDIVIDED = regex.compile(r"[1-9]\d*|\d{5}[ -]\d{5}")
"""In no groups or in halves it is a telephone's with the prefix 8 or the code of its country, or
beside a word for it."""
WORD_BEFORE, WORD_AFTER, LONGEST_WORD = 40, 24, 24
"""Letters before a number and after it in which a word begins, and those of the word."""
FEW_COUNTRIES = 5
"""Of a language of more countries, nearly every number would be that of some mobile phone."""
LABEL = regex.compile(
    r"\b(?:ISBN|ISSN|DOI|EAN|NIP|REGON|IČO|CUI|ИНН|ОГРН|ОКПО)\W{0,3}\Z", regex.IGNORECASE
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


@functools.cache
def countries(language: str) -> tuple[str, ...]:
    """The countries whose numbers a text in a language may have without +; none for no language.

    A region of the language is the only one: en-IN.
    """
    _, *parts = language.split("-")
    if region := next((each for each in parts if len(each) == 2 and each.isalpha()), ""):
        return (region.upper(),)
    table = files("endonym.text.clean").joinpath("countries.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(table).get(language.lower().partition("-")[0], "").split())


@functools.lru_cache(maxsize=1 << 12)
def is_phone(found: str, language: str = "", *, is_beside_word: bool = False) -> bool:
    """Whether it is a number of some country with +, or else of one of the language's."""
    years = len(YEAR.findall(found))
    is_thousands = THOUSANDS.fullmatch(found) is not None
    if years > 1 or YEAR_IN_BRACKETS.search(found) or (is_thousands and not is_beside_word):
        return False
    import phonenumbers

    given = (None,) if found.startswith("+") else countries(language)
    if found.startswith("00") and given:
        found, given = f"+{found[2:]}", (None,)
    for country in given:
        try:
            number = phonenumbers.parse(found, country)
        except phonenumbers.NumberParseException:
            continue
        if not phonenumbers.is_valid_number(number):
            continue
        is_mobile = phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE
        if is_beside_word:
            return not is_thousands or (is_mobile and len(digits_of(found)) >= LEAST_IN_THOUSANDS)
        local = str(number.national_number)
        is_bare = MOBILE.fullmatch(found) and not begins_with_prefix(found, country, local)
        is_divided = not UNDIVIDED.fullmatch(found) or has_code(found, number.country_code, local)
        if not is_bare or (is_mobile and is_divided and len(given) <= FEW_COUNTRIES):
            return True
    return False


def has_code(found: str, code: int | None, number: str) -> bool:
    """Whether digits begin with the code of a country, of two digits or three, and are no EAN."""
    return code is not None and code >= 10 and found == f"{code}{number}" and not is_ean(found)


def begins_with_prefix(found: str, country: str | None, number: str) -> bool:
    """Whether before the number is what is dialled before numbers within a country, such as 8."""
    from phonenumbers import PhoneMetadata

    known = PhoneMetadata.metadata_for_region(country or "", None)
    prefix = (known and known.national_prefix) or ""
    return prefix == "8" and found.startswith("8") and digits_of(found) != number


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
    if LABEL.search(before) or DATE.match(match[0]) or STAMP.match(match[0]):
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


Within = Callable[["regex.Match[str]", str], str]
KINDS: dict[str, tuple["regex.Pattern[str] | None", Within, str]] = {
    "email": (EMAIL, lambda match, language: match[0], "@"),
    "ip": (IP, lambda match, language: match[0] * is_ip(match[0]), ""),
    "iban": (IBAN, lambda match, language: iban_within(match[0]), ""),
    "code": (None, lambda match, language: match[0] * is_code(match[0], countries(language)), ""),
    "card": (CARD, lambda match, language: match[0] * is_card(match[0]), ""),
    "phone": (PHONE, phone_in, ""),
}
ALSO: dict[str, list[tuple["regex.Pattern[str]", Within]]] = {
    "phone": [(BESIDE_WORD, phone_beside_word)],
}
"""Of a kind: what else may be one, in the text that its pattern has left."""
"""Of each kind: its pattern, what of a match is one, and a sign without which there is none.

Codes have a pattern for each language. The order is that in which they are masked: parts of a
number of an account may look like a card, and parts of a code like a telephone number.
"""
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
            every = sorted([*every, *spans(here, *search, language or "")])
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
    text: str, pattern: "regex.Pattern[str]", one_in: Within, language: str
) -> Iterator[tuple[int, int]]:
    """Where the numbers or addresses stand that a pattern finds."""
    place = 0
    while (match := pattern.search(text, place)) is not None:
        place = match.end()
        if one := one_in(match, language):
            place = match.start() + len(one)
            yield match.start(), place
