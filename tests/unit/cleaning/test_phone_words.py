"""Words beside telephone numbers."""

import pytest

from endonym.cleaning.phones import phone_word


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


@pytest.mark.parametrize(
    "text",
    [
        "Китапта 671234567 сан бар.",
        "Fondurile orașului, intel, hotel, motel și castel.",
        "Le recalcul du cellier",
        "Отель на скалах, мотель",
        "Ο πατέρας μου",
    ],
)
def test_words_that_only_begin_or_end_so_are_none(text: str):
    assert not phone_word().search(text)
