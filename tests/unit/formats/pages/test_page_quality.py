"""Whether the text layer of a page is text."""

import time

import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, RUSSIAN, TATAR

from endonym.formats.pages.page_quality import quality

OTHERS = {
    "vietnamese": "Vừa rồi, cô ấy đã nói với tôi rằng ngày mai chúng ta sẽ được nghỉ học ở nhà",
    "uzbek": "Sizning kitobingiz o‘qildi va g‘alaba qilindi degan so‘z aytildi bu kun",
    "spanish": "¿Cómo está usted? ¡Qué día! Vive en el 1.º piso, con M.ª José, desde el 3º mes",
    "code": "int main(void) { return fooBar(x->y, &z); } // see getElementById() and $HOME/.rc",
    "contents": "1.1 Урман . . . . . . . . 12\n1.2 Елга . . . . . . . . 15\n1.3 Күл ...... 20",
    "table": "1 234,5 67,8 % 90 12/34 56-78 2026 12:30 — 45 + 6 = 51 Казан 3 4 5 6 7 8",
    "french letters": "Француз хәрефләре: é, è, à, ê, ô, ù, ç — без аларны мәктәптә өйрәнәбез",
}
BROKEN = {
    "no table of letters": ("\ue001\ue002 \ue003\ue004\ue005 " * 6, "without a meaning"),
    "replaced": ("Бүг\ufffdн һ\ufffdва м\ufffdт\ufffdр " * 4, "without a meaning"),
    "signs": ("!\"#$% &'()*+ ,-./ :;<=> ?@[\\] ^_`{|} " * 4, "signs instead"),
    "limon": ("kñúMsURmGrKuNelak RKUEdl)anCYyxJMú kñúgkarsikSa nigsUmCUnBr " * 2, "within words"),
    "cp1251 as latin": ("Áåç áàðàáûç óðìàíãà êөí ñàåí èðòә áåëәí áàëàëàð áàêөàäà " * 2, "accents"),
    "old romanian": ("ºi a plecat spre þarã, unde îl aºtepta cu bucurie ºi cu dor ", "an old font"),
    "two scripts": ("Кaзaн шәhәрe мaтyр бyлa, бeз aндa бapaбыз киләceдә дe ", "two scripts"),
}


@pytest.mark.parametrize(
    "text", [*map(" ".join, (TATAR, KHMER, ROMANIAN, FRENCH, RUSSIAN)), *OTHERS.values()]
)
def test_text_of_every_kind_is_text(text: str):
    score, _ = quality(text)
    assert score >= 0.5


@pytest.mark.parametrize("name", BROKEN)
def test_what_a_broken_font_leaves_is_not_and_the_cause_is_named(name: str):
    text, cause = BROKEN[name]
    score, worst = quality(text)
    assert score < 0.5
    assert cause in worst


OLD_FONTS = {
    "georgian": "saqarTvelos dedaqalaqSi Zveli quCebi da axali saxlebia, xalxi gzaSi gaiTamaSebs",
    "devanagari": "Hkkjr ,d fo'kky ns'k gSA ;gk¡ vusd Hkk\"kk,¡ cksyh tkrh gSaA gekjk ns'k cgqr gS",
    "tamil": "jkpo; ehL Xh; mofhd ehL. mq;Nf gy kiyfSk; MWfSk; cs;sd. kf;fs; kfpo;r;rpahf",
}


@pytest.mark.parametrize("script", OLD_FONTS)
def test_a_script_that_an_old_font_writes_in_latin_letters_is_known_by_the_script(script: str):
    text = OLD_FONTS[script]
    assert quality(text)[0] >= 0.5
    assert quality(text, "latin")[0] >= 0.5
    assert quality(text, script)[0] < 0.5


@pytest.mark.parametrize("script", ["georgian", "cyrillic", "khmer"])
def test_a_page_of_another_language_is_text(script: str):
    english = "The committee of the Ministry of Education (MOE) met in 1998 to read the report."
    numbers = "1998 12 345 iOS 67 890 la 34 tu 1234 un 5678 do 9012 re 3456"
    for text in (" ".join(FRENCH), " ".join(ROMANIAN), english, numbers):
        assert quality(text, script)[0] >= 0.5
    assert quality(" ".join(TATAR), script)[0] >= 0.5


def test_a_page_of_two_scripts_is_judged_as_text_of_both():
    """Only a page that is nearly all Latin may be another script in an old font."""
    page = f"{OLD_FONTS['georgian']} მწვანე ტყეში ძველი სახლი დგას, ხალხი გზაში მღერის"
    assert quality(page, "georgian")[0] >= 0.5
    for more in ("", " Вчера вечером мой брат"):  # in neither
        assert quality(OLD_FONTS["georgian"] + more, "georgian")[0] < 0.5


def test_a_page_with_few_words_is_not_judged():
    assert quality("ºi þ") == (1.0, "")
    assert quality("") == (1.0, "")
    assert quality("Кояш")[0] == 1.0


@pytest.mark.parametrize("sign", [".", "a", "b²", "º", "\ue000", " ", "аa"])
def test_a_page_of_one_sign_without_end_is_judged_at_once(sign: str):
    began = time.monotonic()
    assert 0 <= quality(sign * 2_000_000)[0] <= 1
    assert time.monotonic() - began < 300


def test_a_page_of_torn_arabic_words_is_no_text_and_one_of_short_words_is():
    """In Nastaliq each letter of a word stands at another height."""
    lines = ["پسر صبح زود با خواهرش به مدرسه رفت", "و کتابی زیبا دربارهٔ دریا خواند"] * 12
    torn = ["پسر صبح ز", "و", "د", "با خوا", "هر", "ش به م", "د", "ر", "سه رفت"] * 12
    words = ["آب", "نان", "سیب", "ده", "7 - ب"] * 6
    pieces = [
        (20 * (at % 9), 700 - 24 * (at // 9) + at % 5, 20 * (at % 9) + 18) for at in range(108)
    ]
    cells = [(100 * (at % 3), 700 - 15 * (at // 3), 100 * (at % 3) + 18) for at in range(30)]
    rows = [(100, 700 - 15 * at, 118) for at in range(30)]

    def judged(lines: list[str], places: list[tuple[int, int, int]]) -> tuple[float, str]:
        boxes = [(left, base, right, base + 9, 12) for left, base, right in places]
        return quality("\n".join(lines), "arabic", boxes)

    assert judged(lines, rows)[0] > 0.9
    assert judged(torn, pieces) < (0.5, "words torn into lines")
    for first, second in (("پس", "ر صبح زود با خواهرش"), ("پسر صبح زود با خواهر", "ش")):
        halves = [
            (20 + 60 * (at % 2), 700 - 24 * (at // 2), 75 + 60 * (at % 2)) for at in range(24)
        ]
        assert judged([first, second] * 12, halves) < (0.5, "words torn into lines")
    assert judged(words, rows)[0] > 0.9
    assert judged(words, cells)[0] > 0.9
