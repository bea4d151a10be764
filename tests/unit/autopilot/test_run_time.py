"""How long each part of a run takes: the whole promise, for phases that differ in everything."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toys import toy_config, train_config

from endonym.autopilot.items_time import items_seconds
from endonym.autopilot.model_size import Facts
from endonym.autopilot.resolve import ResolvedTraining
from endonym.autopilot.run_time import promised_parts
from endonym.data.config import PackConfig
from endonym.recipe.recipe import Recipe
from endonym.train.config import Distill, TrainConfig

BARE: dict[str, object] = {"evaluate": None, "export": None}
PAIRS = Facts(70_000, 20_000, 40.0, row_positions=21_000, dev_tokens=300)
CHATS = Facts(60_000, 15_000, 50.0, row_positions=16_000, dev_tokens=900)
FACTS = Facts(4_000_000, 1_000_000, 100.0, dev_tokens=125_000, examples={1: CHATS, 2: PAIRS})
PACE = (1e-3, 3e-3, 7e-3)
"""Seconds of a token, in each phase."""


def validated(config: TrainConfig, every: int, tokens: int) -> TrainConfig:
    return config.but(eval_every_steps=every, eval_tokens=tokens)


@pytest.fixture
def recipe(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Recipe:
    """Phases of texts with two members, of conversations with three, and of pairs with none."""
    recipe = Recipe.load(small_recipe(tmp_path))
    text = recipe.phase[0].model_dump(exclude_unset=True)
    chat: dict[str, Any] = {"name": "chat", "objective": "chat", "data": "c.jsonl", "steps": 3}
    pairs = chat | {"name": "pairs", "objective": "preferences"}
    phases = [text | {"members": 2}, chat | {"members": 3, "distill": {"live": True}}, pairs]
    return recipe.with_values({"phase": phases} | BARE)


def test_every_phase_adds_its_own_time_to_every_part(recipe: Recipe) -> None:
    """Each with its own pace, steps, held-out text, validations and samples."""
    read = train_config(steps=60, batch_tokens=256).but(distill=Distill())
    answer = train_config(steps=30, batch_tokens=128).but(
        objective="chat", distill=Distill(live=True)
    )
    prefer = train_config(steps=7, batch_tokens=64).but(objective="preferences", beta=0.1)
    phases = (validated(read, 4, 500), validated(answer, 10, 5_000), validated(prefer, 2, 200))
    model = toy_config("llama", layers=5)
    training = ResolvedTraining(model, None, PackConfig(context=32), phases, 1)
    counts = ((16, 500, 6), (4, 900, 4), (5, 200, 5))
    validations = [n * dev * each / 3 for (n, dev, _), each in zip(counts, PACE, strict=True)]
    samples = [n * 60 * 5 * 1e-3 for *_, n in counts]
    own = [60 * 256 * 1e-3, 30 * 128 * 3e-3, 7 * 64 * 7e-3]
    member = [3.0 + each + validations[n] + samples[n] for n, each in enumerate(own)]
    assert promised_parts(recipe, training, FACTS, PACE) == pytest.approx(
        {
            "training": own[0],
            "answers": own[1] + own[2],
            "members": 2 * member[0] + 3 * member[1],
            "teacher": 2 * FACTS.positions * 1e-3 / 3 + 3 * own[1] / 3,
            "start": 3 * 3.0 + 21_000 * 7e-3 / 3,
            "validations": sum(validations),
            "samples": sum(samples),
            "evaluation": 0.0,
            "export": 0.0,
        }
    )
    few = replace(FACTS, dev_tokens=0)
    assert promised_parts(recipe, training, few, PACE) == promised_parts(
        recipe, training, FACTS, PACE
    ), "nothing is known of how much is held out"
    assert promised_parts(recipe, training, FACTS, []) == {}


def test_evaluations_of_items_are_promised(recipe: Recipe) -> None:
    """At the pace of the last phase."""
    asked = recipe.with_values({"evaluate": [{"kind": "minimal_pairs"}]})
    phases = (validated(train_config(steps=60, batch_tokens=256), 4, 500),) * 3
    training = ResolvedTraining(toy_config("llama"), None, PackConfig(context=32), phases, 1)
    own = items_seconds(asked.evaluate[0], asked, FACTS, PACE[-1])
    assert promised_parts(asked, training, FACTS, PACE)["evaluation"] == own > 0
