"""Codes of persons, and numbers of cards, bank accounts and goods, by their check digits.

A code has the form of its country, a date or a region that can exist where it has one, and the
right check digits: of random numbers of its form, at most one in ten passes. Codes of nine to
twelve digits for which many amounts of money pass are found behind a word only. Codes without check
digits are not found: those of Georgia, the United States, Indonesia, Pakistan and Vietnam among
them, and of Denmark, which gives them without since 2007. Numbers of bank accounts (IBAN, ISO
13616) have the length of their country, and remainder 1 by 97.
"""

import functools
import tomllib
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import NamedTuple

import regex

from endonym.script.languages import TAKEN_FOR, usual_code

UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
"""Letters beside which a number stands without a blank, in regular expressions of version 1."""
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
YEAR = regex.compile(r"(?<!\d)(?:1[5-9]|20)\d\d(?!\d)")
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


def digits_of(found: str) -> str:
    """The digits of a number without what divides them."""
    return "".join(each for each in found if each.isdigit())


def is_ean(found: str) -> bool:
    """Whether it has 13 digits, of which the last is right: a number of goods (EAN, ISBN-13)."""
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
    tried = [found, groups[0]] if groups else [found]
    return next((each for each in tried if is_card(each)), "")


def total(code: str, weights: Sequence[int]) -> int:
    """The sum of the first digits by these weights."""
    return sum(int(digit) * weight for digit, weight in zip(code, weights, strict=False))


def is_day(month: int, day: int) -> bool:
    """Whether it can be a date."""
    return 1 <= month <= 12 and 1 <= day <= 31


def is_luhn(code: str) -> bool:
    """Whether the last digit is right (Luhn)."""
    doubled = sum(sum(divmod(2 * int(each), 10)) for each in code[-2::-2])
    return (total(code[::-2], [1] * len(code)) + doubled) % 10 == 0


def sum_by_11(code: str, weights: Sequence[int], second: Sequence[int]) -> int:
    """What is left of the sum by 11; if that is ten, of the sum by the second weights."""
    rest = total(code, weights) % 11
    return rest if rest < 10 else total(code, second) % 11


def check_digits(signs: str, *weights: Sequence[int]) -> Callable[[str], bool]:
    """A function of a code: whether after the digits that have weights stands the right sign.

    signs: the sign for each remainder of the sum by their number. Of several check digits each has
    weights of its own.
    """

    def is_right(code: str) -> bool:
        return all(code[len(each)] == signs[total(code, each) % len(signs)] for each in weights)

    return is_right


BY_10, MINUS_10 = "0123456789", "0987654321"
BY_11, MINUS_11 = "0123456789X", "0X987654321"
"""Signs for what is left by ten or eleven, and for what it lacks of them; no digit is X."""
BY_11_OR_0, MINUS_11_OR_0 = "01234567890", "00987654321"
"""The same where ten is written as nought."""
MINUS_11_OR_1 = "10987654321"


def is_romanian(code: str) -> bool:
    """CNP: sex and century, date, county, number, check digit."""
    county = int(code[7:9])
    is_right = check_digits("01234567891", (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9))(code)
    return is_right and (1 <= county <= 52 or county in (70, 80, 81, 82, 83))


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
    return code[:2] != "00" and check_digits(BY_11_OR_0, *weights)(code)


def is_baltic(code: str) -> bool:
    """Estonia, Lithuania: sex and century, date, number, check digit."""
    rest = sum_by_11(code, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1), (3, 4, 5, 6, 7, 8, 9, 1, 2, 3))
    return rest % 10 == int(code[10])


def is_finnish(code: str) -> bool:
    """Finland: day, month, year, century, number, and a check letter."""
    return code[10] == "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(code[:6] + code[7:10]) % 31]


def is_swedish(code: str) -> bool:
    """Sweden: date, number, check digit; days from 61 on are of persons who do not live there."""
    short = code[-10:]
    return is_day(int(short[2:4]), int(short[4:6]) % 60) and is_luhn(short)


def is_czech(code: str) -> bool:
    """Czechia, Slovakia: date with the sex in the month, number, check digit."""
    is_right = int(code[:9]) % 11 % 10 == int(code[9])
    return is_right and is_day(int(code[2:4]) % 50 % 20, int(code[4:6]))


def is_kazakh(code: str) -> bool:
    """Kazakhstan: date, sex and century, number, check digit."""
    rest = sum_by_11(code, range(1, 12), (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2))
    return rest == int(code[11])


