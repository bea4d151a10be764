"""The verdict and the gap in words, and the plot of size against loss."""

import itertools
import re

import pytest
from made_scores import baselines, score

from endonym.evaluate.neighbours import Gain
from endonym.evaluate.score import TOO_FEW, UNEVEN
from endonym.evaluate.speed import Efficiency
from endonym.evaluate.tables import BLOCKS
from endonym.report.formatting import JOINER
from endonym.report.scores import efficiency_chart, gap, group, verdict, verdicts
from endonym.report.svg import Bar, draw_all

NEXT = "A longer training or more text may help."


def test_the_verdict_of_a_good_model_stands_beside_what_needs_no_learning() -> None:
    found = verdict([score("model", 1.20), *baselines()])
    assert " ".join(found).replace("\xa0", " ").replace(JOINER, "") == (
        "On 412 test documents the model needs 1.20 bits per byte (95 %: 1.17–1.23); counting "
        "pairs of tokens needs 2.31, a compressor primed with the training text 1.40. "
        "It predicts these texts better than all that needs no learning."
    )


@pytest.mark.parametrize("has_before", [False, True])
@pytest.mark.parametrize("has_ensemble", [False, True])
@pytest.mark.parametrize("has_bigram", [False, True])
def test_what_else_was_judged_stands_beside_the_model_in_one_order(
    has_before: bool, has_ensemble: bool, has_bigram: bool
) -> None:
    """The model before, the mean of the members, then what needs no learning."""
    scores = [score("model", 1.20), *baselines()]
    scores = [each for each in scores if has_bigram or each.model != "bigram"]
    scores += [score("ensemble", 1.15)] * has_ensemble + [score("before", 1.93)] * has_before
    said = verdict(scores)[0].replace("\xa0", " ").replace(JOINER, "")
    assert said.partition(" (95 %: 1.17–1.23)")[2] == (
        (", 1.93 before this training" if has_before else "")
        + (", the mean of the members 1.15" if has_ensemble else "")
        + ("; counting pairs of tokens needs 2.31, " if has_bigram else "; ")
        + "a compressor primed with the training text "
        + ("1.40." if has_bigram else "needs 1.40.")
    )


def test_text_that_was_given_is_not_said_to_need_more_training() -> None:
    said = verdict([score("model", 3.9, split="хат"), *baselines(split="хат")])[-1]
    assert "worse than guessing blindly" in said
    assert "longer training" not in said
    assert "of another kind" in said
    later = verdict([score("model", 3.9), score("before", 1.4), *baselines()])[-1]
    assert later == (
        "Its last training, such as that on conversations, cost 2.50 bits a byte on these texts."
    )
    nearly = verdict([score("model", 3.0), score("before", 1.4), *baselines()])[-1]
    assert nearly == later.replace("2.50", "1.60")
    for before in (3.8, 3.0):
        never = verdict([score("model", 3.9), score("before", before), *baselines()])[-1]
        assert never.startswith("That is worse than guessing blindly (3.10)")
    worse = verdict([score("model", 2.5), score("before", 1.4), *baselines()])[-1]
    assert worse.startswith("It is worse than counting pairs. Its last training, such as that on")


def test_a_model_that_is_no_better_at_home_is_not_said_to_lack_texts_of_this_kind() -> None:
    away = [score("model", 2.9, split="хат"), *baselines(split="хат")]
    poor, good = ([score("model", value), *baselines()] for value in (2.9, 1.2))
    assert "longer training" in verdict(away, own=poor)[-1]
    assert "of another kind" in verdict(away, own=good)[-1]
    assert "longer training" in verdicts([*poor, *away])[-1]


def test_how_few_groups_of_neighbours_an_interval_rests_on_stands_beside_it() -> None:
    few = verdict([score("model", 1.2, n_groups=17), *baselines()])[0]
    assert "over only 17 groups of neighbours" in few
    assert "over 57 groups" in verdict([score("model", 1.2, n_groups=57), *baselines()])[0]


def test_an_interval_that_holds_for_documents_of_these_lengths_says_so() -> None:
    plain, of_lengths = (
        verdict([score("model", 1.2, of_lengths=flag), *baselines()])[0] for flag in (False, True)
    )
    assert "for documents of about these lengths" in of_lengths
    assert "lengths" not in plain


def test_dev_documents_are_of_the_corpus_s_own_kind() -> None:
    said = verdict([score("model", 3.9, split="dev"), *baselines(split="dev")])[-1]
    assert said.endswith(NEXT)


def test_what_neighbours_save_is_said_of_the_text_that_was_judged() -> None:
    of_dev, of_test = (Gain(split, "роман", 0.1, 0.08, 0.12, 40) for split in ("dev", "test"))
    alone = verdicts([score("model", 1.2)])
    assert verdicts([score("model", 1.2)], gains=[of_dev]) == alone
    *opening, said = verdicts([score("model", 1.2)], gains=[of_dev, of_test])
    assert opening == alone
    assert said.count("роман 0.100 (0.080–0.120)") == 1


