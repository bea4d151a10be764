"""The sessions of README and guide, command by command, on Tatar texts, with a small model."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from toys import SMALL_SETS

import endonym
from endonym.cli.main import answer

README = Path(__file__).parents[2] / "README.md"
GUIDE = README.parent / "docs" / "guide.md"


def session(page: Path) -> list[str]:
    """The commands of the section "One session", without their comments."""
    section = page.read_text(encoding="utf-8").split("## One session")[1].split("## ")[0]
    block = section.split("```")[1]
    return [line.split("#")[0].strip() for line in block.splitlines() if line.strip()]


def make_small(path: Path) -> None:
    """Write the recipe anew, with a small model; the rest as it stands."""
    path.write_text(endonym.Recipe.load(path, sets=SMALL_SETS).as_run(), encoding="utf-8")


@pytest.mark.usefixtures("no_compiler")
def test_the_session_of_the_readme_works_as_it_is_written(
    tmp_path: Path, fables: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "chapter.txt").write_text(fables[0] + "\n", encoding="utf-8")
    commands = session(GUIDE)
    assert len(commands) == 11
    few = session(README)
    assert len(few) == 6
    assert few == [command for command in commands if command in few]
    for command in commands:
        code = answer(shlex.split(command)[1:])
        said = capsys.readouterr()
        assert code == 0, f"{command}: {said.err}"
        if command.startswith("endonym new"):
            make_small(tmp_path / "my-tatar" / "recipe.toml")
        assert "Traceback" not in said.out + said.err
    assert (tmp_path / "runs" / "my-tatar" / "report.html").is_file()
    assert (tmp_path / "my-tatar-hf" / "model.safetensors").is_file()
    assert (tmp_path / "my-tatar-gguf" / "my-tatar-Q4_K_M.gguf").is_file()


def test_the_readme_names_both_set_up_commands_and_the_makefile_has_them() -> None:
    readme = README.read_text(encoding="utf-8")
    targets = (README.parent / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert f"make {target}" in readme
        assert re.search(rf"^{target}:", targets, flags=re.MULTILINE)


def test_the_python_of_the_readme_works_twice_in_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_recipe: Callable[[Path], Path]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = small_recipe(tmp_path / "small")
    recipe = endonym.Recipe.load(path, sets=["phase.0.steps=4"])
    for _ in range(2):
        run = endonym.make(recipe, quiet=True)
        assert len(run.language_model().generate("Кояшлы көндә", max_tokens=5)) > 0
    assert [made.is_new for made in run.made] == [False] * len(run.made)
