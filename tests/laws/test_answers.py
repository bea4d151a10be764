"""Laws 3 and 13 for objectives that learn answers: each example alone, and resuming exactly."""

from pathlib import Path
from typing import Any

import pytest
import torch
from laws.test_resume_is_exact import FORMATS, SAVED, STEPS, assert_same_tensors, without_clock
from made_conversations import toy_inputs
from toys import lively_decoder, toy_config, toy_decoder, train_config

from endonym.data.batches import Batch
from endonym.data.example_tokens import GAP
from endonym.model.families import FAMILIES
from endonym.train.config import TrainConfig
from endonym.train.loop import Training
from endonym.train.objectives import OBJECTIVES, objective_of

VOCAB, CONTEXT = 24, 32
ANSWERED = [name for name in OBJECTIVES if name != "next_token"]
CASES = [
    (family, ANSWERED[n % len(ANSWERED)], FORMATS[n // len(ANSWERED) % 2])
    for n, family in enumerate([*FAMILIES, *list(FAMILIES)[:1]])
]
"""Every family; every objective in both formats, and with more than one family."""


def phase(objective: str, number_format: str = "fp32", **keys: Any) -> TrainConfig:
    usual = {
        "objective": objective,
        "steps": STEPS,
        "batch_tokens": 4 * CONTEXT,
        "micro_tokens": 2 * CONTEXT,
        "lr": 3e-3,
        "warmup_steps": 5,
        "eval_every_steps": SAVED,
        "eval_tokens": 4 * CONTEXT,
        "save_every_steps": SAVED,
        "number_format": number_format,
    }
    return train_config(context=CONTEXT, **usual | keys)


def training(
    folder: Path, home: str, family: str, config: TrainConfig, dropout: float = 0.1
) -> Training:
    shape = toy_config(family, vocab=VOCAB, context=CONTEXT, dropout=dropout)
    at = folder / home
    work = toy_inputs(folder / "examples", config.objective, toy_decoder(shape), at)
    return Training(toy_decoder(shape), config, work, seed=1)


@pytest.mark.parametrize(("family", "objective", "number_format"), CASES)
def test_ten_steps_equal_four_and_a_checkpoint_and_six(
    family: str, objective: str, number_format: str, tmp_path: Path
) -> None:
    config = phase(objective, number_format)
    whole = training(tmp_path, "whole", family, config)
    expected = list(whole.reports())
    assert whole.batches.epochs(STEPS) > 2
    killed, first = training(tmp_path, "killed", family, config), []
    for report in killed.reports():
        first.append(report)
        if report.step == SAVED:
            break
    resumed = training(tmp_path, "killed", family, config)
    assert resumed.resume() == SAVED
    assert without_clock(first + list(resumed.reports())) == without_clock(expected)
    assert_same_tensors(resumed.weights(), whole.weights())
    assert_same_tensors(resumed.optimizer.state(), whole.optimizer.state())
    assert resumed.state == whole.state
    assert expected[-1].nats < expected[1].nats


@pytest.mark.parametrize("objective", ANSWERED)
@pytest.mark.parametrize("family", FAMILIES)
def test_examples_of_a_row_do_not_see_each_other(
    family: str, objective: str, tmp_path: Path
) -> None:
    """The loss of packed rows is the sum of the losses of examples, or pairs, in rows alone."""
    shape = toy_config(family, vocab=VOCAB, context=CONTEXT)
    decoder = lively_decoder(shape)
    work = toy_inputs(tmp_path / "examples", objective, toy_decoder(shape), tmp_path / "work")
    order = work.order(work.train, CONTEXT, seed=3)
    batch = Batch.of(order.rows(0, order.rows_per_epoch))
    kind = objective_of(phase(objective))
    alone, count = 0.0, 0.0
    for one in separated(batch, work.train.together):
        alone += float(kind.loss(decoder, one)[0].detach())
        count += kind.weight(one)
    found = kind.loss(decoder, batch)
    assert float(found.nats.detach()) == pytest.approx(alone, rel=1e-4)
    assert kind.weight(batch) == count
    assert (found.nats == found.objective) is not (family == "moe")


def separated(batch: Batch, together: int) -> list[Batch]:
    """Each example or pair of a batch as a batch of one row."""
    found: list[Batch] = []
    for row in range(len(batch)):
        numbers = [n for n in batch.documents_BT[row].unique().tolist() if n != GAP]
        for start in range(0, len(numbers), together):
            mine = torch.tensor(numbers[start : start + together])
            here = torch.isin(batch.documents_BT[row], mine)
            found.append(batch.each(lambda part, row=row, here=here: part[row][here][None]))
    return found


@pytest.mark.parametrize("objective", ANSWERED)
def test_the_gradient_is_that_of_the_whole_batch_whatever_the_micro_batch(
    objective: str, tmp_path: Path
) -> None:
    seen = []
    for rows in (1, 4):
        config = phase(objective, micro_tokens=rows * CONTEXT)
        one = training(tmp_path, f"rows-{rows}", "llama", config, dropout=0.0)
        reports = one.reports()
        seen.append(
            [(r.nats, r.gradient_norm) for r, _ in zip(reports, range(4), strict=False)][1:]
        )
    assert seen[0] == [pytest.approx(each, rel=1e-4) for each in seen[1]]
