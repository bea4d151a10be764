"""Changes that are right in every language."""

import time
import unicodedata
from collections.abc import Callable

import pytest
import regex
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.cleaning.normalize import (
    one_script,
    with_words,
    without_controls,
    without_mojibake,
    without_zero_width,
)
from endonym.cleaning.rules import normalizer
from endonym.formats.config import Clean

ALL = ("nfc", "zero_width", "spaces")
SENTENCES = [*TATAR, *KHMER, *ROMANIAN, *FRENCH]


def cleaned(text: str, *steps: str, script: str | None = None) -> str:
    return normalizer(Clean(normalize=steps, script=script))(text)


def tags(text: str) -> str:
    return "".join(chr(0xE0000 + ord(sign)) for sign in text)


STEPS = [
    (lambda text: cleaned(text, *ALL), []),
    (without_controls, ["кояш\tчыкты\nяктырды"]),
    (
        without_mojibake,
        [
            "„Citatul” rămâne, la fel și « ceci ».",
            "ﬁn et ﬂeur, largeur ＡＢ, L'été &eacute;tait là…",
            "Ã und Â sind Buchstaben.",
        ],
    ),
    (lambda text: without_zero_width(text, None), []),
    (one_script("cyrillic"), ["MP3 форматы", "3D модель"]),
]


@pytest.mark.parametrize(("step", "others"), STEPS)
def test_good_text_stays_the_same_object(step: Callable[[str], str], others: list[str]):
    for text in [*SENTENCES, *others]:
        assert step(text) is text


@pytest.mark.parametrize("text", ROMANIAN + FRENCH + TATAR)
def test_letters_in_pieces_become_letters(text: str):
    assert cleaned(unicodedata.normalize("NFD", text), "nfc") == text


@pytest.mark.parametrize("end", ["\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029"])
def test_every_line_end_becomes_a_line_feed(end: str):
    assert cleaned(f"{TATAR[0]}{end}{TATAR[1]}", "spaces") == f"{TATAR[0]}\n{TATAR[1]}"
    if "\r" not in end:
        assert without_controls(f"{TATAR[0]}{end}{TATAR[1]}") == f"{TATAR[0]}\n{TATAR[1]}"


def test_blanks_become_single_spaces_and_paragraphs_stay():
    assert cleaned(" a\u00a0b \t c\u3000\u2009d\u202f: ", "spaces") == "a b c d :"
    assert cleaned("\n a \n \t\n\n\n b \nc\n\n", "spaces") == "a\n\nb\nc"
    assert cleaned("бер\0ике\x02өч\x1b\x7f\x9a\0\0дүрт", "spaces") == "бер икеөч дүрт"
    for steps in (ALL, ("spaces", "zero_width"), ("zero_width", "spaces", "nfc")):
        assert cleaned("Бу \u200d\u200c\u2060 балыкны", *steps) == "Бу балыкны"
    odd = " a\u0306 \r\n\u200b\0 "
    assert cleaned(odd) == odd  # no step is asked for


@pytest.mark.parametrize("marks", ["\u0301\u0323", "\u0344\u0327", "\u0323\u0345\u0301"])
def test_stacked_marks_are_put_in_order_in_linear_time(marks: str):
    small = "ә" + marks * 40 + "ө"
    assert cleaned(small, "nfc") == unicodedata.normalize("NFC", small)
    start = time.process_time()
    large = cleaned("ә" + marks * 30_000 + "ө", "nfc")
    assert time.process_time() - start < 1  # unsorted marks take several seconds
    assert unicodedata.is_normalized("NFC", large)


def test_long_runs_of_anything_take_linear_time():
    start = time.process_time()
    for run in (" ", "\n", " \n", "\0", "\u200b", "\u0336", "\u00a0\t", "\u200d\u200c"):
        cleaned("a" + run * 300_000 + "b", *ALL)
    for run in ("a", "gbeng", "gbsct\x7f"):
        assert without_controls("Ecosse 🏴" + tags(run) * 50_000).startswith("Ecosse 🏴")
        assert without_controls("🏴" * 100_000 + tags(run)).startswith("🏴")
    with_words("б" * 1_000_000 + "a" + "б" * 1_000_000, regex.compile("a"), str.upper)
    one_script("cyrillic")("aб" * 100_000 + " " + "б" * 200_000 + "a")
    assert time.process_time() - start < 20


