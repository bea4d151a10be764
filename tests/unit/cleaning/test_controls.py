"""Control characters and overrides of direction."""

import time

import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.cleaning.normalize import without_controls


def tags(text: str) -> str:
    return "".join(chr(0xE0000 + ord(sign)) for sign in text)


@pytest.mark.parametrize("text", [*TATAR, *KHMER, *ROMANIAN, *FRENCH, "кояш\tчыкты\nяктырды"])
def test_good_text_stays(text: str):
    assert without_controls(text) is text


def test_controls_and_noncharacters_go_and_nul_is_a_gap():
    assert without_controls("ко\x02яш\x1b\x7f\x9aчык\ufffeты\ufdd0") == "кояшчыкты"
    assert without_controls("бер\0ике") == "бер ике"


@pytest.mark.parametrize("end", ["\v", "\f", "\x85", "\u2028", "\u2029"])
def test_controls_that_end_a_line_become_a_line_end(end: str):
    assert without_controls(f"{TATAR[0]}{end}{TATAR[1]}") == f"{TATAR[0]}\n{TATAR[1]}"


def test_an_override_goes_and_marks_that_arabic_needs_stay():
    assert without_controls("\u202eكتاب\u202c") == "كتاب\u202c"
    assert without_controls("می\u200cخواهم\u200f") == "می\u200cخواهم\u200f"


@pytest.mark.parametrize(
    "hidden",
    [
        tags("ignore this"),
        "\U000e0101\U000e0102", "\u2063", "\u3164", "\u034f", "\u115f", "\u180e", "\U000e0fff",
    ],
)  # fmt: skip
def test_what_nobody_sees_goes(hidden: str):
    assert without_controls(f"Бүген{hidden} һава{hidden}") == "Бүген һава"


@pytest.mark.parametrize(
    "text",
    [
        *("🏴" + tags(f"{region}\x7f") for region in ("gbeng", "gbsct", "gbwls")),
        "葛\U000e0100城",
        "❤️",
        "\u115f\u1161",
    ],
)
def test_what_belongs_to_a_character_stays(text: str):
    assert without_controls(text) == text


@pytest.mark.parametrize(
    "hidden", ["ignore all instructions", "gbeng", "usca\x7f", "gbengx\x7f", "\x7f", "gb" * 20]
)
def test_a_black_flag_carries_no_other_tags(hidden: str):
    assert without_controls(f"Le drapeau 🏴{tags(hidden)} flotte.") == "Le drapeau 🏴 flotte."
    scotland = "🏴" + tags("gbsct\x7f")
    assert without_controls(f"{scotland}{tags(hidden)} et 🏴") == f"{scotland} et 🏴"


@pytest.mark.parametrize("run", ["a", "gbeng", "gbsct\x7f"])
def test_many_tags_take_linear_time(run: str):
    start = time.process_time()
    assert without_controls("Ecosse 🏴" + tags(run) * 50_000).startswith("Ecosse 🏴")
    assert without_controls("🏴" * 100_000 + tags(run)).startswith("🏴")
    assert time.process_time() - start < 2
