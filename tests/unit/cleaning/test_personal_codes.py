"""Codes of persons and numbers of accounts: one right digit in each place."""

import random
from itertools import product
from pathlib import Path

import pytest
import regex

from endonym.cleaning.personal_codes import IBAN, codes, codes_of, iban_within, is_code

RIGHT = {
    "RO": "1800101221144", "FR": "255081416802538", "RU": "11223344595", "EE LT": "37605030299",
    "LV": "161175-19997", "FI": "131052-308T", "SE": "880320-0016", "NO": "15108695088",
    "PL": "44051401359", "CZ SK": "710319/2745", "BG": "7523169263", "TR": "17291716060",
    "IR": "0499370899", "IT SM": "RCCMNL83S18D969H", "ES": "54362315K",
    "BA ME MK RS SI XK": "0101006500006", "HR": "33392005961", "BE": "85.07.30-033 28",
    "CH LI": "756.9217.0769.85", "UA": "3175204866", "BR": "529.982.247-25", "PT": "258147369",
    "CN": "11010519491231002X", "TW": "A123456789", "KR": "900215-1234562",
    "TH": "1-2345-67890-12-1", "ZA": "800101 5009 087", "GR": "01019812344", "DE": "86 095 742 719",
    "AT": "1237 010180", "HU": "8574126403", "IE": "1234567T", "MD": "2004001123452",
    "MX": "HEGG560427MVZRRL04", "AR": "20-12345678-6", "EC": "1710034065", "CL": "12.345.678-5",
    "IN": "2341 2341 2346", "JP": "123456789018", "NL": "111222333", "IL": "123456782",
    "CA": "046 454 286", "AU": "123 456 782", "GB": "943 476 5919",
}  # fmt: skip
"""Published examples, or numbers with the right digit, by the countries of a code."""
BARE = {name: regex.sub(r"[ ./]|(?<!52)-", "", code) for name, code in RIGHT.items()}
BARE |= {"KZ": "900101300006", "SE": "8803200016"}
BEFORE = {
    "UA": "Мій РНОКПП — ", "PT": "o NIF é ",
    "IN": "আধার নম্বর: ", "JP": "マイナンバーは", "NL": "Mijn BSN is ", "IL": "תעודת זהות ",
    "CA": "Son numéro d’assurance sociale : ", "AU": "my tax file number is ", "GB": "NHS number ",
}  # fmt: skip
"""By the country of a code that needs a word: what stands before it."""


@pytest.mark.parametrize(("countries", "code"), RIGHT.items())
def test_a_right_code_is_found_and_no_other_last_sign_is(countries: str, code: str) -> None:
    country = (countries.split()[0],)
    before = BEFORE.get(countries, "")
    assert is_code(code, country, before)
    assert is_code(code, country) == (not before)
    pattern = codes_of(country)
    assert pattern.search(f"код {code}, тагын")
    signs = "0123456789" if code[-1].isdigit() else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    others = [code[:-1] + sign for sign in signs if sign != code[-1]]
    assert not [each for each in others if is_code(each, country, before)]


def test_every_form_of_two_persons_in_kazakhstan_and_russia_is_checked() -> None:
    assert is_code("500100732259", ("RU",))
    assert not is_code("500100732258", ("RU",))
    kazakh = [f"90010130000{digit}" for digit in range(10)]
    assert sum(is_code(each, ("KZ",)) for each in kazakh) == 1


def test_an_austrian_number_may_have_a_thirteenth_month() -> None:
    weights = [3, 7, 9, 0, 5, 8, 4, 2, 1, 6]
    for month, is_right in ((12, True), (13, True), (15, True), (16, False)):
        digits = f"1250{11:02}{month:02}80"
        check = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True)) % 11
        assert check < 10
        assert is_code(f"125{check}{digits[4:]}", ("AT",)) is is_right


def test_a_code_is_that_of_a_country_of_the_language() -> None:
    assert not is_code(RIGHT["RO"], ("FR",))
    assert codes_of(("GE",)) is None
    assert codes_of(()) is None


def test_digits_that_are_nearly_all_alike_are_no_code() -> None:
    codes = [("CZ", "0000000000"), ("TR", "11111111111"), ("HR", "00000000001")]
    for country, code in (*codes, ("TR", "11111111110"), ("RU", "01000001010")):
        assert not is_code(code, (country,))


@pytest.mark.parametrize(("country", "code"), [("BG", "7523169263"), ("PL", "44051401359")])
def test_a_sum_of_money_is_no_code(country: str, code: str) -> None:
    pattern = codes_of((country,))
    for money in (f"{code},50 lv", f"{code}.5", f"${code}", f"€{code}"):
        assert not pattern.search(money)
    for text in (f"{code}, 50", f"({code})", f"{code}.", f"{code},"):
        assert pattern.search(text), text


