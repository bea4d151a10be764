"""Running heads, feet and page numbers."""

from typing import Any

import pytest
from text_samples import numbered

from endonym.formats.pages.margins import NEAR, Mark, is_same, rows, skeleton, without_margins
from endonym.formats.pages.page import Line, Page


def line(text: str, bottom: float) -> Line:
    return Line(text, 70, bottom, 500, bottom + 9, 11)


def book(count: int, head: str = "", foot: str = "", extra: str = "") -> list[Page]:
    """Pages of different lines; `{n}` in head and foot is the number of the page."""
    pages: list[Page] = []
    for n in range(1, count + 1):
        body = [line(text, 700 - 14 * k) for k, text in enumerate(numbered(12, 12 * n))]
        heads = [line(head.format(n=n), 800)] if head else []
        feet = [line(foot.format(n=n), 40)] if foot else []
        pages.append(Page(n, 842, [*heads, *body, *([line(extra, 629)] if extra else []), *feet]))
    return pages


def texts(pages: list[Page]) -> list[str]:
    return [each.text for page in without_margins(pages) for each in page.lines]


def test_heads_and_feet_go_whatever_their_numbers_are():
    pages = book(40, "Бүлек {n}. Урман", "— {n} —")
    assert texts(pages) == [text for n in range(1, 41) for text in numbered(12, 12 * n)]


def test_a_line_that_every_page_has_in_its_middle_stays():
    assert texts(book(10, extra="* * *")).count("* * *") == 10


def test_a_head_whose_end_changes_goes_by_its_beginning():
    pages = book(10, "Икенче бүлек: урманда {n}")
    for page in pages:
        head = page.lines[0]
        assert isinstance(page.lines, list)
        page.lines[0] = head._replace(text=head.text + numbered(1, 900 + page.number)[0])
    assert not any("бүлек" in text for text in texts(pages))


def test_a_head_and_a_foot_of_two_lines_go_though_one_changes_and_one_moves():
    pages = book(10)
    for n, page in enumerate(pages, 1):
        assert isinstance(page.lines, list)
        changing = [f"Икенче бүлек: {text}" for text in numbered(2, 900 + 2 * n)]
        moving = [line("Урман", y + 8 * (n % 2)) for y in (800, 40)]
        page.lines[:0] = [line(changing[0], 820), moving[0]]
        page.lines.extend([moving[1], line(changing[1], 20)])
    assert texts(pages) == texts(book(10))


def test_a_number_goes_only_if_pages_around_are_counted_by_it():
    pages = book(10, "Бүлек — {n}")
    last = pages[4]
    pages[4] = Page(5, 842, [*last.lines[1:], line("5", 40)])
    pages[6] = Page(7, 842, [*pages[6].lines[1:], line("1917", 40)])
    found = texts(pages)
    assert "5" not in found
    assert "1917" in found


def test_pages_come_in_order_and_of_a_long_book_only_some_are_held():
    seen: list[int] = []

    def told():
        for page in book(100, "Урман {n}"):
            seen.append(page.number)
            yield page

    for number, page in enumerate(without_margins(told()), 1):
        assert page.number == number
        assert len(seen) <= number + NEAR


def speeches(names: list[str]) -> list[Page]:
    """Pages of a play: each line begins with the name of who speaks."""
    pages: list[Page] = []
    for n in range(12):
        spoken = numbered(30, 30 * n)
        said = (f"{names[k % len(names)]} {text}" for k, text in enumerate(spoken))
        pages.append(Page(n + 1, 842, [line(text, 700 - 14 * k) for k, text in enumerate(said)]))
    return pages


def test_the_first_and_last_lines_of_a_play_or_a_list_are_no_running_heads():
    for names in (["МЕФИСТОФЕЛЬ:", "МАРГАРИТА:"], ["Question 17."], ["MÉPHISTOPHÉLÈS —"]):
        pages = speeches(names)
        assert texts(pages) == [each.text for page in pages for each in page.lines]


