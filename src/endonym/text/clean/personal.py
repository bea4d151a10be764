"""Masks personal data: e-mail addresses, telephone numbers, card numbers and IP addresses.

Patterns find what has the usual form, and then it is checked: cards have a check digit, telephone
numbers are looked up in Google's tables of what each country's numbers are (phonenumbers). Without
+ a number says no country: it must be one of a country of the recipe's language. Numbers in groups
of thousands, years and the numbers of sections and versions stay; so do names and postal addresses.
"""

import functools
import ipaddress
import tomllib
from collections.abc import Callable
from importlib.resources import files

import regex

EMAIL = regex.compile(
    r"(?<![\p{L}\p{N}._%+-])[\p{L}\p{N}._%+-]{1,64}+@(?:[\p{L}\p{N}-]{1,63}+\.){1,8}\p{L}{2,24}"
)
CARD = regex.compile(r"(?<![\d.,-])[2-6]\d{3}(?:[ -]?\d){9,15}(?![\d-])")
PHONE = regex.compile(
    r"(?<![\w+.,-])(?:"
    r"\+\d(?:[ .()/-]{0,2}\d){7,14}"  # +7 843 292-12-34
    r"|(?:\d[ -]?|(?<!\d[ -]))\(\d{2,5}\)[ -]?\d(?:[ -]?\d){4,7}"  # (843) 292-12-34
    r"|[08](?=[\d .-]{9,15}(?!\d))\d{0,4}(?:([ .-])\d{2,4})(?:\1\d{2,4}){1,4}"  # 01 23 45 67 89
    r")(?![\w-])"
)
THOUSANDS = regex.compile(r"[1-9]\d{0,2}(?:[ .]\d{3})+")
YEAR = regex.compile(r"(?<!\d)(?:1[5-9]|20)\d\d(?!\d)")
YEAR_IN_BRACKETS = regex.compile(r"\((?:1[5-9]|20)\d\d\)")
GAP = regex.compile(r"(?<=\d)[ ./-]+(?=\d)")
IP = regex.compile(
    r"(?<![\w.:])(?:(?:\d{1,3}\.){3}\d{1,3}(?!\.?\w)"
    r"|(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{1,4}(?![\w:]))"
)
LEAST_CUT = 10
"""Digits of a telephone number that other groups of digits follow."""
LEAST_PART = 100
"""Of the four numbers of an address, one must be as large: those of a section are smaller."""


def is_card(found: str) -> bool:
    """Whether the last digit is right (Luhn), they are not all alike, and no row of years."""
    if not YEAR.sub("", found).strip(" -"):
        return False
    digits = [int(each) for each in found if each.isdigit()]
    doubled = [sum(divmod(2 * each, 10)) for each in digits[-2::-2]]
    return (sum(digits[::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


@functools.cache
def countries(language: str) -> tuple[str, ...]:
    """The countries whose numbers a text in a language may have without +; none for no language."""
    table = files("endonym.text.clean").joinpath("countries.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(table).get(language.lower().partition("-")[0], "").split())


@functools.lru_cache(maxsize=1 << 12)
def is_phone(found: str, language: str = "") -> bool:
    """Whether it is a number of some country with +, or else of one of the language's."""
    years = len(YEAR.findall(found))
    if years > 1 or YEAR_IN_BRACKETS.search(found) or THOUSANDS.fullmatch(found):
        return False
    import phonenumbers

    for country in (None,) if found.startswith("+") else countries(language):
        try:
            number = phonenumbers.parse(found, country)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return True
    return False


def is_ip(found: str) -> bool:
    """Whether it is an address that can exist, and no number of a section, nor a time."""
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return False
    if address.version == 4:
        return max(map(int, found.split("."))) >= LEAST_PART
    return found.count(":") >= 3


def phone_within(found: str, language: str) -> str:
    """What of groups of digits is a number: all, or else the most groups; empty for none.

    A beginning of a few digits may be a number by chance.
    """
    if is_phone(found, language):
        return found
    least = 0 if found.startswith("+") else LEAST_CUT
    for gap in sorted(GAP.finditer(found), key=lambda gap: -gap.start()):
        begin = found[: gap.start()]
        if sum(map(str.isdigit, begin)) >= least and is_phone(begin, language):
            return begin
    return ""


KINDS: dict[str, tuple["regex.Pattern[str]", Callable[[str, str], str], str]] = {
    "email": (EMAIL, lambda found, language: found, "@"),
    "ip": (IP, lambda found, language: found * is_ip(found), ""),
    "card": (CARD, lambda found, language: found * is_card(found), ""),
    "phone": (PHONE, phone_within, ""),
}
"""Of each kind: its pattern, what of the found is one, and a sign without which there is none."""
DIGIT = regex.compile(r"\d")


def mask(kind: str, put: str, language: str | None = None) -> Callable[[str], str]:
    """A function that puts a text in place of everything of a kind. language: of the texts."""
    pattern, one_in, sign = KINDS[kind]

    def instead(found: "regex.Match[str]") -> str:
        one = one_in(found[0], language or "")
        return put + found[0][len(one) :] if one else found[0]

    def masked(text: str) -> str:
        if (sign and sign not in text) or not (sign or DIGIT.search(text)):
            return text
        return pattern.sub(instead, text)

    return masked