def test_a_number_of_an_account_ends_where_its_country_says() -> None:
    assert iban_within("GB82 WEST 1234 5698 7654 32 ABC") == "GB82 WEST 1234 5698 7654 32"
    assert iban_within("GB82WEST123456987654321") == ""
    assert iban_within("GB82WEST1234569876543") == ""
    assert iban_within("GE29NB0000000101904917") == "GE29NB0000000101904917"


def test_no_code_of_a_country_is_missing_from_the_examples() -> None:
    assert {each.countries for each in codes()} == {*RIGHT, "KZ", "IS"}


def test_a_rest_of_ten_is_the_digit_1_in_romania_and_corsica_has_letters_in_france() -> None:
    codes = [f"180010122002{digit}" for digit in range(10)]
    assert [code for code in codes if is_code(code, ("RO",))] == [codes[1]]
    assert is_code("185052B03302587", ("FR",))
    assert not is_code("185052A03302587", ("FR",))


WITHOUT_ZEROS = {
    "RO": "2891127359712", "RU": "62621558584 951666217212", "EE": "48911271331 48911277875",
    "LV": "27118914458", "SE": "8911271834", "NO": "27118932299", "PL": "89112728673",
    "CZ": "8911274394", "BG": "8911273792", "KZ": "891127368561 891127329681",
    "TR": "35356626376", "IR": "1738752429", "BA": "2711989943279", "HR": "51926361533",
    "BE": "89112737415", "CH": "7563246311413",
}  # fmt: skip
"""Right codes in which each digit counts; in some of them by the second weights."""


@pytest.mark.parametrize(("country", "codes"), WITHOUT_ZEROS.items())
def test_each_digit_has_its_weight(country: str, codes: str) -> None:
    for code in codes.split():
        assert is_code(code, (country,))
        others = [f"{code[:-2]}{more:02}" for more in range(100) if f"{more:02}" != code[-2:]]
        assert sum(is_code(each, (country,)) for each in others) <= 12


PLAIN = {*range(1, 13)}
CENTURIES = {month + more for month in PLAIN for more in (0, 20, 40)}
CZECH = {month + more for month in PLAIN for more in (0, 20, 50, 70)}
DAYS = {*range(1, 32)}
DATED = {
    "RO": ("289{month}{day}359{free}", PLAIN, DAYS),
    "FR": ("285{month}78006084{free}", {*PLAIN, *range(20, 43)}, set[int]()),
    "EE": ("489{month}{day}13{free}", PLAIN, DAYS),
    "LV": ("{day}{month}8914{free}", PLAIN, DAYS),
    "FI": ("{day}{month}52-308{free}", PLAIN, DAYS),
    "SE": ("89{month}{day}1{free}", PLAIN, DAYS | {day + 60 for day in DAYS}),
    "NO": ("{day}{month}893{free}", PLAIN, DAYS | {day + 40 for day in DAYS}),
    "PL": ("89{month}{day}28{free}", CENTURIES, DAYS),
    "CZ": ("89{month}{day}4{free}", CZECH, DAYS),
    "BG": ("89{month}{day}3{free}", CENTURIES, DAYS),
    "KZ": ("89{month}{day}368{free}", PLAIN, DAYS),
    "BA": ("{day}{month}98994{free}", PLAIN, DAYS),
    "BE": ("89{month}{day}37{free}", CENTURIES, DAYS),
    "CN": ("1101051949{month}{day}00{free}", PLAIN, DAYS),
}
"""By country a code with a month, a day and free digits; the months and the days that it can have.

The month tells the century in some, and the sex in Czechia; the day who is no citizen in others.
"""


@pytest.mark.parametrize("country", DATED)
def test_the_date_in_a_code_can_be_one(country: str) -> None:
    template, months, days = DATED[country]
    is_right = next(each.is_right for each in codes() if country in each.countries.split())

    def can_be(month: int, day: int) -> bool:
        given = {"month": f"{month:02}", "day": f"{day:02}"}
        length = next(len(code) for name, code in BARE.items() if country in name)
        count = length - len(template.format(free="", **given))
        signs = {"FI": "0123456789ABCDEFHJKLMNPRSTUVWXY", "CN": "0123456789X"}
        frees = ("".join(free) for free in product(signs.get(country, "0123456789"), repeat=count))
        return any(is_right(template.format(free=free, **given)) for free in frees)

    dates = [(month, 15) for month in sorted(months)] + [(11, day) for day in sorted(days)]
    assert [date for date in dates if not can_be(*date)] == []
    never = [(month, 15) for month in (0, 13, 19, 43) if month < 43 or country == "FR"]
    if days:
        never += [(11, day) for day in (0, 32, 40, 60, 72) if day not in days]
    assert [date for date in never if can_be(*date)] == []