VERDICTS = [
    (3.0, "learnt next to nothing"),
    (2.5, "worse than counting pairs"),
    (1.64, "the compressor still predicts"),
    *((value, "It cannot be told apart from counting pairs. ") for value in (2.33, 2.29)),
    *((value, "It cannot be told apart from the compressor. ") for value in (1.42, 1.38)),
]


@pytest.mark.parametrize(("value", "words"), VERDICTS)
def test_the_verdict_claims_no_difference_inside_the_interval(value: float, words: str) -> None:
    said = verdict([score("model", value), *baselines()])[-1]
    assert words in said
    assert not words.endswith(" ") or said == words + NEXT


def test_blocks_that_say_something_else_have_their_own_sentence() -> None:
    alike = [score("model", 1.20), *baselines(), score("model", 1.25, text="block")]
    assert not any("blocks" in line for line in verdict([*alike, *baselines(text="block")]))
    worse = [score("model", 1.20), *baselines(), score("model", 1.64, text="block")]
    said = verdict([*worse, *baselines(text="block")])
    assert said[-3] == "It predicts these texts better than all that needs no learning."
    assert said[-2] == "Read in blocks, however, it needs 1.64."
    assert "the compressor still predicts" in said[-1]


def test_below_ten_documents_the_verdict_has_no_interval_and_says_so() -> None:
    few = {"low": None, "high": None, "n_documents": 7, "no_interval": TOO_FEW}
    sentences = verdict([score("model", 1.20, **few), *baselines(**few)])
    assert "95" not in sentences[0]
    assert "no interval: it takes 10 groups" in sentences[1]
    assert group([score("model", 1.20, **few)]).rows[0][1][1] == "too few"
    one = few | {"n_documents": 70, "no_interval": UNEVEN}
    assert (
        "one document, or one group of neighbours, is a large part"
        in verdict([score("model", 1.20, **one), *baselines(**one)])[1]
    )
    assert group([score("model", 1.20, **one)]).rows[0][1][1] == "uneven"
    old = score("model", 1.20, **few | {"no_interval": None})
    assert "not enough text, or one document is a large part of it" in verdict([old])[1]


def test_a_file_that_was_judged_beside_the_test_text_has_its_own_verdict() -> None:
    far = {"split": "handwritten.txt", "low": 3.1, "high": 3.4}
    found = [score("model", 1.20), *baselines(), score("model", 3.2, **far), *baselines(**far)]
    said = verdicts([score("model", 9.0, split="dev"), *found])
    assert said[: len(verdict(found[:5]))] == verdict(found[:5])
    assert "of handwritten.txt the model needs 3.20" in said[-2]
    assert "9.00" not in "".join(said)
    assert verdicts([]) == []


def test_the_verdict_without_baselines_is_one_sentence() -> None:
    assert len(verdict([score("model", 1.64)])) == 1
    assert verdict([]) == []


def test_a_compressor_line_of_a_sample_has_the_model_on_the_same_documents_beside_it() -> None:
    some = {"n_documents": 20, "sampled_from": 412}
    found = [score("model", 1.64), score("compressor", 1.40, **some)]
    found.append(score("model_on_sample", 1.39, **some))
    assert verdict(found) == [
        f"On 412 test documents the model needs 1.64 bits per byte (95\u00a0%:\u00a01.61{JOINER}–"
        f"{JOINER}1.67); a compressor primed with the training text needs 1.40 on 20 of them, "
        "where the model needs 1.39.",
        f"It cannot be told apart from the compressor. {NEXT}",
    ]
    shown = group(found)
    models = ["bits/byte", "model", "95 %", "compressor*", "model*"]
    assert shown.heads == [*models, "of bytes", "documents", "bytes"]
    values = ["1.640", "1.610–1.670", "1.400", "1.390"]
    (row,) = shown.rows
    assert row[1] == [*values, "100.0 %", "412", "90\u202f000"]
    (note,) = shown.notes
    assert note.startswith("* of 20 of the 412 documents, evenly spread within each source;")
    assert shown.bars.bars == [
        Bar("model", 1.64, pytest.approx(1.61), 1.67, "model"),
        Bar("compressor on 20", 1.40, None, None, "baseline"),
        Bar("model on 20", 1.39, None, None, "model"),
    ]


