"""What a recipe may say about its judgement."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from endonym.evaluate.config import Evaluation


def test_prompts_need_a_file_and_bits_do_not() -> None:
    usual = Evaluation(kind="bits")
    assert (usual.file, usual.split, usual.baselines, usual.temperature) == (
        None,
        "test",
        True,
        0.8,
    )
    assert Evaluation(kind="prompts", file="prompts.txt").max_tokens == 120
    with pytest.raises(ValidationError, match="needs file, one prompt a line"):
        Evaluation(kind="prompts")


def test_speed_is_measured_on_test_documents() -> None:
    assert Evaluation(kind="speed").files(Path()) == []
    for given in ({"file": "a.txt"}, {"split": "dev"}):
        with pytest.raises(ValidationError, match="leave file and split out"):
            Evaluation(kind="speed", **given)


def test_files_stand_beside_the_recipe() -> None:
    folder = Path("texts")
    assert Evaluation(kind="bits").files(folder) == []
    assert Evaluation(kind="bits", file="a.txt").files(folder) == [folder / "a.txt"]
    assert Evaluation(kind="bits", file="a.txt").files(folder, "prompts") == []
