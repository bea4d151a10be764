"""Minimal pairs: a fault that training text speaks against, beside an unread sentence."""

from collections import Counter
from itertools import pairwise
from random import Random
from time import process_time

import numpy as np
import pytest
import regex

from endonym.demo.grammar import fables
from endonym.evaluate.minimal_pairs import (
    KINDS,
    Check,
    Made,
    Sentence,
    make_minimal_pairs,
    other_forms,
)
from endonym.evaluate.word_counts import (
    OFTEN,
    WordCounts,
    ending,
    sentences_of,
    threes,
    whole_sentences,
)
from endonym.lexicon.spans import have_blanks, words_in

MOST = 12


def words(sentence: str) -> list[str]:
    return [each.lower() for each in regex.findall(r"\p{L}+(?:['’-]\p{L}+)*", sentence)]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return list(fables(500))


@pytest.fixture(scope="module")
def made(texts: list[str]) -> Made:
    return make_minimal_pairs(texts, fables(60, seed=7), most=MOST)


def of_kind(made: Made, kind: str) -> list[tuple[str, ...]]:
    found = [each.options for each in made.pairs if each.group == kind]
    assert len(found) == MOST
    return found


def test_right_sentences_are_unread_ones(texts: list[str], made: Made) -> None:
    read = {sentence for text in texts for sentence in sentences_of(text)}
    held_out = {sentence for text in fables(60, seed=7) for sentence in sentences_of(text)}
    for each in made.pairs:
        assert each.answer == 0
        assert each.options[0] in held_out - read


def test_exchanged_words_make_neighbours_that_stand_nowhere(texts: list[str], made: Made) -> None:
    seen = {pair for text in texts for one in sentences_of(text) for pair in pairwise(words(one))}
    for right, wrong in of_kind(made, "word order"):
        assert Counter(words(right)) == Counter(words(wrong))
        new = set(pairwise(words(wrong))) - set(pairwise(words(right)))
        assert 1 <= len(new) <= 3
        assert not new & seen


def test_another_form_is_a_known_word_with_the_same_beginning(texts: list[str], made: Made) -> None:
    seen = [words(one) for text in texts for one in sentences_of(text)]
    neighbours = {pair for one in seen for pair in pairwise(one)}
    known = Counter(word for one in seen for word in one)
    for right, wrong in of_kind(made, "other form"):
        changed = [n for n, pair in enumerate(zip(words(right), words(wrong), strict=True))
                   if pair[0] != pair[1]]  # fmt: skip
        (n,) = changed
        before, other, after = words(wrong)[n - 1 : n + 2]
        assert other[:3] == words(right)[n][:3]
        assert known[other] >= OFTEN
        assert not {(before, other), (other, after)} & neighbours


def test_a_made_up_word_stands_nowhere_but_its_threes_of_letters_do(
    texts: list[str], made: Made
) -> None:
    known = {word for text in texts for one in sentences_of(text) for word in words(one)}
    parts = {three for word in known for three in threes(word)}
    for right, wrong in of_kind(made, "made-up word"):
        (other,) = set(words(wrong)) - set(words(right))
        assert other not in known
        assert set(threes(other)) <= parts


def test_pairs_do_not_depend_on_the_order_of_held_out_texts(texts: list[str], made: Made) -> None:
    held_out = list(fables(60, seed=7))
    assert make_minimal_pairs(texts, reversed(held_out), most=MOST) == made


def test_a_fault_that_stands_in_the_text_that_checks_is_left_out_and_counted(
    texts: list[str],
) -> None:
    read = [sentence for text in texts for sentence in sentences_of(text)]
    before = make_minimal_pairs(read, fables(60, seed=7), most=MOST)
    for kind in ("word order", "other form", "made-up word"):
        _, wrong = of_kind(before, kind)[0]
        changed = [*read[:3], wrong, *read[4:]]  # the fourth is not counted, so nothing else moves
        after = make_minimal_pairs(changed, fables(60, seed=7), most=MOST)
        assert wrong not in {each.options[1] for each in after.pairs}
        assert after.checks[kind].found == before.checks[kind].found + 1


@pytest.mark.parametrize(
    ("check", "precision"),
    [
        (Check(made=200, found=0, right=500, right_found=50), 0.806),
        (Check(made=200, found=2, right=500, right_found=50), 0.629),
        (Check(made=2000, found=20, right=50000, right_found=5000), 0.846),
        (Check(made=200, found=40, right=500, right_found=50), 0.0),
        (Check(made=20, found=0, right=963, right_found=113), None),
        (Check(made=200, found=0, right=500, right_found=9), None),
        (Check(made=0, found=0, right=500, right_found=50), None),
    ],
)
def test_precision_is_the_lower_end_of_an_interval(check: Check, precision: float | None) -> None:
    assert check.precision == (None if precision is None else pytest.approx(precision, abs=1e-3))


