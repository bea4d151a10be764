"""`endonym new --demo`: the recipe of a demo, sized to 100 seconds of this machine."""

from pathlib import Path

import pytest

from endonym.autopilot import machine
from endonym.autopilot.machine import Pace
from endonym.commands import new_demo as starter
from endonym.errors import RecipeError
from endonym.log import Log
from endonym.recipe.recipe import Recipe


def test_an_unknown_demo_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"^--demo: no demo is called klingon") as caught:
        starter.write_demo(tmp_path / "a", "klingon", store=tmp_path, log=Log(quiet=True))
    assert caught.value.do == "Demos: french, english."
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("speed", "tokens"), [(10.0, starter.DEMO_TOKENS), (10_000.0, 900_000), (1e6, 2_000_000)]
)
def test_a_demo_trains_for_100_seconds_wherever_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speed: float, tokens: int
) -> None:
    """From the measured speed of its own shape; never less than it needs, nor more than it uses."""
    measured: list[int] = []

    def found(work: machine.Workload, _: Path, *, compiles: bool) -> Pace:
        assert not compiles
        measured.append(work.shape.dim)
        return Pace(speed)

    monkeypatch.setattr(machine, "measured_pace", found)
    monkeypatch.setattr(machine, "matrix_rates", lambda file: {"fp32": 1e11, "bf16": 1e10})
    given = {"store": tmp_path / "store", "log": Log(quiet=True)}
    recipe = Recipe.load(starter.write_demo(tmp_path / "demo", "french", **given))
    assert recipe.phase[0].tokens == tokens
    assert measured == [recipe.model.dim]
