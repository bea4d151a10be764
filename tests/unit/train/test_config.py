"""What a recipe may say about a phase."""

import pytest
from pydantic import ValidationError

from endonym.config import identity
from endonym.train.config import Phase


@pytest.mark.parametrize("budget", [{"steps": 5}, {"tokens": 10**9}, {"epochs": 0.5}, {}])
def test_a_phase_names_at_most_one_budget(budget: dict[str, float]) -> None:
    phase = Phase.model_validate(budget)
    found = {name: getattr(phase, name) for name in ("steps", "tokens", "epochs")}
    assert {name: value for name, value in found.items() if value is not None} == budget


def test_two_budgets_are_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="one of steps, tokens and epochs, not steps and epo"):
        Phase(steps=5, epochs=1)


def test_the_micro_batch_is_no_part_of_what_a_phase_is() -> None:
    assert identity(Phase(micro_tokens=64)) == identity(Phase(micro_tokens=4096))
    assert identity(Phase(lr=1e-3)) != identity(Phase(lr=2e-3))


@pytest.mark.parametrize(
    "wrong",
    [{"lr": 0}, {"clip": 0}, {"epochs": 0}, {"steps": 0}, {"schedule": "wsd"}, {"name": "a b"}],
)
def test_values_that_cannot_be_meant_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Phase.model_validate(wrong)