@pytest.mark.parametrize("are_right", [0.02, 0.3])
def test_the_lower_end_of_precision_is_seldom_above_the_truth(are_right: float) -> None:
    draw, drawn = np.random.default_rng(1), list[float]()
    for found, right_found in zip(
        draw.binomial(200, 0.12 * are_right, 2000), draw.binomial(600, 0.12, 2000), strict=True
    ):
        least = Check(200, int(found), 600, int(right_found)).precision
        drawn.append(0.0 if least is None else least)
    above = float(np.mean(np.array(drawn) > 1 - are_right))
    assert above <= 0.035, "2.5 % of an interval's lower ends are above what it is of"


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (
            "Мин китап укыйм. Син дә укыйсыңмы? Әйе!\nУл укымый.",
            ["Мин китап укыйм.", "Син дә укыйсыңмы?", "Әйе!", "Ул укымый."],
        ),
        (
            "Președintele George W. Bush a plecat. „Vino!” a spus el. Costă 7.5 lei.",
            ["Președintele George W. Bush a plecat.", "„Vino!” a spus el.", "Costă 7.5 lei."],
        ),
        (
            "Dl. Ionescu a citit Legea nr. 5 din 1990. D-na Pop a plecat. 12 elevi au venit.",
            [
                "Dl. Ionescu a citit Legea nr. 5 din 1990.",
                "D-na Pop a plecat. 12 elevi au venit.",
            ],
        ),
        ("यह म. क. गांधी हैं. वे आए.", ["यह म. क. गांधी हैं.", "वे आए."]),
        ("ខ្ញុំរៀនភាសា។ គាត់ទៅផ្សារ។", ["ខ្ញុំរៀនភាសា។", "គាត់ទៅផ្សារ។"]),
        ("«ខ្ញុំរៀន។»គាត់ទៅផ្សារ។", ["«ខ្ញុំរៀន។»", "គាត់ទៅផ្សារ។"]),
        ("یہ ایک کتاب ہے۔ وہ گھر جاتا ہے۔", ["یہ ایک کتاب ہے۔", "وہ گھر جاتا ہے۔"]),
        ("أين الكتاب؟ هو على الطاولة.", ["أين الكتاب؟", "هو على الطاولة."]),
        ("እኔ እሄዳለሁ። እሱ ያነባል።", ["እኔ እሄዳለሁ።", "እሱ ያነባል።"]),
        ("ကျောင်းသွားသည်။သူ စာဖတ်သည်။", ["ကျောင်းသွားသည်။", "သူ စာဖတ်သည်။"]),
        ("Ես տուն եմ գնում։ Նա գիրք է կարդում։", ["Ես տուն եմ գնում։", "Նա գիրք է կարդում։"]),
        ("ང་ཁྱིམ་ལ་འགྲོ། ཁོ་དེབ་ཀློག །", ["ང་ཁྱིམ་ལ་འགྲོ།", "ཁོ་དེབ་ཀློག །"]),
        (" \n\n", []),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text: str, sentences: list[str]) -> None:
    assert list(sentences_of(text)) == sentences


@pytest.mark.parametrize("signs", ["'", '"', ")", ".", "។", " ", "។»"])
def test_runs_of_signs_take_no_long_time(signs: str) -> None:
    begin = process_time()
    assert list(sentences_of("Ана" + signs * 50_000 + " x"))
    assert process_time() - begin < 5, "a second at most; a quadratic pattern takes minutes"


def test_what_ends_without_a_sign_is_no_sentence_if_others_have_one() -> None:
    found = ["Legea nr. 5", "Vine toamna.", "„Vino!”"]
    assert whole_sentences(found, like=["Plouă.", "Ninge?", "Capitolul doi"]) == found[1:]
    assert whole_sentences(found, like=["Plouă.", "Capitolul doi"]) == found


def test_blanks_are_looked_for_all_over_the_texts(language_sentences: object) -> None:
    assert callable(language_sentences)
    khmer, english = language_sentences("khmer"), ["The house is old."] * 9000
    assert have_blanks(english[:10] + khmer) is False
    assert have_blanks([*english, *(khmer * 3000)]) is False
    assert have_blanks([*khmer, *english]) is True


@pytest.mark.parametrize("sign", ["\u17d2", "\u1039", "\u0301"])
def test_a_sign_without_a_letter_is_counted_as_any_other_word(sign: str) -> None:
    counts = WordCounts.of([["сүз", sign, f"{sign}аб{sign}"]] * OFTEN)
    assert counts.knows("сүз", sign)


def test_words_of_khmer_begin_and_end_between_letters(language_sentences: object) -> None:
    assert callable(language_sentences)
    texts = language_sentences("khmer")
    spans = words_in(texts)
    found = [(text, place) for text in texts for place in spans(text)]
    assert len(found) > 2 * len(texts)
    for text, (begin, end) in found:
        assert regex.fullmatch(r"[\p{L}\p{M}]{2,}", text[begin:end])
        assert not regex.match(r"\p{M}", text[begin:])
        assert not regex.match(r"\p{M}", text[end:])
        assert text[begin - 1 : begin] != "\u17d2"


