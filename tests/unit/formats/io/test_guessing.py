"""Which old encoding a text is in."""

import random
from pathlib import Path
from typing import Any

import pytest
from text_samples import (
    FRENCH,
    PERSIAN,
    ROMANIAN,
    TATAR,
    in_cp1256,
    kept,
    records,
    refused,
    write,
)

from endonym.formats.io.guessing import guess, is_certain, is_of_script

ARABIC = [
    "ذهب الولد إلى المدرسة في الصباح الباكر مع أخته.",
    "هل رأيت القمر في السماء هذه الليلة ؟",
    "كتبت البنت رسالة طويلة إلى جدتها، ثم نامت.",
    "نحن لا نعرف الطريق إلى البحر.",
] * 20
HEBREW = ["הילד הלך לבית הספר עם אחותו בבוקר.", "וקרא שם ספר יפה על הים."] * 20
RUSSIAN = ["Солнце взошло над рекой, и рыбаки вышли на берег.", "Дети спали долго."] * 20
TURKISH = [
    "Öğretmenine gül verdi, çocuk bahçede koşuyordu.",
    "Şeftali ağacının altında ılık bir rüzgâr esiyor; iğne deliğinden geçen iplik gibi ince.",
    "Küçük kız şarkı söyledi, kuş öttü.",
] * 20
GERMAN = [
    "Die Mädchen und Jungen gehen über die Brücke.",
    "Süße Äpfel wachsen am großen Baum, und Öl fließt aus der Mühle.",
] * 40
COMMAS = str.maketrans("şţŞŢ", "șțȘȚ")
ROMANIAN_CEDILLAS = [line.translate(str.maketrans("șțȘȚ", "şţŞŢ")) for line in ROMANIAN * 20]


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("\r\n".join(PERSIAN * 20).encode("cp1256"), "cp1256"),
        (in_cp1256("\r\n".join(PERSIAN * 20)), "cp1256"),
        ("\n".join(ARABIC).encode("iso8859_6"), "iso8859-6"),
        ("\n".join(ARABIC).encode("cp1256"), "cp1256"),
    ],
)
def test_the_script_of_the_text_decides_among_encodings(tmp_path: Path, data: bytes, encoding: str):
    path = write(tmp_path, "a.txt", data)
    found = records(path, document="line", script="arabic")
    assert kept(found) == [line.rstrip("\r") for line in data.decode(encoding).split("\n")]
    assert found[0].meta == {"encoding": encoding}


def test_without_a_script_a_likely_encoding_is_named_with_its_first_words(tmp_path: Path):
    path = write(tmp_path, "a.txt", in_cp1256("\r\n".join(PERSIAN * 20)))
    (refusal,) = refused(records(path))
    assert refusal.reason == "unknown_encoding"
    assert "cp1256" in refusal.detail
    assert "دوست" in refusal.detail
    assert "several" not in refusal.detail


@pytest.mark.parametrize(
    ("lines", "encoding"),
    [
        *(
            (PERSIAN * 20, "cp1256"),
            (ARABIC, "iso8859_6"),
            (HEBREW, "cp1255"),
            (HEBREW, "iso8859_8"),
        ),
        *((RUSSIAN, "cp1251"), (RUSSIAN, "koi8_r"), (RUSSIAN, "cp866"), (RUSSIAN, "iso8859_5")),
        *(
            (RUSSIAN, "mac_cyrillic"),
            (HEBREW, "cp862"),
            (TURKISH, "cp857"),
            (TURKISH, "mac_turkish"),
        ),
        *((GERMAN, "mac_roman"), (ROMANIAN_CEDILLAS, "mac_romanian")),
        (ARABIC[:3], "cp1256"),  # Greek letters are in the same places.
        *((TATAR, "koi8_r"), (FRENCH * 30, "cp850"), (FRENCH * 30, "cp1252")),
    ],
)
@pytest.mark.parametrize("script", [None, "arabic", "cyrillic", "latin", "greek", "hebrew"])
def test_no_script_makes_a_wrong_encoding_certain(
    lines: list[str], encoding: str, script: str | None
):
    for text in ("\n".join(lines), "\n".join(lines).upper()):
        data = text.encode(encoding, "ignore")
        name, refused = guess(data, script)
        assert refused or data.decode(name) == data.decode(encoding)


