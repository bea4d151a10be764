"""Masks personal data: e-mail addresses, telephone numbers, card numbers and IP addresses.

These are patterns of signs and digits, the same in every language. They find what has the usual
form, and nothing else: names and postal addresses stay. Cards must have a valid check digit. A
telephone number must begin with + or a bracketed area code, or be divided as such numbers are and
begin with 0 or 8; a plain run of digits may be anything, and stays.
"""

import ipaddress
from collections.abc import Callable

import regex

EMAIL = regex.compile(
    r"(?<![\p{L}\p{N}._%+-])[\p{L}\p{N}._%+-]{1,64}+@(?:[\p{L}\p{N}-]{1,63}+\.){1,8}\p{L}{2,24}"
)
CARD = regex.compile(r"(?<![\d.,-])[2-6](?:[ -]?\d){12,18}(?![\d-])")
PHONE = regex.compile(
    r"(?<![\w+.,-])(?:"
    r"\+\d(?:[ .()/-]{0,2}\d){7,14}"  # +7 843 292-12-34
    r"|\d?[ -]?\(\d{2,5}\)[ -]?\d(?:[ -]?\d){4,7}"  # (843) 292-12-34
    r"|[08](?=[\d .-]{9,15}(?!\d))\d{0,4}(?:([ .-])\d{2,4})(?:\1\d{2,4}){1,4}"  # 01 23 45 67 89
    r")(?![\w-])"
)
IP = regex.compile(
    r"(?<![\w.:])(?:(?:\d{1,3}\.){3}\d{1,3}(?!\.?\w)"
    r"|(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{1,4}(?![\w:]))"
)
LEAST_DIGITS, MOST_DIGITS = 9, 15
"""Of a telephone number."""


def is_card(found: str) -> bool:
    """Whether the last digit is right (Luhn), and they are not all alike."""
    digits = [int(each) for each in found if each.isdigit()]
    doubled = [sum(divmod(2 * each, 10)) for each in digits[-2::-2]]
    return (sum(digits[::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def is_phone(found: str) -> bool:
    """Whether the digits are as many as numbers have."""
    digits = sum(map(str.isdigit, found))
    least = LEAST_DIGITS - 2 * ("(" in found or found.startswith("+"))
    return least <= digits <= MOST_DIGITS


def is_ip(found: str) -> bool:
    """Whether it is an address that can exist, and no version number or time."""
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return False
    return address.version == 4 or found.count(":") >= 3


KINDS: dict[str, tuple["regex.Pattern[str]", Callable[[str], bool], str]] = {
    "email": (EMAIL, lambda found: True, "@"),
    "ip": (IP, is_ip, ""),
    "card": (CARD, is_card, ""),
    "phone": (PHONE, is_phone, ""),
}
"""Of each kind: its pattern, a test of what is found, and a sign without which there is none."""
DIGIT = regex.compile(r"\d")


def mask(kind: str, put: str) -> Callable[[str], str]:
    """A function that puts a text in place of everything of a kind."""
    pattern, is_one, sign = KINDS[kind]

    def masked(text: str) -> str:
        if (sign and sign not in text) or not (sign or DIGIT.search(text)):
            return text
        return pattern.sub(lambda found: put if is_one(found[0]) else found[0], text)

    return masked
