"""Figures of planted errors, and the threshold that is chosen by them."""

import pytest
from toys import lively_decoder, toy_config, toy_tokenizer

from endonym.evaluate.planted_errors import Error, Found, Planted, best_threshold, part_of
from endonym.generate.language_model import LanguageModel
from endonym.generate.proofread import Correction, Finding, Proofreader
from endonym.lexicon.known_words import KnownWords


def test_a_share_of_nothing_is_undefined_and_not_zero() -> None:
    assert Found().figures() == dict.fromkeys(
        ("precision", "recall", "first_right", "false_alarms")
    )
    found = Found()
    found.add(Planted("Әби жилэк ала", {(4, 9): Error("look_alike", "җиләк")}, 3), [])
    figures = found.figures()
    assert figures["precision"] is None
    assert figures["recall"] is not None
    assert figures["recall"][0] == 0
    half, per_thousand = part_of(1, 2), part_of(1, 2, per=1000)
    assert half is not None
    assert per_thousand == pytest.approx([1000 * each for each in half])


def test_precision_counts_more_than_recall_where_a_threshold_is_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """F 0.5 is best with the first four words, all of them errors: precision 1, recall 0.4.

    F 1 and F 2 are best with all twelve: precision 0.67, recall 0.8.
    """
    bits = [20.0, 19.0, 18.0, 17.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0]
    are_errors = [True] * 4 + [False] * 4 + [True] * 4
    findings = [
        Finding(10 * n, 10 * n + 5, "жилэк", (Correction("җиләк", worth),))
        for n, worth in enumerate(bits)
    ]
    error = Error("look_alike", "җиләк")
    errors = {(10 * n, 10 * n + 5): error for n, is_error in enumerate(are_errors) if is_error}
    errors |= {(200, 205): error, (210, 215): error}
    tokenizer = toy_tokenizer("byte")
    model = LanguageModel(lively_decoder(toy_config("qwen3", vocab=tokenizer.vocab)), tokenizer)
    reader = Proofreader(model, KnownWords.of_list({"җиләк": 3}, "tt"), threshold=0.0)
    monkeypatch.setattr(reader, "judge_many", lambda _: [findings])
    assert best_threshold(reader, [Planted("", errors, 30)]) == (17.0 + 10.0) / 2