def is_turkish(code: str) -> bool:
    """Turkey: a number and two check digits."""
    check = -total(code, (3, 1, 3, 1, 3, 1, 3, 1, 3)) % 10
    return code[9:] == f"{check}{(check + total(code, (1,) * 9)) % 10}"


def is_italian(code: str) -> bool:
    """Codice fiscale: names, date and place as letters and digits, and a check letter."""
    letters = [chr(ord("A") + int(each)) if each.isdigit() else each for each in code[:15]]
    odd = sum("BAKPLCQDREVOSFTGUHMINJWZYX".index(each) for each in letters[::2])
    return (odd + sum(ord(each) - ord("A") for each in letters[1::2])) % 26 == ord(code[15]) - 65


def is_spanish(code: str) -> bool:
    """DNI and NIE: a number and a check letter."""
    number = str("XYZ".index(code[0])) + code[1:-1] if code[0] in "XYZ" else code[:-1]
    return code[-1] == "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]


def is_croatian(code: str) -> bool:
    """OIB: ten digits and a check digit (ISO 7064)."""
    rest = 10
    for each in code[:10]:
        rest = ((rest + int(each)) % 10 or 10) * 2 % 11
    return (rest + int(code[10])) % 10 == 1


def is_belgian(code: str) -> bool:
    """Belgium: date, number, and what is left by 97; births since 2000 count with a 2 before."""
    return int(code[9:]) in (97 - int(code[:9]) % 97, 97 - int("2" + code[:9]) % 97)


def is_ukrainian(code: str) -> bool:
    """РНОКПП: days since 1899, number, check digit."""
    is_right = check_digits(BY_11_OR_0, (-1, 5, 7, 9, 4, 6, 10, 5, 7))(code)
    return is_right and int(code[:5]) < MOST_DAYS


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


def is_taiwanese(code: str) -> bool:
    """Taiwan: a letter for the place, sex, number, check digit."""
    place = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(code[0]) + 10
    return total(f"{place}{code[1:]}", (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)) % 10 == 0


def is_german(code: str) -> bool:
    """IdNr: of ten digits one stands twice or three times, the others once; check (ISO 7064)."""
    counts = sorted(map(code[:10].count, {*code[:10]}))
    return counts[-1] in (2, 3) and counts[-2] == 1 and is_croatian(code)


def is_austrian(code: str) -> bool:
    """Austria: number, check digit, day, month, year; months up to 15 where a day is full."""
    is_date = 1 <= int(code[4:6]) <= 31 and 1 <= int(code[6:8]) <= 15
    return is_date and total(code, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) % 11 == int(code[3])


def is_hungarian(code: str) -> bool:
    """Hungary: sex and century, date, number, check digit; its weights fall since 1997."""
    return int(code[10]) in (total(code, range(1, 11)) % 11, total(code, range(10, 0, -1)) % 11)


def is_hungarian_tax(code: str) -> bool:
    """Adóazonosító jel: 8, days since 1867, number, check digit."""
    return int(code[1:6]) < MOST_DAYS_HU and check_digits(BY_11, range(1, 10))(code)


def is_irish(code: str) -> bool:
    """PPS: a number, a check letter, and sometimes a letter that counts too."""
    more = ord(code[8]) - ord("A") + 1 if code[8:] and code[8] != "W" else 0
    return code[7] == "WABCDEFGHIJKLMNOPQRSTUV"[(total(code, range(8, 1, -1)) + 9 * more) % 23]


def is_mexican(code: str) -> bool:
    """CURP: letters of names, date, sex, place, and a check digit."""
    values = ["0123456789ABCDEFGHIJKLMN\u00d1OPQRSTUVWXYZ".index(each) for each in code[:17]]
    return -sum(value * (18 - place) for place, value in enumerate(values)) % 10 == int(code[17])


def is_chilean(code: str) -> bool:
    """RUN: a number, and a check digit of which K is ten."""
    return code[-1] == "0123456789K"[-total(code[-2::-1], (2, 3, 4, 5, 6, 7, 2, 3)) % 11]


MOST_DAYS, MOST_DAYS_HU = 47_000, 59_000
"""Days from 1899-12-31 and from 1867-01-01 to 2028: nobody who has a code was born later."""


