"""Letters with their signs."""

from endonym.script.letters import LETTER, around, as_name, beginning

KHMER = "ខ្ញុំស្រឡាញ់ភាសាខ្មែរ" * 4


def test_a_letter_is_whole_with_its_subscripts_and_signs():
    assert LETTER.findall("កម្ពុជា ខ្មែរ") == ["ក", "ម្ពុ", "ជា", " ", "ខ្មែ", "រ"]
    assert LETTER.findall("ស្រ្តី") == ["ស្រ្តី"]
    assert LETTER.findall("и\u0306ө") == ["и\u0306", "ө"]


def test_the_parts_of_a_text_begin_and_end_with_whole_letters():
    letters = LETTER.findall(KHMER)
    parts = {KHMER[around(KHMER, at, at + 3)] for at in range(len(KHMER))}
    for part in parts | {beginning(KHMER, chars) for chars in range(5, len(KHMER))}:
        assert "".join(LETTER.findall(part)) == part
        assert part in KHMER
        assert set(LETTER.findall(part)) <= set(letters), part
    assert KHMER[around(KHMER, -40, 400)] == KHMER


def test_words_are_not_cut_where_something_parts_them():
    persian = "کتاب خوبی است. آیا کتاب دیگری دارید؟ بله"
    parts = {persian[around(persian, at, at + 6)] for at in range(len(persian))}
    assert {word for part in parts for word in part.split()} == set(persian.split())
    marked = "ខ្ញុំ\u200bស្រឡាញ់\u200bភាសា\u200bខ្មែរ"
    assert marked[around(marked, 8, 9)] == "ស្រឡាញ់"


def test_of_a_first_letter_that_is_too_long_what_has_room_stays():
    assert beginning("ខ្មែរ", 3) == "ខ្ម"


def test_names_keep_the_signs_of_letters():
    assert as_name("រឿងរបស់ខ្ញុំ (១)", "_", 60) == "រឿងរបស់ខ្ញុំ_១_"
    assert as_name("می\u200cخواهم", "-", 60) == "می\u200cخواهم"
    assert as_name("ខ្មែរ", "-", 3) == "ខ្ម"
