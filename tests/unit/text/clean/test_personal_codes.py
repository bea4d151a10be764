"""Codes of persons and numbers of accounts: one right digit in each place."""

import pytest

from endonym.text.clean.personal_codes import CODES, codes_of, iban_within, is_code

RIGHT = {
    "RO": "1800101221144",
    "FR": "255081416802538",
    "RU": "11223344595",
    "EE LT": "37605030299",
    "LV": "161175-19997",
    "FI": "131052-308T",
    "SE": "880320-0016",
    "NO": "15108695088",
    "PL": "44051401359",
    "CZ SK": "710319/2745",
    "BG": "7523169263",
    "TR": "17291716060",
    "IR": "0499370899",
    "IT SM": "RCCMNL83S18D969H",
    "ES": "54362315K",
    "BA ME MK RS SI XK": "0101006500006",
    "HR": "33392005961",
    "BE": "85.07.30-033 28",
    "CH LI": "756.9217.0769.85",
}
"""Published examples, by the countries of a code."""


@pytest.mark.parametrize(("countries", "code"), RIGHT.items())
def test_a_right_code_is_found_and_no_other_last_sign_is(countries: str, code: str) -> None:
    country = (countries.split()[0],)
    assert is_code(code, country)
    pattern = codes_of(country)
    assert pattern is not None
    assert pattern.search(f"код {code}, тагын")
    signs = "0123456789" if code[-1].isdigit() else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    others = [code[:-1] + sign for sign in signs if sign != code[-1]]
    assert not [each for each in others if is_code(each, country)]


def test_every_form_of_two_persons_in_kazakhstan_and_russia_is_checked() -> None:
    assert is_code("500100732259", ("RU",))
    assert not is_code("500100732258", ("RU",))
    kazakh = [f"90010130000{digit}" for digit in range(10)]
    assert sum(is_code(each, ("KZ",)) for each in kazakh) == 1


def test_a_code_is_that_of_a_country_of_the_language() -> None:
    assert not is_code(RIGHT["RO"], ("FR",))
    assert codes_of(("GE",)) is None
    assert codes_of(()) is None


def test_digits_that_are_nearly_all_alike_are_no_code() -> None:
    assert not is_code("0000000000", ("CZ",))
    assert not is_code("11111111111", ("TR",))


def test_a_number_of_an_account_ends_where_its_country_says() -> None:
    assert iban_within("GB82 WEST 1234 5698 7654 32 ABC") == "GB82 WEST 1234 5698 7654 32"
    assert iban_within("GB82WEST123456987654321") == ""
    assert iban_within("GB82WEST1234569876543") == ""
    assert iban_within("GE29NB0000000101904917") == "GE29NB0000000101904917"


def test_no_code_of_a_country_is_missing_from_the_examples() -> None:
    assert {each.countries for each in CODES} == {*RIGHT, "KZ"}


def test_a_rest_of_ten_is_the_digit_1_in_romania_and_corsica_has_letters_in_france() -> None:
    codes = [f"180010122002{digit}" for digit in range(10)]
    assert [code for code in codes if is_code(code, ("RO",))] == [codes[1]]
    assert is_code("185052B03302587", ("FR",))
    assert not is_code("185052A03302587", ("FR",))
