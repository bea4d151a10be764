"""`new` gives little text a larger model, if there is time for it."""

import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from found_texts import write_found_texts

from endonym.autopilot import machine
from endonym.autopilot.machine import Pace
from endonym.autopilot.model_size import LITTLE_SHAPE
from endonym.commands import new as starter
from endonym.log import Log


@pytest.mark.parametrize(("hours", "is_larger"), [(2.0, True), (0.2, False)])
def test_half_a_megabyte_gets_a_larger_model_and_is_spelled_anew_if_there_is_time(
    hours: float,
    is_larger: bool,
    tmp_path: Path,
    language_sentences: Callable[[str], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "measured_pace", lambda *_: Pace(5_000.0))
    texts = write_found_texts(tmp_path / "texts", language_sentences("tatar"))
    survey = starter.survey_texts
    monkeypatch.setattr(  # Of its one text more is held out than of others.
        starter, "survey_texts", lambda *a, **k: replace(survey(*a, **k), text_bytes=10**6)
    )
    given = {"language": "tt", "texts": [texts], "store": tmp_path / "store"}
    path, _ = starter.write_recipe(tmp_path / "a", hours=hours, log=Log(quiet=True), **given)
    recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    model, (phase, *_) = recipe["model"], recipe["phase"]
    assert ((model["dim"], model["layers"]) == LITTLE_SHAPE) == is_larger
    assert (model["dropout"] == 0.4) == is_larger
    assert phase.get("subword_dropout") == (0.2 if is_larger else None)
    reasons = {
        line.split()[0]: line for line in path.read_text(encoding="utf-8").splitlines() if line
    }
    assert ("--hours" in reasons["dim"]) == (not is_larger)
    # Of about 79 thousand tokens: 58 epochs if there is time for them.
    assert (phase["tokens"] > 58 * 70_000) == is_larger
