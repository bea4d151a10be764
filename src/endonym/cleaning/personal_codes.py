"""Codes that states give to persons, and numbers of bank accounts, by their check digits.

A code has the form of its country, a date or a region that can exist where it has one, and the
right check digits: of random numbers of its form, at most one in ten passes. Codes of nine to
twelve digits for which many amounts of money pass are found behind a word only. Codes without check
digits are not found: those of Georgia, the United States, Indonesia, Pakistan and Vietnam among
them, and of Denmark, which gives them without since 2007. Numbers of bank accounts (IBAN, ISO
13616) have the length of their country, and remainder 1 by 97.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import regex

UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
"""Letters beside which a number stands without a blank, in regular expressions of version 1."""
IBAN = regex.compile(
    r"[A-Za-z]{2}\d\d(?<=(?<![\p{L}\p{N}])(?:[Ii][Bb][Aa][Nn])?.{4})"  # IBANDE89… is one, too.
    r"(?:(?:[ .-]| {2})?[A-Za-z0-9]){11,30}"
)
"""In any groups: FR14 20041 01005 0500013M026 06. Words after it may look like more of it."""
LEAST_ACCOUNT_DIGITS = 10
"""No number of an account has fewer: "de 10" and a row of words is none."""
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
    if sum(map(str.isdigit, signs)) < LEAST_ACCOUNT_DIGITS:
        return ""
    is_right = int("".join(str(int(each, 36)) for each in signs[4:] + signs[:4])) % 97 == 1
    return one if is_right else ""


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


def by_11(code: str, weights: Sequence[int]) -> str:
    """What makes the sum by these weights a multiple of 11, as a digit; 0 for ten."""
    return str(-total(code, weights) % 11 % 10)


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


def is_ukrainian(code: str) -> bool:
    """РНОКПП: days since 1899, number, check digit."""
    days, weights = int(code[:5]), (-1, 5, 7, 9, 4, 6, 10, 5, 7)
    return days < MOST_DAYS and total(code, weights) % 11 % 10 == int(code[9])


def is_brazilian(code: str) -> bool:
    """CPF: a number and two check digits."""
    return code[9] == by_11(code, range(10, 1, -1)) and code[10] == by_11(code, range(11, 1, -1))


def is_portuguese(code: str) -> bool:
    """NIF: a number and a check digit; those of persons begin with 1, 2 or 3."""
    return code[8] == by_11(code, range(9, 1, -1))


def is_indian(code: str) -> bool:
    """Aadhaar: a number and a check digit of Verhoeff, by products in the group of a pentagon."""
    check = 0
    for place, digit in enumerate(reversed(code)):
        turned = int(digit)
        for _ in range(place % 8):
            turned = int("1576283094"[turned])
        check = pentagon(check, turned)
    return check == 0


def pentagon(one: int, other: int) -> int:
    """The product of two of its ten symmetries: 0 to 4 turn it, 5 to 9 turn it over as well."""
    side = (one - other if one > 4 else one + other) % 5
    return side + 5 * ((one > 4) != (other > 4))


def is_chinese(code: str) -> bool:
    """China: place, date, number, check digit (ISO 7064), of which X is ten."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return is_day(code[10:12], code[12:14]) and code[17] == "10X98765432"[total(code, weights) % 11]


def is_taiwanese(code: str) -> bool:
    """Taiwan: a letter for the place, sex, number, check digit."""
    place = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(code[0]) + 10
    return total(f"{place}{code[1:]}", (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)) % 10 == 0


