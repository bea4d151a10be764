"""Codes that states give to persons, and numbers of bank accounts, by their check digits.

A code has the form of its country, a date or a region that can exist where it has one, and the
right check digits: a random number of its length passes once in twenty to a million times. Codes
without check digits (those of Georgia and the United States among them) are not found. Numbers of
bank accounts (IBAN, ISO 13616) have the length of their country, and remainder 1 by 97.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import regex

IBAN = regex.compile(
    r"(?<![\p{L}\p{N}])[A-Za-z]{2}\d{2}"
    r"(?:[A-Za-z0-9]{11,30}|(?:[ .-]?[A-Z0-9]){11,30})"
)
"""In any groups: FR14 20041 01005 0500013M026 06. Words after it may look like more of it."""
IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FK FO GL NL SD", 19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK", 21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "AO CV GW LY MZ PT ST", 26: "DZ IR IS TR",
        27: "BI CF CG CM DJ FR GA GQ GR IT KM MC MG MR SM TD",
        28: "AL AZ BF BJ BY CI CY DO GT HN HU LB MA ML NE NI PL SN SV TG",
        29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
"""Characters of an account number of each country that has them: of the registry of SWIFT, and of
22 countries whose banks use them without it, Iran, Morocco and Senegal among them."""


def iban_within(found: str) -> str:
    """The beginning that is the number of a bank account; empty if none is."""
    length = IBAN_LENGTHS.get(found[:2].upper(), 0)
    ends = [end for end, sign in enumerate(found, 1) if sign.isalnum()]
    if not length or len(ends) < length:
        return ""
    one = found[: ends[length - 1]]
    if found[len(one) : len(one) + 1].isalnum():
        return ""
    signs = [each for each in one if each.isalnum()]
    return (
        one if int("".join(str(int(each, 36)) for each in signs[4:] + signs[:4])) % 97 == 1 else ""
    )


def total(code: str, weights: Sequence[int]) -> int:
    """The sum of the first digits by these weights."""
    return sum(int(digit) * weight for digit, weight in zip(code, weights, strict=False))


def is_dated(code: str, begin: int = 0) -> bool:
    """Whether digits from there on are a year, a month and a day of two digits each."""
    return is_day(code[begin + 2 : begin + 4], code[begin + 4 : begin + 6])


def is_day(month: str, day: str) -> bool:
    """Whether it can be a date."""
    return 1 <= int(month) <= 12 and 1 <= int(day) <= 31


def is_luhn(code: str) -> bool:
    """Whether the last digit is right (Luhn)."""
    doubled = sum(sum(divmod(2 * int(each), 10)) for each in code[-2::-2])
    return (total(code[::-2], [1] * len(code)) + doubled) % 10 == 0


def is_romanian(code: str) -> bool:
    """CNP: sex and century, date, county, number, check digit."""
    check, county = total(code, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11, int(code[7:9])
    is_county = 1 <= county <= 52 or county in (70, 80, 81, 82, 83)
    return is_dated(code, 1) and is_county and int(code[12]) == (1 if check == 10 else check)


def is_french(code: str) -> bool:
    """NIR: sex, year, month, place, number, and a key of two digits. 2A and 2B are Corsica."""
    number = code[:13].upper().replace("2A", "19", 1).replace("2B", "18", 1)
    is_month = 1 <= int(code[3:5]) <= 12 or 20 <= int(code[3:5]) <= 42
    return number.isdigit() and is_month and 97 - int(number) % 97 == int(code[13:])


def is_snils(code: str) -> bool:
    """Insurance number of Russia: nine digits, and their sum by weights from 9 to 1."""
    return int(code[:9]) > 1_001_998 and total(code, range(9, 0, -1)) % 101 % 100 == int(code[9:])


def is_inn(code: str) -> bool:
    """Tax number of a person in Russia: a region, a number, two check digits."""
    weights = ((7, 2, 4, 10, 3, 5, 9, 4, 6, 8), (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8))
    checks = [str(total(code, each) % 11 % 10) for each in weights]
    return code[:2] != "00" and code[10:] == "".join(checks)


def is_baltic(code: str) -> bool:
    """Estonia, Lithuania: sex and century, date, number, check digit."""
    check = total(code, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if check == 10:
        check = total(code, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return is_dated(code, 1) and check == int(code[10])


def is_latvian(code: str) -> bool:
    """Latvia: day, month, year, century, number, check digit. Codes from 2017 on have none."""
    check = (1 + total(code, (10, 5, 8, 4, 2, 1, 6, 3, 7, 9))) % 11 % 10
    return is_day(code[2:4], code[:2]) and check == int(code[10])


def is_finnish(code: str) -> bool:
    """Finland: day, month, year, century, number, and a check letter."""
    check = "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(code[:6] + code[7:10]) % 31]
    return is_day(code[2:4], code[:2]) and code[10].upper() == check


def is_swedish(code: str) -> bool:
    """Sweden: date, number, check digit; days from 61 on are of persons who do not live there."""
    short = code[-10:]
    return is_day(short[2:4], str(int(short[4:6]) % 60)) and is_luhn(short)


def is_norwegian(code: str) -> bool:
    """Norway: day, month, year, number, two check digits."""
    weights = ((3, 7, 6, 1, 8, 9, 4, 5, 2, 1), (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1))
    return is_day(code[2:4], str(int(code[:2]) % 40)) and not any(
        total(code, each) % 11 for each in weights
    )


def is_polish(code: str) -> bool:
    """PESEL: date with the century in the month, number, check digit."""
    check = total(code, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10
    return is_day(str(int(code[2:4]) % 20), code[4:6]) and check == 0


def is_czech(code: str) -> bool:
    """Czechia, Slovakia: date with the sex in the month, number, check digit."""
    is_right = int(code[:9]) % 11 % 10 == int(code[9])
    return is_right and is_day(str(int(code[2:4]) % 50 % 20), code[4:6])


def is_bulgarian(code: str) -> bool:
    """Bulgaria: date with the century in the month, number, check digit."""
    check = total(code, (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10
    return is_day(str(int(code[2:4]) % 20), code[4:6]) and check == int(code[9])


def is_kazakh(code: str) -> bool:
    """Kazakhstan: date, sex and century, number, check digit."""
    check = total(code, range(1, 12)) % 11
    if check == 10:
        check = total(code, (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)) % 11
    return is_dated(code) and check == int(code[11])


def is_turkish(code: str) -> bool:
    """Turkey: a number and two check digits."""
    check = -total(code, (3, 1, 3, 1, 3, 1, 3, 1, 3)) % 10
    return code[9:] == f"{check}{(check + total(code, (1,) * 9)) % 10}"


def is_iranian(code: str) -> bool:
    """Iran: a number and a check digit."""
    rest = total(code, range(10, 1, -1)) % 11
    return len(set(code)) > 1 and int(code[9]) == (rest if rest < 2 else 11 - rest)


def is_italian(code: str) -> bool:
    """Codice fiscale: names, date and place as letters and digits, and a check letter."""
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25)
    odd += (24, 23)
    places = [int(each) if each.isdigit() else ord(each) - ord("A") for each in code[:15]]
    return (sum(odd[each] for each in places[::2]) + sum(places[1::2])) % 26 == ord(code[15]) - 65


def is_spanish(code: str) -> bool:
    """DNI and NIE: a number and a check letter."""
    number = str("XYZ".index(code[0])) + code[1:-1] if code[0] in "XYZ" else code[:-1]
    return code[-1] == "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]


def is_yugoslav(code: str) -> bool:
    """JMBG: day, month, year, region, number, check digit."""
    check = -total(code, (7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return is_day(code[2:4], code[:2]) and check == int(code[12])


def is_croatian(code: str) -> bool:
    """OIB: ten digits and a check digit (ISO 7064)."""
    rest = 10
    for each in code[:10]:
        rest = ((rest + int(each)) % 10 or 10) * 2 % 11
    return (rest + int(code[10])) % 10 == 1


def is_belgian(code: str) -> bool:
    """Belgium: date, number, and what is left by 97; births since 2000 count with a 2 before."""
    return is_day(str(int(code[2:4]) % 20), code[4:6]) and int(code[9:]) in (
        97 - int(code[:9]) % 97,
        97 - int("2" + code[:9]) % 97,
    )


def is_swiss(code: str) -> bool:
    """Switzerland: 756, number, check digit of an EAN."""
    return total(code, (1, 3) * 6 + (1,)) % 10 == 0


class Code(NamedTuple):
    """A code of some countries: its form, and whether one without its signs between is right."""

    countries: str
    form: str
    is_right: Callable[[str], bool]


CODES = (
    Code("RO", r"[1-9]\d{12}", is_romanian),
    Code("FR", r"[1278] ?\d\d ?\d\d ?(?:\d\d|2[ABab]) ?\d{3} ?\d{3} ?\d\d", is_french),
    Code("RU", r"\d{3}[ -]?\d{3}[ -]?\d{3}[ -]?\d\d", is_snils),
    Code("RU", r"\d{12}", is_inn),
    Code("EE LT", r"[1-8]\d{10}", is_baltic),
    Code("LV", r"\d{6}-?[0-2]\d{4}", is_latvian),
    Code("FI", r"\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]", is_finnish),
    Code("SE", r"(?:19|20)?\d{6}[-+]?\d{4}", is_swedish),
    Code("NO", r"\d{6} ?\d{5}", is_norwegian),
    Code("PL", r"\d{11}", is_polish),
    Code("CZ SK", r"\d{6}/?\d{4}", is_czech),
    Code("BG", r"\d{10}", is_bulgarian),
    Code("KZ", r"\d{6}[0-6]\d{5}", is_kazakh),
    Code("TR", r"[1-9]\d{10}", is_turkish),
    Code("IR", r"\d{3}-?\d{6}-?\d", is_iranian),
    Code("IT SM", r"[A-Z]{6}\d\d[A-EHLMPR-T]\d\d[A-Z]\d{3}[A-Z]", is_italian),
    Code("ES", r"(?:\d{8}|[XYZ]-?\d{7})-?[A-HJ-NP-TV-Z]", is_spanish),
    Code("BA ME MK RS SI XK", r"\d{13}", is_yugoslav),
    Code("HR", r"\d{11}", is_croatian),
    Code("BE", r"\d\d\.?\d\d\.?\d\d[ -]?\d{3}[ .-]?\d\d", is_belgian),
    Code("CH LI", r"756\.?\d{4}\.?\d{4}\.?\d\d", is_swiss),
)
"""The codes of persons with check digits. INN of Russia is that of a person, not of a firm."""


@functools.cache
def codes_of(countries: tuple[str, ...]) -> "regex.Pattern[str] | None":
    """What has the form of a code of one of these countries; None if no code is known."""
    forms = [f"(?:{each.form})" for each in CODES if {*each.countries.split()} & {*countries}]
    if not forms:
        return None
    return regex.compile(rf"(?<![\p{{L}}\p{{N}}.,+/-])(?:{'|'.join(forms)})(?![\p{{L}}\p{{N}}])")


def is_code(found: str, countries: tuple[str, ...]) -> bool:
    """Whether it is the code of a person in one of these countries."""
    for code in CODES:
        if {*code.countries.split()} & {*countries} and regex.fullmatch(code.form, found):
            bare = found if code.is_right is is_finnish else regex.sub(r"[ ./+-]", "", found)
            if len(set(bare)) > 2 and code.is_right(bare):
                return True
    return False
