"""What `[model] folder` may name."""

import os
from pathlib import Path
from typing import Any

import pytest

from endonym.errors import Damaged, RecipeError
from endonym.recipe.checks import base_model
from endonym.store import write_sealed

ID = "0123456789ab" + "0" * 52


def a_run(folder: Path, *, is_finished: bool = True, stages: list[Any] | None = None) -> Path:
    """A run whose store lies beside its folder's parent, as `run` makes it."""
    run = folder / "runs" / "kechkena"
    run.mkdir(parents=True)
    planned = [{"stage": "model", "id": "ffffffffffff"}, {"stage": "model", "id": ID[:12]}]
    plan = {"store": "../../store", "recipe": "../../recipe.toml", "stages": stages or planned}
    write_sealed(run / "plan.json", plan)
    made = folder / "store" / "model" / ID[:12]
    made.mkdir(parents=True)
    if is_finished:
        (made / "manifest.json").write_text("{}", encoding="utf-8")
    return run


def test_a_folder_with_a_config_is_itself(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    assert base_model(tmp_path) == tmp_path


def test_a_run_is_the_model_of_its_last_phase(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    assert base_model(run) == (tmp_path / "store" / "model" / ID[:12]).resolve()


def test_a_run_that_is_not_finished_says_how_to_finish_it(tmp_path: Path) -> None:
    run = a_run(tmp_path, is_finished=False)
    with pytest.raises(RecipeError, match="the run kechkena has no finished model yet") as caught:
        base_model(run)
    assert caught.value.where == "model.folder"
    assert caught.value.do.endswith(f" run {os.path.relpath(run)}")


def test_a_run_that_was_moved_away_from_its_store_is_not_called_unfinished(tmp_path: Path) -> None:
    away = tmp_path / "other" / "place" / "kechkena"
    away.parent.mkdir(parents=True)
    a_run(tmp_path).rename(away)
    with pytest.raises(RecipeError, match="the store of the run kechkena is not found") as caught:
        base_model(away)
    assert str(tmp_path / "other" / "store") in caught.value.message
    assert "STORE/model/ID" in caught.value.do


def test_a_run_without_a_model_in_its_plan_has_none(tmp_path: Path) -> None:
    run = a_run(tmp_path, stages=[{"stage": "corpus", "id": ID[:12]}])
    with pytest.raises(RecipeError, match="no finished model yet"):
        base_model(run)


@pytest.mark.parametrize("plan", ["no JSON", "{}", "[]", '{"store": "../../store", "stages": []}'])
def test_a_damaged_plan_is_named(tmp_path: Path, plan: str) -> None:
    run = a_run(tmp_path)
    (run / "plan.json").write_text(plan, encoding="utf-8")
    with pytest.raises(Damaged, match="the file is not what was written") as caught:
        base_model(run)
    assert caught.value.where == str(run / "plan.json")


def test_other_folders_and_missing_ones_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="nirgends is not there"):
        base_model(tmp_path / "nirgends")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecipeError, match="empty holds no model") as caught:
        base_model(tmp_path / "empty")
    assert "runs/NAME" in caught.value.do