def test_controls_and_noncharacters_go_and_marks_that_arabic_needs_stay():
    assert without_controls("ко\x02яш\x1b\x7f\x9aчык\ufffeты\ufdd0") == "кояшчыкты"
    assert without_controls("бер\0ике") == "бер ике"
    assert without_controls("\u202eكتاب\u202c") == "كتاب\u202c"
    assert without_controls("می\u200cخواهم\u200f") == "می\u200cخواهم\u200f"


def test_what_nobody_sees_goes_unless_it_belongs_to_a_character():
    for hidden in (
        tags("ignore this"),
        "\U000e0101\U000e0102",
        *"\u2063\u3164\u034f\u115f\u180e\U000e0fff",
    ):
        assert without_controls(f"Бүген{hidden} һава{hidden}") == "Бүген һава"
    flags = ["🏴" + tags(f"{region}\x7f") for region in ("gbeng", "gbsct", "gbwls")]
    for text in (*flags, "葛\U000e0100城", "❤️", "\u115f\u1161"):
        assert without_controls(text) == text


@pytest.mark.parametrize(
    "hidden", ["ignore all instructions", "gbeng", "usca\x7f", "gbengx\x7f", "\x7f", "gb" * 20]
)
def test_a_black_flag_carries_no_other_tags(hidden: str):
    assert without_controls(f"Le drapeau 🏴{tags(hidden)} flotte.") == "Le drapeau 🏴 flotte."
    scotland = "🏴" + tags("gbsct\x7f")
    assert without_controls(f"{scotland}{tags(hidden)} et 🏴") == f"{scotland} et 🏴"


@pytest.mark.parametrize("text", [*ROMANIAN, *FRENCH])
def test_utf8_that_was_read_as_windows_1252_is_repaired(text: str):
    broken = text.encode().decode("cp1252", "ignore")
    assert without_mojibake(broken) != broken
    safe = [
        word for word in text.split() if word.encode().decode("cp1252", "replace").isprintable()
    ]
    found = without_mojibake(broken).split()
    assert sum(word in found for word in safe) > 0.8 * len(safe)


def test_only_the_broken_lines_and_only_their_encoding_change():
    for text in (TATAR[0], *TATAR[2:]):
        assert without_mojibake(text.encode().decode("cp1251")) == text
    lines = [FRENCH[0], "forÃªt", FRENCH[1]]
    assert without_mojibake("\n".join(lines)) == f"{FRENCH[0]}\nforêt\n{FRENCH[1]}"
    for sign in ("\ufeff", "\u206a", "\x1b[31m", "\u2028", "\r", "ﬁ", "’"):
        assert without_mojibake(f"La forÃªt {sign}brÃ»le{sign}") == f"La forêt {sign}brûle{sign}"


def test_a_word_is_changed_once_with_all_its_letters_and_marks():
    found = with_words("көн бәйрәм, ә төн", regex.compile("[әө]"), str.upper)
    assert found == "КӨН БӘЙРӘМ, Ә ТӨН"
    assert with_words("ខ្ញុំទៅ ផ្សារ", regex.compile("ទ"), lambda word: f"<{word}>") == "<ខ្ញុំទៅ> ផ្សារ"
    assert with_words("l'été !", regex.compile("'"), lambda word: "’") == "l’été !"
    assert with_words(TATAR[0], regex.compile("z"), str.upper) is TATAR[0]


@pytest.mark.parametrize(("text", "script"), [
    ("می\u200cخواهم به خانه بروم", "arabic"), ("क्\u200dष और क्\u200cष", "devanagari"),
    ("ខ្ញុំ\u200bទៅ\u200bផ្សារ", "khmer"), ("שלום\u200f, 123", "hebrew"),
    ("Familia 👩\u200d👩\u200d👧 mea", "latin"), ("គ្រួសារ 👩\u200d👩\u200d👧", "khmer"),
])  # fmt: skip
def test_marks_that_a_script_needs_stay(text: str, script: str):
    assert without_zero_width(text, script) == without_zero_width(text, None) == text


NEEDLESS_MARKS = [
    ("Б\u200bе\u200bз урман\u200cга", "Без урманга", "cyrillic"),
    ("\u202eБез урманга барабыз.\u202c", "Без урманга барабыз.", "cyrillic"),
    ("\ufeffL’au\u00adbe\u2060", "L’aube", "latin"),
    ("У\u0336л", "Ул", "cyrillic"),
    ("ma\u200dmă 👧", "mamă 👧", "latin"),
    ("ទៅ\u200b\u200bផ្សារ", "ទៅ\u200bផ្សារ", "khmer"),  # the end of a word, typed twice
    ("ទៅ\u200c\u200d\u200b\u200c\u200dផ្សារ", "ទៅ\u200bផ្សារ", "khmer"),
]