def is_korean(code: str) -> bool:
    """South Korea: date, sex and century, number, check digit; none since October 2020."""
    check = (11 - total(code, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10
    return is_dated(code) and check == int(code[12])


def is_japanese(code: str) -> bool:
    """My Number: eleven digits and a check digit."""
    return code[11] == by_11(code, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2))


def is_thai(code: str) -> bool:
    """Thailand: kind of person, place, number, check digit."""
    return (11 - total(code, range(13, 1, -1)) % 11) % 10 == int(code[12])


def is_dated_luhn(code: str) -> bool:
    """South Africa: date, number, citizenship, check digit (Luhn)."""
    return is_dated(code) and is_luhn(code)


def is_greek(code: str) -> bool:
    """AMKA: day, month, year, number, check digit (Luhn)."""
    return is_day(code[2:4], code[:2]) and is_luhn(code)


def is_german(code: str) -> bool:
    """IdNr: of ten digits one stands twice or three times, the others once; check (ISO 7064)."""
    counts = sorted(map(code[:10].count, {*code[:10]}))
    return counts[-1] in (2, 3) and counts[-2] == 1 and is_croatian(code)


def is_austrian(code: str) -> bool:
    """Austria: number, check digit, day, month, year; months up to 15 where a day is full."""
    is_date = 1 <= int(code[4:6]) <= 31 and 1 <= int(code[6:8]) <= 15
    return is_date and total(code, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) % 11 == int(code[3])


def is_dutch(code: str) -> bool:
    """BSN: nine digits, whose sum by weights 9 to 2 and -1 is a multiple of 11."""
    return total(code, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def is_hungarian(code: str) -> bool:
    """Hungary: sex and century, date, number, check digit; its weights fall since 1997."""
    checks = (total(code, range(1, 11)) % 11, total(code, range(10, 0, -1)) % 11)
    return is_dated(code, 1) and int(code[10]) in checks


def is_hungarian_tax(code: str) -> bool:
    """Adóazonosító jel: 8, days since 1867, number, check digit."""
    return int(code[1:6]) < MOST_DAYS_HU and total(code, range(1, 10)) % 11 == int(code[9])


def is_hungarian_insurance(code: str) -> bool:
    """TAJ: eight digits and a check digit."""
    return total(code, (3, 7) * 4) % 10 == int(code[8])


def is_icelandic(code: str) -> bool:
    """Kennitala: day, month, year, number, check digit, century."""
    is_right = total(code, (3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0
    return is_right and is_day(code[2:4], code[:2])


def is_irish(code: str) -> bool:
    """PPS: a number, a check letter, and sometimes a letter that counts too."""
    more = ord(code[8]) - ord("A") + 1 if code[8:] and code[8] != "W" else 0
    return code[7] == "WABCDEFGHIJKLMNOPQRSTUV"[(total(code, range(8, 1, -1)) + 9 * more) % 23]


def is_moldovan(code: str) -> bool:
    """IDNP: a number and a check digit."""
    return total(code, (7, 3, 1) * 4) % 10 == int(code[12])


def is_mexican(code: str) -> bool:
    """CURP: letters of names, date, sex, place, and a check digit."""
    values = ["0123456789ABCDEFGHIJKLMN\u00d1OPQRSTUVWXYZ".index(each) for each in code[:17]]
    check = -sum(value * (18 - place) for place, value in enumerate(values)) % 10
    return is_dated(code, 4) and check == int(code[17])


def is_argentine(code: str) -> bool:
    """CUIL and CUIT of persons: a kind, the number of the identity card, check digit."""
    check = -total(code, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return min(check, 9) == int(code[10])


def is_chilean(code: str) -> bool:
    """RUN: a number, and a check digit of which K is ten."""
    check = -total(code[-2::-1], (2, 3, 4, 5, 6, 7, 2, 3)) % 11
    return code[-1] == "0123456789K"[check]


def is_british(code: str) -> bool:
    """Number of the National Health Service: nine digits and a check digit."""
    return -total(code, range(10, 1, -1)) % 11 == int(code[9])


def is_australian(code: str) -> bool:
    """TFN: nine digits, whose sum by weights is a multiple of 11."""
    return total(code, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


MOST_DAYS, MOST_DAYS_HU = 47_000, 59_000
"""Days from 1899-12-31 and from 1867-01-01 to 2028: nobody who has a code was born later."""


class Code(NamedTuple):
    """A code of some countries: its form, and whether one without its signs between is right.

    word: what must stand before it in its line, of a code that other numbers pass for too often.
    """

    countries: str
    form: str
    is_right: Callable[[str], bool]
    word: str = ""


AADHAAR = "aa?dh?aa?r|uidai|आधार|আধার|ਆਧਾਰ|આધાર|ଆଧାର|ஆதார்|ఆధార్|ಆಧಾರ್|ആധാർ|آدھار"
CODES = (
    Code("RO", r"[1-9][ -]?\d\d[ -]?\d\d[ -]?\d\d[ -]?\d\d[ -]?\d{3}[ -]?\d", is_romanian),
    Code(
        "FR",
        r"[1278][ .-]?\d\d[ .-]?\d\d[ .-]?(?:\d\d|2[AB])[ .-]?\d{3}[ .-]?\d{3}[ .-]?\d\d",
        is_french,
    ),
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
    Code(
        "IT SM",
        r"[A-Z]{3} ?[A-Z]{3} ?\d\d[A-EHLMPR-T]\d\d ?[A-Z][0-9LMNP-V]{3}[A-Z]",
        is_italian,
    ),
    Code("ES", r"(?:\d{8}|[XYZ]-?\d{7})-?[A-HJ-NP-TV-Z]", is_spanish),
    Code("BA ME MK RS SI XK", r"\d{13}", is_yugoslav),
    Code("HR", r"\d{11}", is_croatian),
    Code("BE", r"\d\d\.?\d\d\.?\d\d[ -]?\d{3}[ .-]?\d\d", is_belgian),
    Code("CH LI", r"756\.?\d{4}\.?\d{4}\.?\d\d", is_swiss),
    Code("BR", r"\d{3}\.?\d{3}\.?\d{3}[-/]?\d\d", is_brazilian),
    Code("CN", r"[1-9]\d{5}(?:19|20)\d{9}[\dX]", is_chinese),
    Code("TW", r"[A-Z][12]\d{8}", is_taiwanese),
    Code("KR", r"\d{6}-?[1-8]\d{6}", is_korean),
    Code("TH", r"[1-8](?P<gap>[ -])\d{4}(?P=gap)\d{5}(?P=gap)\d\d(?P=gap)\d", is_thai),
    Code("ZA", r"\d{6} ?\d{4} ?[012]\d\d", is_dated_luhn),
    Code("GR", r"\d{11}", is_greek),
    Code("DE", r"[1-9]\d ?\d{3} ?\d{3} ?\d{3}", is_german),
    Code("AT", r"[1-9]\d{3} ?\d{6}", is_austrian),
    Code("HU", r"[1-8][ -]?\d{6}[ -]?\d{4}", is_hungarian),
    Code("HU", r"8\d{9}", is_hungarian_tax),
    Code("IS", r"\d{6}-?\d{3}[089]", is_icelandic),
    Code("IE", r"\d{7}[A-W][A-IW]?", is_irish),
    Code("MD", r"[02]\d{12}", is_moldovan),
    Code("MX", r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[0-9A-Z]\d", is_mexican),
    Code("AR", r"2[0347]-?\d{8}-?\d", is_argentine),
    Code("EC", r"(?:[01]\d|2[0-4]|30)[0-5]\d{6}-?\d", is_luhn),
    Code("CL", r"[1-4]?\d\.?\d{3}\.?\d{3}-[\dK]", is_chilean),
    Code(
        "UA",
        r"[1-4]\d{9}",
        is_ukrainian,
        r"РНОКПП|\b(?:ІПН|ИНН)\b|(?:ідентифікаційн|идентификационн|податков|налогов)\w*",
    ),
    Code("PT", r"[123]\d{2} ?\d{3} ?\d{3}", is_portuguese, r"\bNIF\b|contribuinte|fiscal"),
    Code("IN", r"[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}", is_indian, AADHAAR),
    Code("JP", r"\d{4}[ -]?\d{4}[ -]?\d{4}", is_japanese, "マイナンバー|個人番号"),
    Code("TH", r"[1-8]\d{12}", is_thai, "บัตรประชาชน|ประจำตัวประชาชน|เลขประจำตัว"),
    Code("NL", r"\d{4}\.?\d\d\.?\d{3}", is_dutch, r"\bbsn\b|burgerservice|sofi-?nummer"),
    Code("IL", r"\d{8}-?\d", is_luhn, r"\bת\.?ז\b|\bת[\"״]ז\b|תעודת זהות|מספר זהות"),
    Code("HU", r"\d{3}[ -]?\d{3}[ -]?\d{3}", is_hungarian_insurance, r"\bTAJ\b"),
    Code(
        "CA",
        r"\d{3}[ -]?\d{3}[ -]?\d{3}",
        is_luhn,
        r"\b(?-i:SIN|NAS)\b|social insurance|assurance sociale",
    ),
    Code("AU", r"\d{3} ?\d{3} ?\d{3}", is_australian, r"\bTFN\b|tax file"),
    Code("GB", r"\d{3}[ -]?\d{3}[ -]?\d{4}", is_british, r"\bNHS\b"),
)
"""The codes of persons with check digits. INN of Russia is that of a person, not of a firm."""
WORD_BEFORE = 40
"""Letters before a code in which its word stands."""


def codes_within(countries: tuple[str, ...]) -> list[Code]:
    """The codes of one of these countries."""
    return [each for each in CODES if {*each.countries.split()} & {*countries}]


@functools.cache
def codes_of(countries: tuple[str, ...]) -> "regex.Pattern[str] | None":
    """What has the form of a code of one of these countries; None if no code is known."""
    known = codes_within(countries)
    if not known:
        return None
    forms = "|".join(f"(?:{each.form})" for each in known)
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
        bare = found if code.is_right is is_finnish else regex.sub(r"[ ./+-]", "", found)
        if len(set(bare)) > 2 and code.is_right(bare):
            near = before[-WORD_BEFORE:]
            if not code.word or regex.search(code.word, near, regex.IGNORECASE):
                return True
    return False
