"""Several phases of one recipe: where each begins, and what a kill between them leaves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from endonym.recipe.recipe import Recipe
from endonym.train import checkpoint

Say = Callable[..., Any]


class Killed(BaseException):
    """Stands for a kill: nothing after it runs."""


def two_phases(path: Path, steps: int) -> Path:
    """The recipe with eight steps, and a second phase of so many after them."""
    text = path.read_text(encoding="utf-8").replace("steps = 40", "steps = 8")
    extra = f'[[phase]]\nname = "more"\nsteps = {steps}\nbatch_tokens = 256\nlr = 4e-3\n'
    extra += 'number_format = "fp32"\nsave_every_steps = 2\n\n'
    path.write_text(text.replace("[[evaluate]]", extra + "[[evaluate]]", 1), encoding="utf-8")
    return path


def test_a_run_killed_around_a_switch_of_phases_makes_the_same_bytes(
    small_recipe: Callable[[Path], Path],
    command: Say,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the last save of the first phase, the first of the second, and within that."""
    save, made = checkpoint.save, {}
    deaths: list[int] = []

    def save_and_die(*given: Any) -> Any:
        saved = save(*given)
        if deaths and saved.state.step == deaths[0]:
            deaths.pop(0)
            raise Killed
        return saved

    monkeypatch.setattr(checkpoint, "save", save_and_die)
    for name, steps_of_deaths in (("calm", []), ("killed", [8, 0, 2])):
        recipe, store = two_phases(small_recipe(tmp_path / name), 6), tmp_path / name / "store"
        deaths.extend(steps_of_deaths)
        for _ in steps_of_deaths:
            with pytest.raises(Killed):
                command("run", recipe, "--store", store, "--until", "model")
        assert command("run", recipe, "--store", store, "--until", "model").code == 0
        found = sorted(store.glob("model/*/weights.safetensors"))
        made[name] = {path.parent.name: path.read_bytes() for path in found}
    assert len(made["calm"]) == 2
    assert made["killed"] == made["calm"]


def test_two_phases_are_two_models_and_the_second_begins_where_the_first_ended(
    small_recipe: Callable[[Path], Path], command: Say, tmp_path: Path
) -> None:
    path = two_phases(small_recipe(tmp_path / "project"), 2)
    store = tmp_path / "project" / "store"
    said = command("run", path, "--store", store, "--until", "model", "--json").json()
    names = [each["name"] for each in said["stages"] if each["name"].startswith("model")]
    assert names == ["model pretrain", "model more"]
    first, second = (
        json.loads((store / "model" / each["id"] / "validations.json").read_text(encoding="utf-8"))
        for each in said["stages"]
        if each["name"].startswith("model")
    )
    assert second[0]["nats"] == pytest.approx(min(each["nats"] for each in first), abs=1e-6)
    loaded = Recipe.load(path)
    assert [phase.name for phase in loaded.phase] == ["pretrain", "more"]
