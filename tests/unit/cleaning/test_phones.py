"""Telephone numbers, the words beside them, and what only looks like them."""

import datetime

import pytest

from endonym.cleaning.personal import KINDS, mask
from endonym.cleaning.personal_codes import is_ean
from endonym.cleaning.phones import is_book, phone_word


def masked(text: str, language: str | None = None) -> str:
    for kind in KINDS:
        text = mask(kind, f"<{kind}>", language)(text)
    return text


@pytest.mark.parametrize("form", ["%d.%m.%Y", "%d %m %Y", "%d-%m-%Y", "%Y.%m.%d", "%d. %m. %Y"])
@pytest.mark.parametrize("language", ["fr", "ro", "de", "en", "tt", "km"])
def test_no_date_is_a_telephone_number(language: str, form: str):
    first = datetime.date(1900, 1, 1)
    for days in range(0, 45_000, 97):
        text = f"Il est né le {(first + datetime.timedelta(days)).strftime(form)} à Lyon."
        assert masked(text, language) == text


@pytest.mark.parametrize("form", ["%d.%m.%Y", "%d %m %Y", "%d-%m-%Y", "%Y%m%d", "%Y%m%d%H%M"])
@pytest.mark.parametrize("language", ["fr", "ro", "lv", "et", "en", "uz"])
def test_no_date_beside_a_word_for_a_telephone_is_one(language: str, form: str):
    first = datetime.datetime(1900, 1, 1, 17, 30, tzinfo=datetime.UTC)
    for days in range(0, 45_000, 97):
        text = f"Telefon: {(first + datetime.timedelta(days)).strftime(form)}, mobil"
        assert masked(text, language) == text


AFTER_DATES = [
    ("fr", "né le 08.12.1945, mort le 06 03 2001", "né le 08.12.1945, mort le 06 03 2001"),
    ("fr", "Le 06 03 2001 06 12 34 56 78", "Le 06 03 2001 <phone>"),
    ("fr", "Le 2001 03 06 06 12 34 56 78", "Le 2001 03 06 <phone>"),
    ("fr", "Le 08.12.1945 à Lyon: 06.12.34.56.78", "Le 08.12.1945 à Lyon: <phone>"),
    ("ru", "родился 08-12-1945, +7 843 292 12 34", "родился 08-12-1945, <phone>"),
]


@pytest.mark.parametrize(("language", "text", "found"), AFTER_DATES)
def test_a_number_after_a_date_is_found(language: str, text: str, found: str):
    assert masked(text, language) == found


CUT = [
    ("fr", "Le 06 12 34 56 78 2024 99 12", "Le <phone> 2024 99 12"),
]


@pytest.mark.parametrize(("language", "text", "found"), CUT)
def test_ten_digits_before_other_groups_are_a_number(language: str, text: str, found: str):
    assert masked(text, language) == found


BOOKS_AND_GOODS = [
    "The book 0306406152 is at the library.",
    "Cartea 978 973 46 2083 6 sau 9789734620838 e la raft.",
    "Le livre 0 306 40615 2 est paru chez Plenum.",
    "Lapte 5941234567899, apă 5 941234 567899",
]


@pytest.mark.parametrize("language", ["ro", "fr", "en", "ru", "es"])
@pytest.mark.parametrize("text", BOOKS_AND_GOODS)
def test_numbers_of_books_and_goods_stay(language: str, text: str):
    assert masked(text, language) == text


def test_a_number_beside_a_word_for_calling_is_no_book():
    assert is_book("0722123450")
    assert masked("Cartea 0722123450 e nouă.", "ro") == "Cartea 0722123450 e nouă."
    assert masked("Sunați-mă la 0722123450.", "ro") == "Sunați-mă la <phone>."


def test_a_check_digit_says_what_is_a_book():
    assert is_book("0-306-40615-2")
    assert is_book("080442957x")
    assert is_book("978-0-306-40615-7")
    assert not is_book("0306406153")
    assert is_ean("5941234567899")
    assert not is_ean("5941234567890")
    assert not is_ean("0000000000")
    assert not is_ean("59412345678990")
    assert is_book("99921-58-10-7")
    assert not is_book("99921-58-10-8")


NEED_A_WORD = [
    ("ro", "populația este de 745123456, cod 712345678", ""),
    ("ro", "Tel. 712345678, mob: 745123456", "Tel. <phone>, mob: <phone>"),
    ("ro", "Scrie pe WhatsApp 712345678.", "Scrie pe WhatsApp <phone>."),
    ("ro", "☎ 712345678", "☎ <phone>"),
    ("ro", "cheamă 712345678 (tel.)", "cheamă <phone> (tel.)"),
    ("ro", "telle hotel 712345678", ""),
    ("ro", "Tel. închis\n712345678", ""),
    ("tt", "Бюджет 9171234567 сум, 8432921234 сум", ""),
    ("tt", "тел. 9171234567", "тел. <phone>"),
    ("tt", "89171234567 номеры", "<phone> номеры"),
    ("ro", "0722123456 e al meu", "<phone> e al meu"),
    ("km", "ចំនួន 912345678 រៀល", ""),
]


@pytest.mark.parametrize(("language", "text", "found"), NEED_A_WORD)
def test_an_undivided_number_without_a_prefix_needs_a_word(language: str, text: str, found: str):
    assert masked(text, language) == (found or text)


def test_a_word_stands_near_a_number_or_says_nothing_of_it():
    for between, after in ((34, False), (35, False), (21, True), (22, True)):
        parts = ["tel.", "ș" * between, "712345678"][:: -1 if after else 1]
        assert masked(" ".join(parts), "ro").count("<phone>") == (between in (34, 21))


@pytest.mark.parametrize(
    "text",
    [
        "Телефоны:", "тел.", "Миңа шалтыратыгыз", "Телефонуйте мені", "Тэлефануйце", "Обадете се",
        "Sunați la", "Nr. tel.:", "Tālr.", "Skambinkite", "tel. kom.", "Telemóvel:", "ligue para",
        "Contactați-ne la", "Zəng edin:", "qoʻngʻiroq qiling", "Điện thoại:", "Gọi", "Nipigie",
        "Τηλ.", "Զանգահարեք", "დარეკეთ", "ស្នើទូរស័ព្ទ", "មាន☎", "ስልክ ቁጥር", "फ़ोन", "ফোন", "فون:", "📞",
    ],
)  # fmt: skip
def test_words_for_telephones_and_for_calling_are_found(text: str):
    assert phone_word().search(text)


LIKE_WORDS = [
    "Китапта 671234567 сан бар.",
    "Fondurile orașului, intel, hotel, motel și castel.",
    "Le recalcul du cellier",
    "Отель на скалах, мотель",
    "Ο πατέρας μου",
]


@pytest.mark.parametrize("text", LIKE_WORDS)
def test_words_that_only_begin_or_end_so_are_none(text: str):
    assert not phone_word().search(text)
