"""Messages that share text with held-out and evaluation texts are known, long and short."""

import random
from pathlib import Path

import numpy as np
import pytest
from made_conversations import conversations, make_toy_examples, pairs, said
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.copies.letters import folded_letters
from endonym.data.kept_out import ALIKE, ChangedLines, KeptOut
from endonym.errors import CorpusError
from endonym.script.fold import Codes

SHORT = ["Бүген көн җылы булды.", "Ursul doarme iarna în bârlog.", "ឆ្កែដេកនៅក្រោមតុ។"]
LONG = " ".join(ROMANIAN)
APART = ["Рәхмәт!", "Iepurele aleargă prin iarbă.", "ស្វាយ", "Il neige sur la montagne."]


def kept_out() -> KeptOut:
    return KeptOut([("dev", SHORT), ("a novel", [LONG, *KHMER]), ("lines", ["\n".join(TATAR)])])


@pytest.mark.parametrize("message", [
    *SHORT, SHORT[0].upper().replace(" ", "  "), f"Менә шул җөмлә:\n{SHORT[0]}",
    f"Iată povestea. {LONG} Sfârșit.", LONG[: 3 * len(LONG) // 4], f"«{KHMER[0]}»", TATAR[1],
])  # fmt: skip
def test_a_message_that_holds_such_text_is_known(message: str) -> None:
    assert kept_out().shared_by([*APART, message]) == {message}


@pytest.mark.parametrize("line", [*SHORT, "Il neige sur la montagne."])
@pytest.mark.parametrize("around", [
    "Әйе, {}", "Татарча дөресме: «{}»?", "Da. {} Apoi a plecat.", "{} បាទ", "Бүген көн җылы. {}",
    "{0} {0}",
])  # fmt: skip
def test_a_short_line_is_known_inside_a_longer_message(line: str, around: str) -> None:
    known = KeptOut([("dev", [*SHORT, "Il neige sur la montagne."])])
    assert known.shared_by([message := around.format(line)]) == {message}


def test_several_lines_in_one_paragraph_are_known() -> None:
    lines, joined = [SHORT[0], "Мин өйгә кайтып киләм."], "Мин өйгә кайтып киләм. Ул елый."
    both = [joined, " ".join(lines)]
    assert KeptOut([("dev", lines)]).shared_by(both) == {*both}
    poem = "Кар ява.\nКыш килә.\nКөн кыска."  # each line is short, the whole is not
    assert KeptOut([("dev", [poem])]).shared_by([f"Шигырь: {poem}"]) == {f"Шигырь: {poem}"}


CHANGED_LINES = [
    "Бүген көн бик җылы",
    "«Көн бик җылы булды!»",
    "Юк.\ndoarme iarna în bârlog",
    "Бүген кич бик җылы була.",
    "Бүген көн бигрәк җылы була.",
    "Ursul mare doarme iarna în bârlog.",
    "Да.\nКичә көн җылы булды.\nБүген кен бик җылы була!",
    "Кичә төн бик җылы булды. Ursul doarme vara în bârlog.",
    "ឆ្មែដេកនៅក្រោមតុ។",
]


@pytest.mark.parametrize("message", CHANGED_LINES)
def test_a_line_that_is_changed_in_one_place_is_known_as_most_of_a_message(message: str) -> None:
    lines = ["Бүген көн бик җылы була.", "Кичә көн бик җылы булды.", *SHORT[1:]]
    told = "Аннары әби сүзен дәвам итте, һәм барысы да тыңлап утырды"
    inside = f"{told}: {message}, диде ул. {told}."
    assert KeptOut([("dev", lines)]).shared_by([message, inside]) == {message}


def test_a_poem_with_the_refrain_of_another_one_is_not_known() -> None:
    other = ["Ак кайгылы юллар буйлап", *TATAR[:4]]
    poem = ["Ак кайгылы кырлар буйлап", *FRENCH[:4]]
    assert KeptOut([("dev", ["\n".join(other)])]).shared_by(["\n".join(poem)]) == set()


def test_a_line_inside_of_words_is_not_known() -> None:
    known = KeptOut([("dev", ["Ана балага карый", "Урман матур иде"])])
    near = ["Ана балага карыйсыңмы икән?", "Карана балага карый белми", "Урман матур идемени дисә?"]
    assert known.shared_by([*near, "Кичә урман матур иде, диделәр."]) == {
        "Кичә урман матур иде, диделәр."
    }


def test_long_lines_and_rules_of_signs() -> None:
    line = " ".join(f"сүз{number}" for number in range(90))
    assert KeptOut([("dev", [line])]).shared_by([f"Әйе {line}"]) == {f"Әйе {line}"}
    names = " ".join(f"{'җөмлә' * 9}{number}" for number in range(7))  # fewer words than a run has
    assert KeptOut([("dev", [names])]).shared_by([f"Әйе {names}"]) == {f"Әйе {names}"}
    assert KeptOut([("dev", ["-" * 40])]).shared_by(["-" * 40]) == set()


def test_of_a_long_line_its_first_three_hundred_letters_are_enough() -> None:
    words = [f"{'җөмлә' * 9}{number}" for number in range(7)]  # fewer than a run has
    known = KeptOut([("dev", [" ".join(words)])])
    cut = " ".join([*words[:6], f"{'җөмлә' * 7}башка"])
    short = " ".join([*words[:6], "башка"])
    assert known.shared_by([cut, short]) == {cut}


def test_what_is_left_of_a_line_is_known_from_thirteen_letters_on() -> None:
    known = KeptOut([("dev", ["Кичә яңгыр яуды инде", "Бүген яңгыр ява әле"])])
    assert known.shared_by(["Яңгыр яуды инде!", "Яңгыр ява әле!"]) == {"Яңгыр яуды инде!"}


@pytest.mark.parametrize("message", [f"{KHMER[2]}{{}}", f"{{}}{KHMER[2]}"])
@pytest.mark.parametrize("line", ["Urman matur ide", KHMER[0].removesuffix("។")])
def test_a_line_needs_no_blank_beside_letters_of_a_script_without_blanks(line: str, message: str):
    known = KeptOut([("dev", [line])])
    held = message.replace("។", "").format(line)
    assert known.shared_by([held]) == {held}


def test_other_messages_and_greetings_are_not() -> None:
    assert kept_out().shared_by([*APART, *FRENCH]) == set()
    assert KeptOut([("dev", APART[:1])]).shared_by(APART) == set()
    assert KeptOut([]).shared_by(APART) == set()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_conversation_with_such_a_message_is_a_counted_reject(place: int, tmp_path: Path) -> None:
    turns = ["Сөйлә әле.", "Ярар, тыңла.", "Тагын?", "Бетте."]
    turns[place] = LONG
    records = [*conversations(12), said(*turns), said("Ce face?", SHORT[1])]
    counted = make_toy_examples(tmp_path, records, context=900, kept_out=kept_out(), max_rejected=0)
    assert (counted["kept"], counted["dropped"]) == (12, {"held_out": 2})


def test_an_instruction_that_all_records_share_is_named_in_the_error(tmp_path: Path) -> None:
    records = [said(f"Татарчага тәрҗемә ит:\nmărul {n}", f"алма {n}") for n in range(12)]
    known = KeptOut([("bench", ["Татарчага тәрҗемә ит:"])])
    with pytest.raises(CorpusError) as caught:
        make_toy_examples(tmp_path, records, kept_out=known)
    assert "held_out: these records share text with what judges" in str(caught.value.do)
    assert "Татарчага тәрҗемә ит" in str(caught.value.do)


@pytest.mark.parametrize("side", ["prompt", "chosen", "rejected"])
def test_a_pair_with_such_a_side_is_a_counted_reject(side: str, tmp_path: Path) -> None:
    strange = {"prompt": "Ce face?", "chosen": "Doarme.", "rejected": "Nimic.", side: SHORT[1]}
    records = [*pairs(12), strange]
    counted = make_toy_examples(tmp_path, records, "preferences", kept_out=kept_out())
    assert (counted["kept"], counted["dropped"]) == (12, {"held_out": 1})


def test_of_lines_that_begin_alike_each_is_known() -> None:
    ends = ("булды", "булмады әле", "булачак дип көтә")
    lines = [f"Бүген көн җылы {end}" for end in ends]
    known = KeptOut([("dev", lines)])
    for line in lines:
        assert known.shared_by([message := f"Әйе, {line}, диде."]) == {message}
    assert known.shared_by(["Әйе, Бүген көн җылы булса, диде."]) == set()


LINES = [*TATAR, *ROMANIAN, *FRENCH, *KHMER]


def codes(line: str) -> Codes:
    return folded_letters([line]).codes


def known(lines: list[str]) -> ChangedLines:
    found = ChangedLines()
    for line in lines:
        found.add(codes(line))
    return found


def is_changed(one: list[int], other: list[int]) -> bool:
    """Whether what stands before and after one place is enough, by trying every place."""
    least = ALIKE * max(len(one), len(other))
    return any(
        one[:n] == other[:n] and one[len(one) - m :] == other[len(other) - m :] and n + m >= least
        for n in range(min(len(one), len(other)) + 1)
        for m in range(min(len(one), len(other)) - n + 1)
    )


def changed(line: str, rng: random.Random) -> str:
    first = rng.randrange(len(line))
    last = min(len(line), first + rng.randrange(len(line) // 2))
    return line[:first] + "".join(rng.choices(line, k=rng.randrange(len(line) // 2))) + line[last:]


def test_what_is_found_is_what_a_slow_count_finds() -> None:
    rng, found, answers = random.Random(5), known(LINES), set[bool]()
    every = [codes(line).tolist() for line in LINES]
    for _ in range(300):
        line = codes(changed(rng.choice(LINES), rng))
        expected = any(is_changed(line.tolist(), other) for other in every)
        assert found.has(line) == expected
        answers.add(expected)
    assert answers == {True, False}


def test_two_changed_places_far_from_each_other_are_another_line() -> None:
    found = known(["Ursul doarme iarna în bârlog."])
    assert found.has(codes("Ursul doarme vara în bârlog"))
    assert not found.has(codes("Lupul doarme iarna în pădure"))


def test_of_lines_that_begin_alike_some_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("endonym.data.kept_out.MOST_OF_ONE_END", 2)
    found = known([f"{first} көн бик җылы була" for first in ("Кичә", "Иртә", "Бүге")])
    assert found.has(codes("Иртә кич бик җылы була"))
    assert found.has(codes("Бүге көн бик җылы иде")), "by its beginning"
    assert not known([]).has(np.array([1, 2, 3], dtype=np.uint32))
