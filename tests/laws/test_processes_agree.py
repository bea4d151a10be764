"""Law 13, its second half: the same batch over 1, 2 and 4 processes gives the same training."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from laws.together import (
    CASES,
    HALF,
    PLAIN,
    RESUMED,
    STEPS,
    WISHES,
    Case,
    seen,
    training,
    write_corpus,
)

from endonym.train.distributed import ALONE

TRAINED = [(case, size) for size, cases in CASES.items() for case in cases]
HALVED = [(case, size) for size, cases in RESUMED.items() for case in cases]
TESTS = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every case trained by several processes, each from checkpoints of one too."""
    torch.set_num_threads(1)
    home = tmp_path_factory.mktemp("processes")
    write_corpus(home)
    for size in CASES:
        for case in RESUMED[size]:
            seen(training(home, case, ALONE, f"for-{size}"), until=HALF)
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    one_thread["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
    paths = {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]), "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(TESTS / "laws" / "together.py"), str(home)],
        env={**os.environ, **one_thread, **paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return home


@pytest.fixture(scope="module")
def alone(folder: Path) -> dict[str, Any]:
    """Every case trained by this process alone, which has nobody to divide anything with."""
    wanted = {case: case._replace(shard="none") for case, _ in TRAINED + HALVED}
    found = {each: seen(training(folder, each, ALONE, "of-1")) for each in {*wanted.values()}}
    return {case.name: found[each] for case, each in wanted.items()}


def of(folder: Path, size: int) -> dict[str, Any]:
    return json.loads((folder / f"seen-{size}.json").read_text(encoding="utf-8"))


def assert_agree(found: dict[str, Any], wanted: dict[str, Any], case: Case) -> None:
    """In bf16 sums are rounded differently, so that only 1e-3 can be asked."""
    first, tenth = (1e-6, 1e-4) if case.number_format == "fp32" else (1e-3, 1e-3)
    assert found["nats"][0] == pytest.approx(wanted["nats"][0], rel=first)
    assert found["norms"][0] == pytest.approx(wanted["norms"][0], rel=first)
    assert found["nats"] == pytest.approx(wanted["nats"], rel=tenth, nan_ok=True)
    assert found["events"] == wanted["events"]
    assert found["validations"] == pytest.approx(wanted["validations"], rel=tenth)
    assert len(found["nats"]) == len(wanted["nats"])


@pytest.mark.parametrize(("case", "size"), TRAINED)
def test_any_number_of_processes_learns_the_same(
    case: Case, size: int, folder: Path, alone: dict[str, Any]
) -> None:
    found, wanted = of(folder, size)[case.name], alone[case.name]
    assert max(wanted["norms"]) > WISHES[case.wish].get(
        "clip", 0.5
    )  # the gradient was clipped, by the norm of all of it
    assert_agree(found, wanted, case)
    assert found["weights"].keys() == wanted["weights"].keys()
    if case.number_format == "fp32":
        for name, values in wanted["weights"].items():
            apart = np.abs(np.subtract(found["weights"][name], values))
            # Where a gradient is near zero, an optimizer makes a whole step of its rounding.
            assert (apart > 1e-4).mean() < 1e-3, name
            assert apart.max() < 1e-3, name
            assert found["read"][name] == found["weights"][name]


def test_harm_in_one_process_is_undone_in_all(folder: Path, alone: dict[str, Any]) -> None:
    undone = [["skipped", STEPS], ["lost", STEPS], ["rolled_back", STEPS]]
    for case in (case for case, _ in TRAINED if case.wish == "harmed"):
        assert of(folder, 2)[case.name]["events"] == alone[case.name]["events"] == undone


@pytest.mark.parametrize("size", CASES)
def test_each_row_of_a_batch_is_read_by_one_process(size: int, folder: Path) -> None:
    batches = training(folder, PLAIN[0], ALONE, "of-1").batches
    read = [
        json.loads((folder / f"rows-{size}-{rank}.json").read_text(encoding="utf-8"))
        for rank in range(size)
    ]
    assert [row for rows in read for row in rows] == batches[3].tokens_BT.tolist()
    assert max(map(len, read)) - min(map(len, read)) <= 1


def test_no_two_processes_drop_the_same_channels_out(folder: Path) -> None:
    masks = [
        json.loads((folder / f"masks-2-{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1)
    ]
    passes = [tuple(mask) for each in masks for mask in each]
    assert len(passes) == 2 * 2 * 3  # Of two processes, two steps, each row alone.
    assert all(0.3 < sum(mask) / len(mask) < 0.7 for mask in passes)
    assert len(set(passes)) == len(passes)


@pytest.mark.parametrize(("case", "size"), HALVED)
def test_several_go_on_from_what_one_left(
    case: Case, size: int, folder: Path, alone: dict[str, Any]
) -> None:
    found, wanted = of(folder, size)[f"resumed {case.name}"], alone[case.name]
    assert found["nats"] == pytest.approx(wanted["nats"][HALF:], rel=1e-4)
    assert found["norms"] == pytest.approx(wanted["norms"][HALF:], rel=1e-4)


@pytest.mark.parametrize(("case", "size"), HALVED)
def test_one_goes_on_from_what_several_left(
    case: Case, size: int, folder: Path, alone: dict[str, Any]
) -> None:
    resumed = training(folder, case, ALONE, f"from-{size}")
    is_sharded = (resumed.inputs.folder / f"step-{HALF:06d}" / "weights").is_dir()
    assert is_sharded == (case.shard != "none")
    assert resumed.resume() == HALF
    found, wanted = seen(resumed), alone[case.name]
    assert found["nats"] == pytest.approx(wanted["nats"][HALF:], rel=1e-4)
    assert found["norms"] == pytest.approx(wanted["norms"][HALF:], rel=1e-4)
