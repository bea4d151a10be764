"""How long tasks, minimal pairs and probes take, from their files and the pace of the model."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from endonym.autopilot.items_time import TEXT_SECONDS, items_seconds
from endonym.autopilot.model_size import Facts
from endonym.evaluate.config import Evaluation
from endonym.recipe.recipe import Recipe

FACTS = Facts(4_000_000, 1_000_000, 100.0, dev_tokens=125_000)
PAIR = {"good": "Балалар мәктәпкә баралар.", "bad": "Балалар мәктәпкә бара идем."}
PAIR_SIZE = sum(len(text.encode()) for text in PAIR.values())
LABELS = [{"text": f"Бу {n} нче җөмлә.", "label": "аб"[n % 2], "split": split}
          for split, size in (("train", 40), ("dev", 10), ("test", 10))
          for n in range(size)]  # fmt: skip
SCORES = [{"text1": each["text"], "text2": "Алма кызыл.", "score": n % 5, "split": each["split"]}
          for n, each in enumerate(LABELS)]  # fmt: skip
Seconds = Callable[..., float]


@pytest.fixture
def seconds(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Seconds:
    """Of an evaluation of these records, at so many seconds a token of training."""
    recipe = Recipe.load(small_recipe(tmp_path))

    def estimated(kind: str, records: list[Any], pace: float, **keys: Any) -> float:
        facts = keys.pop("facts", FACTS)
        if records:
            keys["file"] = "items.jsonl"
            lines = "\n".join(map(json.dumps, records))
            (recipe.folder / keys["file"]).write_text(lines, encoding="utf-8")
        evaluation = Evaluation.model_validate({"kind": kind, **keys})
        return items_seconds(evaluation, recipe, facts, pace)

    return estimated


def test_a_task_takes_a_forward_pass_of_each_option(seconds: Seconds) -> None:
    """Four bytes are a token; reading one takes a third of training on it."""
    found = seconds("task", [PAIR] * 30, 3.0) - seconds("task", [PAIR] * 30, 0.0)
    assert found == pytest.approx(30 * PAIR_SIZE / 4)
    larger = replace(FACTS, text_bytes=400_000_000, unique_tokens=100_000_000)
    assert seconds("task", [PAIR], 0.0, facts=larger) > 50 * seconds("task", [PAIR], 0.0)


def test_minimal_pairs_take_counting_and_reading_up_to_their_limits(seconds: Seconds) -> None:
    at_once = seconds("minimal_pairs", [], 0.0)
    assert at_once > 0
    assert seconds("minimal_pairs", [], 3.0) - at_once == pytest.approx(3 * 200 * 200 / 4)
    huge = replace(FACTS, text_bytes=4_000_000_000, unique_tokens=1_000_000_000)
    more = seconds("minimal_pairs", [], 0.0, facts=huge) - at_once
    compared, counted = huge.text_bytes - FACTS.text_bytes, 16_000_000 - FACTS.text_bytes
    assert more == pytest.approx((compared + counted) * TEXT_SECONDS)
    little = replace(FACTS, dev_tokens=1_000)
    few = (seconds("minimal_pairs", [], pace, facts=little) for pace in (0.0, 3.0))
    assert -next(few) + next(few) == pytest.approx(3 * 2_000)


def test_a_probe_takes_longer_with_labels_and_much_longer_with_fine_tuning(
    seconds: Seconds,
) -> None:
    small = {"facts": replace(FACTS, text_bytes=4_000, unique_tokens=1_000)}
    labels, scores = (seconds("probe", each, 1e-3, **small) for each in (LABELS, SCORES))
    assert min(labels, scores) > 0
    longer = [each | {"text": each["text"] * 10} for each in LABELS]
    assert seconds("probe", longer, 1e-3, **small) > 5 * labels
    assert seconds("probe", LABELS, 1e-3, fine_tune=True, **small) > 20 * labels
    more = [each | {"label": f"{each['label']}{n % 5}"} for n, each in enumerate(LABELS)]
    assert seconds("probe", more, 0.0) > seconds("probe", LABELS, 0.0)