def test_the_compressors_own_spread_is_part_of_what_is_claimed() -> None:
    sure, unsure = (score("compressor", 1.40, deviation=each) for each in (0.01, 0.2))
    pairs, mine = score("bigram", 2.3), score("model", 1.3)
    assert verdict([mine, pairs, sure])[1:] == [
        "It predicts these texts better than all that needs no learning."
    ]
    assert verdict([mine, pairs, unsure])[1:] == [
        f"It cannot be told apart from the compressor. {NEXT}"
    ]
    worse = score("model", 1.55)
    assert verdict([worse, pairs, unsure])[1:] == verdict([mine, pairs, unsure])[1:]
    assert "the compressor still predicts" in verdict([worse, pairs, sure])[1]
    assert group([mine, unsure]).notes == [
        "compressor: mean over several ends of the training text, "
        "with a standard deviation of 0.2000"
    ]


def test_the_headline_is_the_mean_over_sources_with_each_ones_share_beside_it() -> None:
    sizes = {"n_bytes": 100_000, "n_documents": 120}
    found = [score("model", 0.725, weighting="sources", **sizes), score("model", 0.57, **sizes)]
    found.append(score("model", 0.39, source="ярдәм", n_bytes=62_000, n_documents=30))
    found.append(score("model", 1.06, source="роман", n_bytes=38_000, n_documents=90))
    sentence = verdict(found)[0].replace("\xa0", " ").replace(JOINER, "")
    assert sentence == (
        "On 120 test documents the model needs 0.72 bits per byte "
        "(the mean of 2 sources; 95 %: 0.69–0.76; 0.57 over all bytes)."
    )
    shown = group(found)
    assert shown.heads[-3:] == ["of bytes", "documents", "bytes"]
    rows = [(name, cells[0], *cells[2:4]) for name, cells in shown.rows]
    assert rows == [
        ("mean of 2 sources", "0.725", "100.0 %", "120"),
        ("роман", "1.060", "38.0 %", "90"),
        ("ярдәм", "0.390", "62.0 %", "30"),
        ("all, by bytes", "0.570", "100.0 %", "120"),
    ]
    assert shown.bars.bars[0].value == 0.725


def test_blocks_have_a_group_of_their_own_name() -> None:
    shown = group([score("model", 1.2, text="block"), score("bigram", 2.0, text="block")])
    assert shown.title == "Test documents, neighbours read together"
    assert "blocks" in shown.heads
    assert shown.notes[0] == BLOCKS
    found = [score("model", 1.3), score("model", 1.2, text="block")]
    assert "1.30 bits per byte" in verdict(found)[0]


def test_a_gap_between_two_texts_is_explained() -> None:
    away = {"split": "fables.txt", "n_documents": 30}
    found = [score("model", 0.9), *baselines(), score("model", 2.4, **away), *baselines(**away)]
    compared = gap([*found, *baselines(split="a file that no model was judged on")])
    assert compared is not None
    bars, notes = compared
    assert [bar.name for bar in bars.bars] == ["test documents", "fables.txt"]
    assert "1.50 more" in notes[0]
    assert "the kind of text that it was trained on" in notes[0]
    turned = gap(sorted(found, key=lambda each: each.split))
    assert turned[1] == notes, "test documents are at home in whatever order they were judged"


def test_a_gap_inside_its_uncertainty_is_not_claimed() -> None:
    compared = gap([score("model", 1.60), score("model", 1.63, split="other.txt")])
    assert "within its uncertainty (± 0.04)" in compared[1][0]
    further = gap([score("model", 1.60), score("model", 1.66, split="other.txt")])
    assert "0.06 more (± 0.04)" in further[1][0]
    assert gap([score("model", 1.60)]) is None


ROWS = [
    Efficiency("endonym fp32", 858_000, 2, bits_per_byte=1.5050),
    Efficiency("transformers fp32", 859_500, 2, bits_per_byte=1.5050),
    Efficiency("llama.cpp Q8_0", 252_000, 2, bits_per_byte=1.5051),
    Efficiency("llama.cpp Q4_K_M", 205_000, 2, bits_per_byte=1.5061),
    Efficiency("llama.cpp F16", 436_500, 2, reason="it is not installed"),
]


@pytest.mark.parametrize("width", [350.0, 760.0])
def test_each_measured_program_has_a_dot_and_a_name_that_covers_no_other(width: float) -> None:
    chart = efficiency_chart(ROWS)
    assert chart is not None
    (svg,) = draw_all([chart], width)
    assert svg.count("<circle") == 4
    label = r'<text class="label run\d+" x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)">([^<]+)<'
    found = {name: (float(x), float(y), side) for x, y, side, name in re.findall(label, svg)}
    assert set(found) == {row.runtime for row in ROWS if not row.reason}
    ys = sorted(y for _, y, _ in found.values())
    assert all(low + 14 <= high for low, high in itertools.pairwise(ys))
    small, large = found["llama.cpp Q4_K_M"], found["endonym fp32"]
    assert (small[2], large[2]) == ("start", "end"), "names stand on the side with space"
    assert small[0] < large[0]


def test_without_a_figure_there_is_no_plot() -> None:
    assert efficiency_chart(ROWS[-1:]) is None
