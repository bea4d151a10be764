"""The table of the code that counts for each stage is current, and sees all of it.

Thus a run knows of each stage whether other code made it (pipeline/made_by.py). Who moves code runs
`python tests/code_reach.py`.
"""

from pathlib import Path

import pytest
from code_reach import (
    FUNCTIONS,
    NO_DATA,
    NO_RESULT,
    NOTHING,
    SOURCE,
    TABLE,
    modules,
    parsed,
    reach,
    table,
)

from endonym.pipeline import plan, stages
from endonym.pipeline.made_by import CODE, FIXED, files_of
from endonym.pipeline.stage import VERSIONS

UNREACHED = {
    *("recipe/example.toml", "commands/left.txt", "report/change.html", "report/head.html"),
    *("report/table.html", "pipeline/announced.txt"),
}
"""Data that no definition names: parts of templates, an example for people, and what preflight
says."""


def test_the_table_of_code_is_current() -> None:
    assert TABLE.read_text(encoding="utf-8") == table(), "run: python tests/code_reach.py"


def test_every_function_of_a_stage_is_in_the_table() -> None:
    """What the plan makes stages of, but for those that only list files."""
    text = Path(plan.__file__).read_text(encoding="utf-8")
    used = {name for name in vars(stages) if f"stages.{name}" in text}
    assert used - {"source", "named_files", "pretrained"} == FUNCTIONS.keys() - {"choices"}
    assert CODE.keys() == {*FUNCTIONS, NOTHING}
    assert {*FIXED} < VERSIONS.keys()


@pytest.mark.parametrize(
    ("function", "within", "without"),
    [
        (
            "corpus",
            ["cleaning/rules.py", "formats/parsers/pdf.py", "formats/parsers/html.py"],
            ["train/", "model/"],
        ),
        ("tokenizer", ["tokenizer/bpe.py", "tokenizer/strange.toml"], ["cleaning/", "train/"]),
        ("shards", ["data/shards.py"], ["cleaning/", "train/", "model/"]),
        ("model", ["train/muon.py", "model/init.py", "seed.py"], ["cleaning/rules.py", "report/"]),
        ("evaluation", ["evaluate/compressor.py", "generate/reading.py"], ["train/muon.py"]),
        ("export", ["export/gguf/write.py", "export/templates/model.md"], ["train/muon.py"]),
        ("choices", ["autopilot/phase.py", "autopilot/model_size.py"], ["report/"]),
    ],
)
def test_a_stage_has_its_code_and_not_that_of_others(
    function: str, within: list[str], without: list[str]
) -> None:
    files = files_of(function)
    assert {*within} <= {*files}
    assert not [name for name in files if name.startswith(tuple(without))]


def test_all_modules_of_what_stages_are_made_of_count_for_one() -> None:
    """Also those that only a table names, such as the parsers."""
    packages = ("cleaning/", "copies/", "corpus/", "data/", "export/", "formats/", "limited/")
    packages += ("model/", "script/", "tokenizer/", "train/")
    idle = [name for name in files_of(NOTHING) if name.startswith(packages)]
    assert [name for name in idle if not name.endswith("__init__.py")] == []


def test_what_names_nothing_reaches_nothing_else() -> None:
    """A function, a constant, a class within, a local import and a table beside a module."""
    assert reach(["endonym.seed:named_seed"]) == {"seed.py"}
    assert "model/refusals.toml" in reach(["endonym.model.refusals:misfit"])
    assert "train/step.py" in reach(["endonym.pipeline.stages:model"]), "by imports in functions"
    assert "model/config.py" in reach(["endonym.pipeline.stages:model"]), "by its config"


def test_every_data_file_counts_for_a_definition() -> None:
    places = [f"{name}:{part}" for name in modules() for part in parsed(name).parts]
    files = {path for path in SOURCE.rglob("*") if path.is_file() and path.suffix not in NO_DATA}
    names = {path.relative_to(SOURCE).as_posix() for path in files}
    assert names - reach(places) == UNREACHED


def test_what_counts_for_no_result_is_there() -> None:
    for each in NO_RESULT:
        module, _, name = each.partition(":")
        assert module in modules()
        assert not name or name in parsed(module).parts