@pytest.mark.parametrize(
    ("written", "others", "expected"),
    [
        ("roșie", ["rotie"], "rotie"),
        ("roșie", ["roșie", "roşie"], None),  # a cedilla for a comma is no fault
    ],
)
def test_a_letter_that_differs_by_a_sign_alone_makes_no_word_up(
    written: str, others: list[str], expected: str | None
) -> None:
    longer = [f"{first}{other}{last}" for other in others for first in "bz" for last in "bz"]
    borders = [f"{written[:3]}bz", f"bz{written[-3:]}"]
    counts = WordCounts.of([[written, *longer, *borders]] * OFTEN)
    assert counts.near_word(written) == expected


def test_a_known_word_is_not_made_up() -> None:
    counts = WordCounts.of([["балалар", "бабалар", "балалык"]] * OFTEN)
    assert counts.near_word("балалар") is None
    assert counts.near_word("бабалар") is None


def test_khmer_words_are_not_made_up_of_other_words() -> None:
    words = ["សាលា", "រៀន", "ផ្ទះ", "សាលារៀម"]
    as_pieces = WordCounts.of([words] * OFTEN, whole="សាលា រៀន ផ្ទះ សាលារៀម កាលរៀន")
    assert as_pieces.is_made_of_words("សាលារៀន")
    assert as_pieces.is_made_of_words("សាលារៀនផ្ទះ")
    assert not as_pieces.is_made_of_words("សាលារៀ")
    assert as_pieces.has_seen(["កាល"]), "it stands in the text, though in a longer piece"
    assert not as_pieces.has_seen(["មាន់"])
    assert not WordCounts.of([words]).has_seen(["កាល"])


def test_neighbours_of_the_right_sentence_are_no_fault() -> None:
    counts = WordCounts.of([["ул", "бер", "алма"]])
    assert counts.has_seen(["бер", "алма", "ал"])
    assert not counts.has_seen(["бер", "алма", "ал"], but=["бер", "алма", "алды"])


def test_another_form_ends_otherwise_and_is_long_enough_and_not_much_rarer() -> None:
    rows = [
        *[["мин", "китапны", "укыйм"]] * 10,
        *[["без", "китапка", "карыйбыз"]] * 10,
        *[["без", "китаптан", "алабыз"]] * 3,  # too rare
        *[["кем", "китапларны", "аладыр"]] * 10,  # ends as the word does
        *[["сез", "китсәгез", "килмибез"]] * 10,  # another word
    ]
    counts = WordCounts.of(rows)
    sentence = Sentence.of("Мин китапны укыйм.", words_in(["Мин китапны укыйм."]))
    found = [each.text for each in other_forms(sentence, 1, sentence.words, counts)]
    assert found == ["Мин китапка укыйм."]


def test_a_fault_is_neither_the_first_word_nor_beside_a_comma_nor_in_capitals() -> None:
    text = "Балалар иртәгә, дустым, Казанга КИЛӘЧӘК димә."
    sentence = Sentence.of(text, words_in([text]))
    counts = WordCounts.of([sentence.words] * OFTEN)
    order, _, made_up = KINDS
    assert {n for n, _ in made_up.rows(sentence, counts)} == {1, 2, 3, 5}
    assert not [*order.rows(sentence, counts)]
    assert sentence.is_plain(0, 1)
    assert not sentence.is_plain(1, 2)
    assert sentence.with_word(3, "казаннан") == text.replace("Казанга", "Казаннан")
    assert sentence.with_word(2, "дусты") == text.replace("дустым", "дусты")


def test_short_words_are_their_own_endings() -> None:
    assert [ending(each) for each in ("һәм", "балалар", "និង")] == ["һәм", "-ар", "និង"]


def test_of_a_rare_word_nothing_is_made_up() -> None:
    longer = [f"{first}rotie{last}" for first in "bz" for last in "bz"]
    frequent = [["roșie", "roșbz", "bzșie", *longer]] * OFTEN
    assert WordCounts.of(frequent).near_word("roșie") == "rotie"
    rare = [["roșie"], *[each[1:] for each in frequent]]
    assert WordCounts.of(rare).near_word("roșie") is None


def test_words_that_end_alike_may_change_places() -> None:
    fruit = "алма чия кавын слива лимон карбыз виноград помидор кабак торма чөгендер борчак"
    names, draw = [f"{each}лар" for each in fruit.split()], Random(1)
    rows = [" ".join(draw.sample(names, 6)).capitalize() + "." for _ in range(60)]
    made = make_minimal_pairs(rows[:30], rows[30:], most=5)
    assert made.checks["word order"].made == 0
    assert made.checks["word order"].right > 0


def test_small_texts_give_no_pairs() -> None:
    texts = ["Балалар мәктәпкә баралар.", "Мин китап укыйм."]
    made = make_minimal_pairs(texts, ["Син китап укыйсың."], most=5)
    assert made.pairs == []
    assert all(check.precision is None for check in made.checks.values())
    assert make_minimal_pairs([], [], most=5).pairs == []