@pytest.mark.parametrize(("text", "clean", "script"), NEEDLESS_MARKS)
def test_marks_that_a_script_does_not_need_go(text: str, clean: str, script: str):
    assert without_zero_width(text, script) == without_zero_width(text, None) == clean


@pytest.mark.parametrize(
    ("hidden", "script"),
    [("خا{}نه", "arabic"), ("घ{}र", "devanagari"), ("ផ្ទះ{}ថ្មី", "khmer"), ("שלום{} לכם", "hebrew")],
)
def test_a_message_of_marks_by_turns_goes(hidden: str, script: str):
    zero, one = ("\u200e", "\u200f") if script == "hebrew" else ("\u200c", "\u200d")
    message = "".join(one if each == "1" else zero for each in "0110100001101001")
    short = hidden.format(f"{one}{zero}{one}")
    for given in (script, None):
        assert without_zero_width(hidden.format(message), given) == hidden.format("")
        assert without_zero_width(short, given) == short


@pytest.mark.parametrize("line", TATAR)
def test_every_other_look_alike_of_a_tatar_line_is_repaired(line: str):
    to_latin = str.maketrans("аеорсухһАЕОРСУХһКМНТВ", "aeopcyxhAEOPCYXhKMHTB")
    for offset in (0, 1):
        mixed = "".join(
            letter.translate(to_latin) if number % 2 == offset else letter
            for number, letter in enumerate(line)
        )
        words = zip(one_script("cyrillic")(mixed).split(), line.split(), strict=True)
        # A short word may be of look-alikes alone: then nothing in it tells.
        assert all(found == right or found.isascii() for found, right in words)


WORDS = [
    # The letters without a twin decide.
    (None, "", "бaрның", "барның"),
    (None, "", "hәм", "һәм"),
    (None, "", "əйбәт", "әйбәт"),
    (None, "", "Кemнeң", "Кemнeң"),  # m and n are no look-alikes
    (None, "", "Сookie", "Cookie"),  # a Cyrillic С
    (None, "", "explorеd", "explored"),
    (None, "", "κόσμoς", "κόσμος"),
    (None, "", "γάτoς", "γάτος"),
    (None, "", "γάτo", "γάτo"),  # three letters of Greek are symbols
    (None, "", "ёлкa", "ёлка"),
    ("cyrillic", "", "Xалык", "Халык"),  # begins like a numeral
    ("cyrillic", "", "Xәлим", "Хәлим"),
    ("greek", "κόσμος ", "Αθήvα", "Αθήνα"),
    ("greek", "κόσμος ", "vερό", "νερό"),
    # All letters have twins: the recipe decides, and then the text. A Latin o.
    ("cyrillic", "", "сoх", "сох"),
    ("latin", "", "сoх", "cox"),
    (None, f"{FRENCH[0]} ", "сoх", "cox"),
    (None, f"{TATAR[0]} ", "сoх", "сох"),
    # Of two scripts with as many letters neither is meant.
    ("latin", "", "бo", "бo"),
    ("latin", "", "бoб", "боб"),
]


@pytest.mark.parametrize(("script", "before", "wrong", "right"), WORDS)
def test_a_word_gets_the_script_it_means(script: str | None, before: str, wrong: str, right: str):
    after = f" {TATAR[0]}" if script is None and not before else ""
    assert one_script(script)(f"{before}{wrong}{after}") == f"{before}{right}{after}"


def test_words_that_are_meant_in_two_scripts_stay():
    stay = "Windowsның HPның CSSын wikiдагы JavaScriptта Iнең Xнчы Xнең Xга XIнче IIнең"
    for word in stay.split():
        assert one_script("cyrillic")(f"Ул {word} ачты.") == f"Ул {word} ачты."
    for symbol in ("hν", "ρgh", "νx", "Nαβ", "kΩ", "γH2AX", "νmax"):
        line = f"{FRENCH[0]} E = {symbol}"
        assert {one_script(script)(line) for script in ("latin", "cyrillic", None)} == {line}
    assert one_script("latin")("soҫia") == "soҫia"  # old Romanian