def test_letters_of_dos_are_no_signs_of_windows():
    """é is ‚ there, and frequent letters alone make that the better reading."""
    text = "Le péché était un péché, et l'été désiré a été gonflé d'espérance.\n" * 80
    name, refused = guess(text.encode("cp850"), None)
    assert refused or text.encode("cp850").decode(name) == text


@pytest.mark.parametrize(
    ("text", "script", "is_it"),
    [
        ("كتاب خوب، دوستي؟ «است»", "arabic", True),
        ("Le mot كتاب veut dire livre.", "arabic", True),
        ("Mنdchen und Frنulein", "arabic", False),
        ("яД░МД ъЦгД Ещй", "cyrillic", False),
        ("Сдђнд ЯгЗд", "arabic", False),
        ("L’été à la mer", "latin", True),
        ("p‚ch‚ et l‚sine, dès l’été", "latin", False),
        ("ƒeftali ƒeker", "latin", False),
        ("— Ab — cd — ef", "cyrillic", False),
    ],
)
def test_a_text_of_one_script_has_few_other_letters_and_signs(text: str, script: str, is_it: bool):
    assert is_of_script(text, script) == is_it


def test_a_text_of_another_script_than_expected_is_refused_but_for_latin():
    russian = "\n".join(RUSSIAN).encode("cp1251")
    assert guess(russian, "cyrillic") == guess(russian, None) == ("cp1251", None)
    assert guess(russian, "hebrew")[1]
    french = "\n".join(FRENCH * 30).encode("cp1252")
    assert guess(french, "cyrillic") == ("cp1252", None)


def test_noise_is_binary():
    noise = random.Random(1).randbytes(100_000).translate(None, bytes(range(0x20)))
    _, refused = guess(noise, "latin")
    assert refused
    assert refused.reason == "binary"


def test_cedillas_and_commas_below_are_one_letter_of_romanian():
    data = "\n".join(ROMANIAN_CEDILLAS * 20).encode("cp1250")
    name, refused = guess(data, "latin")
    assert not refused
    assert data.decode(name).translate(COMMAS) == data.decode("cp1250").translate(COMMAS)
    both: list[Any] = [Reading(text, 0.0, 0.5) for text in (ROMANIAN[1], ROMANIAN_CEDILLAS[1])]
    assert is_certain(both, 100, 0.02)
    assert is_certain(both[::-1], 100, 0.02)


class Reading:
    """What charset_normalizer says of a reading."""

    def __init__(self, text: str, chaos: float, coherence: float) -> None:
        self.text, self.chaos, self.coherence = text, chaos, coherence

    def __str__(self) -> str:
        return self.text


@pytest.mark.parametrize(
    ("best", "other", "n_bytes", "is_it"),
    [
        ((0.02, 0.4), None, 100, True),
        ((0.021, 0.9), None, 100, False),
        ((0.02, 0.39), None, 100, False),
        ((0.0, 0.5), (0.0, 0.46), 4_096, True),
        ((0.0, 0.5), (0.0, 0.47), 4_096, False),
        ((0.0, 0.5), (0.0, 0.46), 4_095, False),
        ((0.0, 0.5), (0.0, 0.2), 4_095, True),
        ((0.0, 0.5), (0.03, 0.5), 100, True),
        ((0.0, 0.5), (0.029, 0.5), 4_096, False),
    ],
)
def test_the_best_reading_is_certain_if_it_is_better_by_a_margin(
    best: tuple[float, float], other: tuple[float, float] | None, n_bytes: int, is_it: bool
):
    found: list[Any] = [Reading("Бер", *best)]
    found += [Reading("Áåð", *other)] if other else []
    assert is_certain(found, n_bytes, 0.02) == is_it
    if other:
        assert is_certain([*found, Reading("Бер", 0.0, 1.0)], n_bytes, 0.02) == is_it
        assert not is_certain([*found, Reading("Ber", *best)], n_bytes, 0.02)