def test_a_line_that_begins_as_others_do_goes_only_if_it_stands_apart_from_the_text():
    pages = [
        Page(n, 842, [line(f"Икенче бүлек: {one}", 714), *book(12)[n - 1].lines])
        for n, one in enumerate(numbered(12, 500), 1)
    ]
    assert texts(pages) == [each.text for page in pages for each in page.lines]


def test_lines_that_went_are_counted_in_the_notes_of_their_page():
    pages = list(without_margins(book(10, "Урман", "— {n} —")))
    assert [page.meta["running_lines"] for page in pages] == ["2"] * 10
    assert "running_lines" not in next(without_margins(book(10))).meta


def test_two_pages_are_too_few_and_three_are_enough():
    assert len(texts(book(2, "Урман", "{n}"))) == 28
    assert len(texts(book(3, "Урман", "{n}"))) == 36


def test_numbers_are_left_out_of_a_line_and_near_heights_are_one_row():
    assert skeleton(line("Бүлек xiv, 25 бит", 0)) == "бүлек#,#бит"
    assert rows([700, 701, 40, 686], 10) == [40, 686, 700]


def mark(text: str, height: float = 0.5, *, is_apart: bool = False, **keys: Any) -> Mark:
    given: dict[str, Any] = {"is_top": True, "near": 0.0625, "is_apart": is_apart} | keys
    return Mark(text, height=height, **given)


HEAD = "бүлек:урманда#яз"  # sixteen signs


HEADS = [
    (mark(HEAD), mark(HEAD, 0.5625), True),
    (mark(HEAD), mark(HEAD, 0.6), False),
    (mark(HEAD, near=0.25), mark(HEAD, 0.6), False),
    (mark(HEAD), mark(HEAD, 0.6, near=0.25), False),
    (mark(HEAD), mark(HEAD, is_top=False), False),
    (mark(HEAD), mark(HEAD[:12] + "айлы"), True),  # a quarter differs
    (mark(HEAD), mark(HEAD[:11] + "айлыш"), False),
    (mark(HEAD), mark(HEAD[:12]), True),
    (mark(HEAD), mark(HEAD[:11]), False),
    (mark(HEAD, is_apart=True), mark(HEAD[:8] + "к" * 40, is_apart=True), True),
    (mark(HEAD, is_apart=True), mark(HEAD[:7] + "к" * 40, is_apart=True), False),
    (mark(HEAD, is_apart=True), mark(HEAD[:8] + "к" * 40), False),
]


@pytest.mark.parametrize(("one", "other", "is_one"), HEADS)
def test_two_lines_are_one_head_if_they_are_near_and_alike(one: Mark, other: Mark, is_one: bool):
    assert is_same(one, other, whole=False) is is_one
    assert is_same(other, one, whole=False) is is_one
    assert is_same(one, other, whole=True) is (is_one and one.text == other.text)


def test_long_heads_that_stand_apart_have_half_in_common_or_are_at_one_height():
    one, other = mark("а" * 40, is_apart=True), "б" * 40
    for common, away, is_one in ((20, 0.005, True), (19, 0.005, False), (19, 0.002, True)):
        second = mark("а" * common + other[common:], 0.5 + away, is_apart=True)
        assert is_same(one, second, whole=False) is is_one


def test_a_number_is_that_of_its_page_if_three_pages_around_count_so():
    for text, others, is_number in (
        ("— 15 —", (11, 12, 13, 8), True),
        ("— 15 —", (11, 12, 7, 8), False),
        ("16", (11, 12, 13), False),
        ("15 бит", (11, 12, 13), False),
    ):
        pages = [Page(n, 842, [line(numbered(1, n)[0], 700)]) for n in range(1, 9)]
        pages[4] = Page(5, 842, [line(numbered(1, 5)[0], 700), line(text, 40)])
        for page, number in zip(pages[:4], others, strict=False):
            assert isinstance(page.lines, list)
            page.lines.append(line(f"{number}. сүз {numbered(1, 90 + page.number)[0]}", 40))
        assert (text not in texts(pages)) == is_number, text