class Code(NamedTuple):
    """A code of some countries, and how it is checked without the signs between its digits.

    form: how it is written. check: whether its check digits are right. date: its beginning with MM
    in place of the month and DD of the day. months, days: what is added to a month or a day for
    another century or for who is no citizen. word: what must stand before it in its line, of a code
    that other numbers pass for too often.
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
            month, day = self.date.index("MM"), self.date.index("DD")
            month, day = int(code[month : month + 2]), int(code[day : day + 2])
            if not is_day(month % self.months, day % self.days):
                return False
        return self.check(code)


AADHAAR = "aa?dh?aa?r|uidai|आधार|আধার|ਆਧਾਰ|આધાર|ଆଧାର|ஆதார்|ఆధార్|ಆಧಾರ್|ആധാർ|آدھار"
TAX_UA = r"РНОКПП|\b(?:ІПН|ИНН)\b|(?:ідентифікаційн|идентификационн|податков|налогов)\w*"
INSURANCE_CA = r"\b(?-i:SIN|NAS)\b|social insurance|assurance sociale"
FORM_RO = r"[1-9][ -]?\d\d[ -]?\d\d[ -]?\d\d[ -]?\d\d[ -]?\d{3}[ -]?\d"
FORM_FR = r"[1278][ .-]?\d\d[ .-]?\d\d[ .-]?(?:\d\d|2[AB])[ .-]?\d{3}[ .-]?\d{3}[ .-]?\d\d"
FORM_IT = r"[A-Z]{3} ?[A-Z]{3} ?\d\d[A-EHLMPR-T]\d\d ?[A-Z][0-9LMNP-V]{3}[A-Z]"
FORM_TH = r"[1-8](?P<gap>[ -])\d{4}(?P=gap)\d{5}(?P=gap)\d\d(?P=gap)\d"

NORWEGIAN = check_digits(MINUS_11, (3, 7, 6, 1, 8, 9, 4, 5, 2), (5, 4, 3, 2, 7, 6, 5, 4, 3, 2))
LATVIAN = check_digits("12345678900", (10, 5, 8, 4, 2, 1, 6, 3, 7, 9))
POLISH = check_digits(MINUS_10, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3))
BULGARIAN = check_digits(BY_11_OR_0, (2, 4, 8, 5, 10, 9, 7, 3, 6))
IRANIAN = check_digits("01987654321", range(10, 1, -1))
YUGOSLAV = check_digits(MINUS_11, (7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2))
SWISS = check_digits(MINUS_10, (1, 3) * 6)
BRAZILIAN = check_digits(MINUS_11_OR_0, range(10, 1, -1), range(11, 1, -1))
CHINESE = check_digits("10X98765432", (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))
KOREAN = check_digits(MINUS_11_OR_1, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5))
THAI = check_digits(MINUS_11_OR_1, range(13, 1, -1))
ICELANDIC = check_digits(MINUS_11, (3, 2, 7, 6, 5, 4, 3, 2))
MOLDOVAN = check_digits(BY_10, (7, 3, 1) * 4)
ARGENTINE = check_digits("09987654321", (5, 4, 3, 2, 7, 6, 5, 4, 3, 2))
PORTUGUESE = check_digits(MINUS_11_OR_0, range(9, 1, -1))
JAPANESE = check_digits(MINUS_11_OR_0, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2))
DUTCH = check_digits(BY_11, range(9, 1, -1))
HUNGARIAN_INSURANCE = check_digits(BY_10, (3, 7) * 4)
AUSTRALIAN = check_digits(BY_11, (1, 4, 3, 7, 5, 8, 6, 9))
BRITISH = check_digits(MINUS_11, range(10, 1, -1))

CODES = (
    Code("RO", FORM_RO, is_romanian, ".YYMMDD"),
    Code("FR", FORM_FR, is_french),
    Code("RU", r"\d{3}[ -]?\d{3}[ -]?\d{3}[ -]?\d\d", is_snils),
    Code("RU", r"\d{12}", is_inn),
    Code("EE LT", r"[1-8]\d{10}", is_baltic, ".YYMMDD"),
    Code("LV", r"\d{6}-?[0-2]\d{4}", LATVIAN, "DDMMYY"),  # Those from 2017 on have none.
    Code("FI", r"\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]", is_finnish, "DDMMYY"),
    Code("SE", r"(?:19|20)?\d{6}[-+]?\d{4}", is_swedish),
    Code("NO", r"\d{6} ?\d{5}", NORWEGIAN, "DDMMYY", days=40),
    Code("PL", r"\d{11}", POLISH, "YYMMDD", months=20),  # PESEL
    Code("CZ SK", r"\d{6}/?\d{4}", is_czech),
    Code("BG", r"\d{10}", BULGARIAN, "YYMMDD", months=20),
    Code("KZ", r"\d{6}[0-6]\d{5}", is_kazakh, "YYMMDD"),
    Code("TR", r"[1-9]\d{10}", is_turkish),
    Code("IR", r"\d{3}-?\d{6}-?\d", IRANIAN),
    Code("IT SM", FORM_IT, is_italian),
    Code("ES", r"(?:\d{8}|[XYZ]-?\d{7})-?[A-HJ-NP-TV-Z]", is_spanish),
    Code("BA ME MK RS SI XK", r"\d{13}", YUGOSLAV, "DDMMYYY"),  # JMBG
    Code("HR", r"\d{11}", is_croatian),
    Code("BE", r"\d\d\.?\d\d\.?\d\d[ -]?\d{3}[ .-]?\d\d", is_belgian, "YYMMDD", months=20),
    Code("CH LI", r"756\.?\d{4}\.?\d{4}\.?\d\d", SWISS),
    Code("BR", r"\d{3}\.?\d{3}\.?\d{3}[-/]?\d\d", BRAZILIAN),  # CPF
    Code("CN", r"[1-9]\d{5}(?:19|20)\d{9}[\dX]", CHINESE, "......YYYYMMDD"),
    Code("TW", r"[A-Z][12]\d{8}", is_taiwanese),
    Code("KR", r"\d{6}-?[1-8]\d{6}", KOREAN, "YYMMDD"),  # None since October 2020.
    Code("TH", FORM_TH, THAI),
    Code("ZA", r"\d{6} ?\d{4} ?[012]\d\d", is_luhn, "YYMMDD"),
    Code("GR", r"\d{11}", is_luhn, "DDMMYY"),  # AMKA
    Code("DE", r"[1-9]\d ?\d{3} ?\d{3} ?\d{3}", is_german),
    Code("AT", r"[1-9]\d{3} ?\d{6}", is_austrian),
    Code("HU", r"[1-8][ -]?\d{6}[ -]?\d{4}", is_hungarian, ".YYMMDD"),
    Code("HU", r"8\d{9}", is_hungarian_tax),
    Code("IS", r"\d{6}-?\d{3}[089]", ICELANDIC, "DDMMYY"),  # Kennitala
    Code("IE", r"\d{7}[A-W][A-IW]?", is_irish),
    Code("MD", r"[02]\d{12}", MOLDOVAN),  # IDNP
    Code("MX", r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[0-9A-Z]\d", is_mexican, "....YYMMDD"),
    Code("AR", r"2[0347]-?\d{8}-?\d", ARGENTINE),  # CUIL and CUIT of persons
    Code("EC", r"(?:[01]\d|2[0-4]|30)[0-5]\d{6}-?\d", is_luhn),
    Code("CL", r"[1-4]?\d\.?\d{3}\.?\d{3}-[\dK]", is_chilean),
    Code("UA", r"[1-4]\d{9}", is_ukrainian, word=TAX_UA),
    # NIF: those of persons begin with 1, 2 or 3.
    Code("PT", r"[123]\d{2} ?\d{3} ?\d{3}", PORTUGUESE, word=r"\bNIF\b|contribuinte|fiscal"),
    Code("IN", r"[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}", is_indian, word=AADHAAR),
    Code("JP", r"\d{4}[ -]?\d{4}[ -]?\d{4}", JAPANESE, word="マイナンバー|個人番号"),
    Code("TH", r"[1-8]\d{12}", THAI, word="บัตรประชาชน|ประจำตัวประชาชน|เลขประจำตัว"),
    Code("NL", r"\d{4}\.?\d\d\.?\d{3}", DUTCH, word=r"\bbsn\b|burgerservice|sofi-?nummer"),
    Code("IL", r"\d{8}-?\d", is_luhn, word=r"\bת\.?ז\b|\bת[\"״]ז\b|תעודת זהות|מספר זהות"),
    Code("HU", r"\d{3}[ -]?\d{3}[ -]?\d{3}", HUNGARIAN_INSURANCE, word=r"\bTAJ\b"),
    Code("CA", r"\d{3}[ -]?\d{3}[ -]?\d{3}", is_luhn, word=INSURANCE_CA),
    Code("AU", r"\d{3} ?\d{3} ?\d{3}", AUSTRALIAN, word=r"\bTFN\b|tax file"),
    Code("GB", r"\d{3}[ -]?\d{3}[ -]?\d{4}", BRITISH, word=r"\bNHS\b"),
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
        bare = found if code.check is is_finnish else regex.sub(r"[ ./+-]", "", found)
        if len(set(bare)) > 2 and code.is_right(bare):
            near = before[-WORD_BEFORE:]
            if not code.word or regex.search(code.word, near, regex.IGNORECASE):
                return True
    return False
