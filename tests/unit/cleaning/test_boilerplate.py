"""Lines that stand in many documents."""

from collections import Counter

from text_samples import TATAR

from endonym.cleaning import corpus_rules as boilerplate
from endonym.cleaning.corpus_rules import line_keys

NOTICE = "Барлык хокуклар якланган, материалларны сайттан алганда сылтама мәҗбүри."
MENU = ["Баш бит", "Яңалыклар", "Элемтә"]


def without_boilerplate(text: str, frequent: set[int]) -> tuple[str, list[str]]:
    """All frequent lines are common, as in a small corpus."""
    return boilerplate.without_boilerplate(text, frequent, frequent)


def frequent(pages: list[str], most: int) -> set[int]:
    counts = Counter(key for page in pages for key in line_keys(page))
    return {key for key, count in counts.items() if count > most}


def page(number: int) -> str:
    text = TATAR[number % len(TATAR)]
    own = [text, "— Әйе.", f"{text} {number} тапкыр."]
    return "\n".join([*MENU, f"{number} нче бит", *own, NOTICE])


def test_menus_and_notices_go_and_the_texts_between_stay():
    pages = [page(number) for number in range(8)]
    text, gone = without_boilerplate(pages[3], frequent(pages, 5))
    assert gone == [*MENU, "3 нче бит", NOTICE]
    assert text == f"{TATAR[3]}\n— Әйе.\n{TATAR[3]} 3 тапкыр."


def test_a_short_line_within_a_document_stays_though_many_have_it():
    pages = [page(number) for number in range(8)]
    assert all("— Әйе." in without_boilerplate(each, frequent(pages, 2))[0] for each in pages)


def test_digits_and_case_do_not_tell_lines_apart():
    assert line_keys("Бит 3\n\n— БИТ 17 —\n***") == line_keys("бит\nбит")


def test_a_document_counts_a_line_once_and_one_line_is_no_boilerplate():
    assert len(line_keys("Баш бит\nБаш бит")) == 1
    assert line_keys(NOTICE) == set()
    assert without_boilerplate(NOTICE, line_keys(f"{NOTICE}\nа")) == (NOTICE, [])


def test_taking_out_twice_takes_out_no_more():
    pages = [page(number) for number in range(8)]
    often = frequent(pages, 2)
    for each in pages:
        once = without_boilerplate(each, often)[0]
        assert without_boilerplate(once, often) == (once, [])


def test_a_page_of_boilerplate_alone_becomes_empty():
    pages = ["\n".join([*MENU, NOTICE])] * 5
    assert without_boilerplate(pages[0], frequent(pages, 2)) == ("", [*MENU, NOTICE])


def test_a_short_line_that_is_frequent_and_not_common_stays():
    pages = [page(number) for number in range(8)]
    text, gone = boilerplate.without_boilerplate(pages[3], frequent(pages, 5), set())
    assert gone == [NOTICE]
    assert text.split("\n")[:4] == [*MENU, "3 нче бит"]


def test_a_line_of_forty_letters_goes_wherever_it_stands_and_a_shorter_one_does_not():
    for letters, is_gone in ((39, False), (40, True)):
        line = "ә" * letters
        text = f"{TATAR[0]}\n{line}\n{TATAR[1]}"
        left, gone = without_boilerplate(text, line_keys(f"{line}\nа"))
        assert gone == [line] * is_gone
        assert left == (f"{TATAR[0]}\n{TATAR[1]}" if is_gone else text)


def test_short_lines_go_from_both_ends_over_empty_lines_to_the_first_own_line():
    own = [TATAR[0], *MENU[:1], TATAR[1]]
    text = "\n".join([MENU[0], "", MENU[1], "***", *own, MENU[2], "", MENU[0]])
    left, gone = without_boilerplate(text, line_keys("\n".join(MENU)))
    assert gone == [MENU[0], MENU[1], MENU[2], MENU[0]]
    assert left.split("\n")[-3:] == own
