"""Law 19: killing a run at any moment leaves a store that the same command completes to the same
bytes. ENDONYM_KILLS says how many kills, ENDONYM_SEED which ones."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from every_kind import recipe_of_all_kinds

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("killing.py")
STAGES = {
    *("source", "corpus", "tokenizer", "shards", "examples", "model", "evaluation", "export"),
}
PHASED = {"model adapted", "model answers", "model liked"}
"""Stages that are killed in any case: shares of the sources, conversations, preference pairs."""
KILLS = "9"
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
STEPS = [list(range(last + 1)) for last in (24, 8, 8, 8)]


@pytest.fixture(scope="module")
def found(
    tmp_path_factory: pytest.TempPathFactory, small_recipe: Callable[[Path], Path]
) -> dict[str, Any]:
    """What the killing program found."""
    folder = tmp_path_factory.mktemp("interruption") / "project"
    recipe_of_all_kinds(folder, small_recipe)
    kills, seed = os.environ.get("ENDONYM_KILLS", KILLS), os.environ.get("ENDONYM_SEED", "20")
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder), kills, seed],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **ONE_THREAD},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    sys.stdout.write(
        f"kills by stage: {found['killed']}, in {found['rounds']} runs, "
        f"{found['resumed']} trainings went on from a checkpoint\n"
    )
    return found


def test_every_stage_is_killed_and_no_run_ends_in_a_fault(found: dict[str, Any]) -> None:
    assert found["faults"] == []
    assert sum(found["kills"].values()) == int(os.environ.get("ENDONYM_KILLS", KILLS))
    assert found["resumed"] >= 1
    assert len(set(found["kills"]) & STAGES) >= 5
    assert set(found["killed"]) >= PHASED


def test_artefacts_of_killed_runs_are_the_bytes_of_an_undisturbed_run(
    found: dict[str, Any],
) -> None:
    assert found["artefacts"] > 25
    assert found["differing"] == []


def test_the_journal_of_a_killed_training_has_every_step_once(found: dict[str, Any]) -> None:
    assert found["calm_journal"] == STEPS
    assert found["journals"] == [STEPS] * found["rounds"]