def test_the_check_letter_of_italy_is_that_of_its_published_table() -> None:
    odd = "BAKPLCQDREVOSFTGUHMINJWZYX"  # each stands at its value
    for first, third in zip(odd, odd[::-1], strict=True):
        letters = f"{first}C{third}MNL"
        start = [*letters, *"83S18D969"]
        values = [
            odd.index(sign if sign.isalpha() else chr(ord("A") + int(sign)))
            if place % 2 == 0
            else (ord(sign) - ord("A") if sign.isalpha() else int(sign))
            for place, sign in enumerate(start)
        ]
        code = "".join(start) + chr(ord("A") + sum(values) % 26)
        assert is_code(code, ("IT",))


def test_the_numbers_of_accounts_of_the_registry_are_known_to_their_last_sign() -> None:
    published = (
        "NO9386011117947 BE68539007547034 FI2112345600000785 MK07250120000058984 "
        "KZ86125KZT5004100100 CH9300762011623852957 DE89370400440532013000 "
        "AE070331234567890123456 RO49AAAA1B31007593840000 ES9121000418450200051332 "
        "PT50000201231234567890154 TR330006100519786457841326 FR1420041010050500013M02606 "
        "PL61109010140000071219812874 AZ21NABZ00000000137010001944 "
        "UA213223130000026007233566001 JO94CBJO0010000000000131000302 "
        "MT84MALT011000012345MTLCAST001S LC55HEMM000100010012001200023015 "
        "RU0304452522540817810538091310419 "
        # Of countries that are not in the registry.
        "IR820540102680020817909002 DZ580002100001113000000570 AO06004400006729503010102 "
        "BJ66BJ0610100100144390000769 BF42BF0840101300463574000390 CV64000300004547069110176 "
        "CM2110002000300277976315008 TD8960002000010271091600153 KM4600005000010010904400137 "
        "CG3930011000101013451300019 CI93CI0080111301134291200589 GQ7050002001003715228190196 "
        "GA2140021010032001890020126 GW04GW1430010181800637601 MG4600005030071289421016045 "
        "ML13ML0160120102600100668497 MA64011519000001205000534921 MZ59000301080016367102371 "
        "NE58NE0380100100130305000268 SN08SN0100152000048500003035 TG53TG0090604310346500400070"
    )
    for number in published.split():
        assert iban_within(number) == number
        assert iban_within(f"{number} 7") == number
        assert iban_within(f"{number}7") == ""
        assert iban_within(number[:2] + f"{(int(number[2:4]) + 1) % 100:02}" + number[4:]) == ""


def test_an_account_is_found_in_any_groups_and_before_capitals() -> None:
    french, iranian = "FR14 20041 01005 0500013M026 06", "IR82 0540 1026 8002 0817 9090 02"
    for number in (french, "RO49.AAAA.1B31.0075.9384.0000", "KZ86-125KZT-5004100100", iranian):
        told = f"Contul {number} LA BANCA"
        assert iban_within(IBAN.search(told)[0]) == number
        assert iban_within(IBAN.search(told.replace("1", "2"))[0]) == ""


def test_of_ten_digits_one_alone_is_repeated_in_germany() -> None:
    """One digit stands twice or thrice; none, two, or one four times make no number."""
    for begin in ("8609574271", "8609574771", "8609574211"):
        assert sum(is_code(f"{begin}{check}", ("DE",)) for check in range(10)) == 1
    for begin in ("8609577771", "8609574213", "8609574781", "8609577781"):
        assert not any(is_code(f"{begin}{check}", ("DE",)) for check in range(10))


def test_the_county_in_a_code_of_romania_can_be_one() -> None:
    every = [[f"2891127{county:02}{free:04}" for free in range(100)] for county in range(100)]
    found = {n for n, some in enumerate(every) if any(is_code(each, ("RO",)) for each in some)}
    assert found == {*range(1, 53), 70, 80, 81, 82, 83}


def test_the_first_numbers_of_insurance_in_russia_had_no_check_digits() -> None:
    for number, are_checked in (("001001998", False), ("001001999", True)):
        codes = [f"{number}{check:02}" for check in range(100)]
        assert any(is_code(code, ("RU",)) for code in codes) == are_checked


