"""What the report says of curves."""

import pytest

from endonym.report.training import Validation, dev_baselines, epoch_marks, overfitting


def validations(*bits: float) -> list[Validation]:
    return [Validation(10 * n, 1000 * n, n / 2, value, {}) for n, value in enumerate(bits)]


FALLING = [(float(x), 3.0 - x / 10_000) for x in range(0, 6000, 100)]


def test_over_fitting_began_after_the_best_validation() -> None:
    text = overfitting(validations(3.0, 2.0, 1.8, 1.9, 2.1), FALLING)
    assert text.startswith("Over-fitting began after step 20 (epoch 1.0)")
    assert "the 2 after it were worse, the last by 0.300" in text


def test_a_best_validation_at_the_end_is_no_over_fitting() -> None:
    assert "still falling" in overfitting(validations(3.0, 2.0, 1.8), FALLING)


def test_a_level_end_is_no_over_fitting() -> None:
    assert "level after it" in overfitting(validations(3.0, 1.8, 1.8001), FALLING)


def test_a_rise_of_both_losses_is_not_called_over_fitting() -> None:
    rising = [(x, -y) for x, y in FALLING]
    text = overfitting(validations(3.0, 2.0, 1.8, 2.4), rising)
    assert text.startswith("Dev loss rose after step 20")


def test_a_run_that_was_best_before_its_first_step_says_so() -> None:
    assert overfitting(validations(1.5, 1.6, 1.7), FALLING).startswith(
        "No validation was better than the start"
    )


def test_the_lines_of_the_chart_are_baselines_on_the_text_of_its_dots() -> None:
    guesses = {"uniform": 3.2, "unigram": 2.5, "bigram": 1.9}
    lines = [{"event": "baselines", "step": 0, **guesses}, {"event": "step", "step": 8}]
    assert dev_baselines(lines) == guesses
    assert dev_baselines(lines[1:]) == {}


def test_many_epochs_get_few_marks() -> None:
    marks = epoch_marks([{"tokens": 100_000, "epoch": 40.0}])
    assert [mark.name for mark in marks] == ["epoch 5", *map(str, range(10, 45, 5))]
    assert marks[0].x == pytest.approx(12_500)
    assert epoch_marks([{"tokens": 100, "epoch": 0.4}]) == []
