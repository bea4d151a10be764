"""Whether the check digits of a person's code are right, country by country.

A code comes without the signs between its digits. `cleaning/person_codes.toml` says which of these
functions checks which code; most codes need only the first one.
"""

from collections.abc import Callable, Sequence


def by_weights(
    signs: str, *weights: Sequence[int], second: Sequence[int] = ()
) -> Callable[[str], bool]:
    """A check of a code: whether the sign behind its first digits is that of their weighted sum.

    signs: the sign for each remainder of that sum by their number. weights: of the first digits; a
    code with several check digits has several. second: weights that are taken instead if the
    remainder is ten.
    """

    def remainder(code: str, first: Sequence[int]) -> int:
        rest = total(code, first) % len(signs)
        return total(code, second) % len(signs) if second and rest == 10 else rest

    return lambda code: all(code[len(each)] == signs[remainder(code, each)] for each in weights)


def digits_of(found: str) -> str:
    """The digits of a number without what divides them."""
    return "".join(each for each in found if each.isdigit())


def total(code: str, weights: Sequence[int]) -> int:
    """The sum of the first digits of a code, each times its weight."""
    return sum(int(digit) * weight for digit, weight in zip(code, weights, strict=False))


def is_day(month: int, day: int) -> bool:
    """Whether these can be the month and day of a date."""
    return 1 <= month <= 12 and 1 <= day <= 31


def is_luhn(code: str) -> bool:
    """Whether the last digit is right (Luhn)."""
    # Every second digit from the right counts twice, as the sum of the digits of its double.
    doubled = sum(sum(divmod(2 * int(each), 10)) for each in code[-2::-2])
    return (total(code[::-2], [1] * len(code)) + doubled) % 10 == 0


def is_french(code: str) -> bool:
    """NIR: sex, year, month, place, number, and a key of two digits. 2A and 2B are Corsica."""
    number = code[:13].upper().replace("2A", "19", 1).replace("2B", "18", 1)
    is_month = 1 <= int(code[3:5]) <= 12 or 20 <= int(code[3:5]) <= 42
    return number.isdigit() and is_month and 97 - int(number) % 97 == int(code[13:])


def is_snils(code: str) -> bool:
    """Insurance number of Russia: nine digits, and their sum by weights from 9 to 1."""
    return int(code[:9]) > 1_001_998 and total(code, range(9, 0, -1)) % 101 % 100 == int(code[9:])


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


def is_italian(code: str) -> bool:
    """Codice fiscale: names, date and place as letters and digits, and a check letter."""
    # At odd places a sign counts by its place in a table, at even ones by its place from A or 0.
    letters = [chr(ord("A") + int(each)) if each.isdigit() else each for each in code[:15]]
    odd = sum("BAKPLCQDREVOSFTGUHMINJWZYX".index(letter) for letter in letters[::2])
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
    """The product of two symmetries of a pentagon: 0 to 4 turn it, 5 to 9 turn it over as well."""
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