def test_codes_of_one_country_in_its_several_forms() -> None:
    assert is_code("18703312454", ("HU",))  # weights of before 1997 and of after it
    assert is_code("1 870331 2457", ("HU",))
    assert not is_code("1 870331 2456", ("HU",))
    assert is_code("123 005 788", ("HU",), "TAJ-szám: ")
    assert not is_code("123 005 789", ("HU",), "TAJ-szám: ")
    assert is_code("1234567890121", ("TH",), "เลขประจำตัวประชาชน ")
    assert not is_code("1234567890121", ("TH",))
    assert [each for each in range(10) if is_code(f"1201740{each}29", ("IS",))] == [0]
    assert not is_code("1213740029", ("IS",))
    assert is_code("1234567FA", ("IE",))
    assert is_code("1234567TW", ("IE",))


OTHER_FORMS = {
    "IT": ["rccmnl83s18d969h", "RCC MNL 83S18 D969H"],
    "ES": ["54362315k", "X1234567L", "Y-1234567-X"],
    "FI": ["131052-308t"],
    "RO": ["1 800101 221144", "1 80 01 01 22 114 4"],
    "FR": ["1-85-05-78-006-084-91", "1 850578 006084 91"],
    "CN": ["11010519491231002x"],
}


@pytest.mark.parametrize("country", OTHER_FORMS)
def test_small_letters_and_other_groups_are_as_right(country: str) -> None:
    for code in OTHER_FORMS[country]:
        assert codes_of((country,)).search(f"код {code}, тагын")[0] == code
        assert is_code(code, (country,))


def test_of_random_digits_at_most_one_in_ten_is_a_code_that_needs_no_word() -> None:
    draw = random.Random(1)
    for code in codes():
        of = (code.countries.split()[0],)
        for length in range(9, 14):
            drawn = (f"{draw.randrange(10**length):0{length}}" for _ in range(300))
            passed = sum(is_code(each, of) for each in drawn)
            assert passed <= 300 * 0.15, (code.countries, length)


def test_the_documentation_lists_the_countries_whose_codes_are_found() -> None:
    text = (Path(__file__).parents[3] / "docs" / "cleaning.md").read_text(encoding="utf-8")
    found = [
        regex.search(rf"{words} ([A-Z, \n]+)\.", text)
        for words in ("found without a word:", "twelve digits often pass, too:")
    ]
    listed = [{*match[1].replace(",", " ").split()} for match in found if match]
    bare = {each for code in codes() if not code.word for each in code.countries.split()}
    every = {each for code in codes() for each in code.countries.split()}
    assert listed == [bare, every - bare]


@pytest.mark.parametrize(
    ("country", "template", "last"),
    [("UA", "{days:05}{free}", 46_999), ("HU", "8{days:05}{free}", 58_999)],
)
def test_the_days_in_a_code_have_passed(country: str, template: str, last: int) -> None:
    def can_be(days: int) -> bool:
        texts = (
            template.format(days=days, free=f"{free:05}")[:10] for free in range(0, 100_000, 10)
        )
        return any(is_code(text, (country,), BEFORE.get(country, "")) for text in texts)

    assert can_be(20_000)
    assert can_be(last)
    assert not can_be(last + 1)
    assert not can_be(99_000)


def test_an_account_has_at_least_ten_digits() -> None:
    """Norway has thirteen. Letters may stand where a country has digits, but not in so many."""
    letters = {n: "A" * (11 - n) + "1" * n for n in range(12)}
    right = {}
    for n, bban in letters.items():
        for check in range(2, 99):
            text = f"NO{check:02}{bban}"
            if int("".join(str(int(each, 36)) for each in text[4:] + text[:4])) % 97 == 1:
                right[n + 2] = text
    assert {n for n, text in right.items() if iban_within(text)} == {n for n in right if n >= 10}


def test_a_check_digit_of_ten_is_written_as_nought_and_days_come_before_months() -> None:
    """Of Brazil and Iceland."""
    (is_right,) = (each.is_right for each in codes() if each.countries == "BR")
    noughts = []
    for number in range(100_000_000, 100_000_400):
        first = sum(int(each) * (10 - n) for n, each in enumerate(str(number)))
        if -first % 11 == 10:
            second = sum(int(each) * (11 - n) for n, each in enumerate(f"{number}0"))
            noughts.append(f"{number}0{-second % 11 % 10}")
    assert noughts
    assert all(map(is_right, noughts))
    late = [f"251174{n:02}{check}9" for n in range(20, 100) for check in range(10)]
    assert any(is_code(code, ("IS",)) for code in late)
    assert not any(is_code(f"1125{code[4:]}", ("IS",)) for code in late)
