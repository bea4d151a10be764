"""`endonym new --for keyboard`: a recipe for the model of a phone's keyboard."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from found_texts import write_found_texts

from endonym.autopilot import machine
from endonym.autopilot.machine import Pace
from endonym.commands.new import write_recipe
from endonym.log import Log
from endonym.recipe.recipe import Recipe

HOURS, SPEED = 0.05, 5_000.0


@pytest.fixture
def written(
    tmp_path: Path,
    language_sentences: Callable[[str], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str, str], tuple[Recipe, str]]:
    """The recipe of a keyboard for a language, as it loads and as text."""
    monkeypatch.setattr(machine, "measured_pace", lambda *_: Pace(SPEED))

    def write(code: str, language: str) -> tuple[Recipe, str]:
        texts = write_found_texts(tmp_path / "texts", language_sentences(language))
        given: Any = {"texts": [texts], "store": tmp_path / "store", "hours": HOURS}
        path, _ = write_recipe(
            tmp_path / code, language=code, log=Log(), purpose="keyboard", **given
        )
        return Recipe.load(path), path.read_text(encoding="utf-8")

    return write


def test_romanian_gets_a_phase_for_typed_keys_and_both_share_the_time(
    written: Callable[[str, str], tuple[Recipe, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, text = written("ro", "romanian")
    assert (recipe.tokenizer.kind, recipe.model.family, recipe.model.tied) == (
        "keyboard",
        "llama",
        False,
    )
    assert 2048 <= (recipe.tokenizer.vocab or 0) <= 8192
    assert (recipe.pack.context or 0) <= 2048
    assert [each.objective for each in recipe.phase] == ["next_token", "autocorrect"]
    first, second = (each.tokens or 0 for each in recipe.phase)
    assert 2048 < first < second
    assert first + second <= HOURS * 3600 * SPEED
    assert recipe.phase[0].schedule == "constant"
    assert recipe.phase[1].schedule == "linear"
    assert {each.lr for each in recipe.phase} == {recipe.phase[0].lr}
    assert [each.format for each in recipe.export] == ["keyboard"]
    for line in text.partition('name = "autocorrect"')[2].splitlines():
        assert line.startswith(("objective", "[", "kind", "split", "baselines", "format")) or (
            not line or "#" in line
        ), line
    assert "which word is meant by keys with slips" in " ".join(capsys.readouterr().err.split())


def test_tatar_gets_prediction_alone_and_is_told_so(
    written: Callable[[str, str], tuple[Recipe, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, text = written("tt", "tatar")
    assert [each.objective for each in recipe.phase] == ["next_token"]
    assert (recipe.tokenizer.kind, recipe.model.family) == ("keyboard", "llama")
    assert [each.format for each in recipe.export] == ["keyboard"]
    said = " ".join(capsys.readouterr().err.split())
    for told in (text, said):
        assert "predicts the next word, and corrects none: Tatar is written in Cyrillic" in told
