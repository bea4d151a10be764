"""What a name means: a run by name or folder, from any folder, or a recipe."""

from pathlib import Path

import pytest
from artefacts import DECLARED, a_run, make, nobody
from made_conversations import fresh_tokenizer
from toys import toy_tokenizer

from endonym.errors import Damaged, RecipeError
from endonym.runs.find import (
    asked,
    find_recipe,
    find_run,
    known_runs,
    recipe_file,
    run_by_name,
    runs_here,
    runs_of,
    store_of,
)
from endonym.store import USUAL_STORE, Store, run_argument

USUAL = Store(USUAL_STORE)


def test_a_run_is_found_by_its_name_its_folder_and_the_recipe_in_it(tmp_path: Path) -> None:
    folder, store = a_run(tmp_path, "әкият"), Store(tmp_path / "store")
    assert find_run(store, "әкият") == folder
    elsewhere = Store(tmp_path / "elsewhere" / "store")
    for name in (folder, folder / "recipe.toml"):
        assert find_run(elsewhere, str(name)) == folder
    with pytest.raises(RecipeError, match=r"^RUN: no run is called хикәя") as caught:
        find_run(store, "хикәя")
    assert caught.value.do == known_runs(store) == "Runs here: әкият."
    (folder / "log.txt").unlink()
    with pytest.raises(RecipeError):
        find_run(store, "әкият")


def test_a_run_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run(tmp_path / "tatar", "әкият")
    for place in (run, run.parent, run.parent.parent, tmp_path, tmp_path / "tatar" / "texts" / "a"):
        place.mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(place)
        assert find_run(USUAL, "әкият").resolve() == run
        assert [path.resolve() for path in runs_here(USUAL)] == [run]
    monkeypatch.chdir(tmp_path)
    assert run_by_name(Store(Path("other/store")), "әкият") is None  # A store was named.
    monkeypatch.chdir(run)
    assert find_run(USUAL, ".").name == "әкият"


def test_the_nearest_run_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for project in ("a", "b"):
        a_run(tmp_path / project, "poveste")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match=r"^RUN: several runs are called poveste") as caught:
        find_run(USUAL, "poveste")
    assert "a/runs/poveste, b/runs/poveste" in caught.value.do
    here = a_run(tmp_path, "poveste")
    assert find_run(USUAL, "poveste").resolve() == here


@pytest.mark.parametrize("name", ["", "..", "../..", "*", "/", "/no/where", "a/b", "әки"])
def test_a_name_that_means_nothing_finds_no_run(tmp_path: Path, name: str) -> None:
    a_run(tmp_path, "әкият")
    assert run_by_name(Store(tmp_path / "store"), name) is None


def test_a_recipe_that_was_never_run_says_so(tmp_path: Path) -> None:
    (tmp_path / "basm").mkdir()
    (tmp_path / "basm" / "recipe.toml").write_text("", encoding="utf-8")
    for name in (tmp_path / "basm", tmp_path / "basm" / "recipe.toml"):
        with pytest.raises(RecipeError, match=f"^{name}: .* has not been run here yet") as caught:
            find_run(Store(tmp_path / "store"), str(name))
        assert caught.value.do.endswith(f"run {name}")


def test_a_recipe_is_named_by_its_file_its_folder_and_its_run(tmp_path: Path) -> None:
    run, store = a_run(tmp_path, "әкият", recipe="recipe.toml"), Store(tmp_path / "store")
    file, elsewhere = tmp_path / "recipe.toml", Store(tmp_path / "elsewhere" / "store")
    for name in (file, tmp_path):
        found = find_recipe(elsewhere, name)
        assert (found.path, found.store, found.variant) == (file, elsewhere, None)
    for name in (run, run / "recipe.toml"):
        found = find_recipe(elsewhere, name)
        assert (found.path, found.store.root) == (file, store.root)
        assert (found.variant, found.sets) == ("wide", ("seed=9",))
    assert find_recipe(store, Path("әкият")).path == file
    assert recipe_file(run) is recipe_file(run / "recipe.toml") is None
    assert runs_of(store, file) == [run]
    assert find_run(store, str(file)) == run


def test_names_are_relative_to_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = a_run(tmp_path, "әкият", recipe="recipe.toml")
    monkeypatch.chdir(tmp_path)
    for given, top in ((Path("runs/әкият"), Path()), (run, tmp_path)):
        found = find_recipe(USUAL, given)
        assert (found.path, found.store.root) == (top / "recipe.toml", top / "store")


def test_another_recipe_in_the_folder_of_a_run_is_no_copy(tmp_path: Path) -> None:
    own = a_run(tmp_path, "әкият") / "шигырь.toml"
    own.write_text("", encoding="utf-8")
    assert recipe_file(own) == own


def test_no_name_means_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    a_run(tmp_path, "әкият")
    monkeypatch.chdir(tmp_path)
    assert find_run(USUAL, "әкият") == Path("runs/әкият")
    with pytest.raises(RecipeError, match="no run is called"):
        find_run(USUAL, "")


def test_a_run_whose_recipe_is_gone_or_unknown_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    run = a_run(tmp_path, "әкият", recipe="recipe.toml")
    (tmp_path / "recipe.toml").unlink()
    with pytest.raises(RecipeError, match=r"/recipe\.toml: .* not there any more") as caught:
        find_recipe(store, run)
    assert str(run / "recipe.toml") in caught.value.do
    with pytest.raises(RecipeError, match="шигырь: this run does not say where"):
        find_recipe(store, a_run(tmp_path, "шигырь"))
    with pytest.raises(RecipeError, match=r"^RECIPE: no recipe or run is called алма") as caught:
        find_recipe(store, Path("алма"))
    assert "әкият" in caught.value.do


def test_the_store_of_a_run_is_the_one_that_its_plan_names(tmp_path: Path) -> None:
    given = Store(tmp_path / "elsewhere")
    planned = a_run(tmp_path, "әкият", recipe="recipe.toml")
    assert store_of(planned, given).root == tmp_path / "store"
    assert store_of(a_run(tmp_path, "шигырь"), given) is given


def test_a_run_beside_the_usual_store_is_called_by_its_name() -> None:
    assert run_argument(Path("runs/әкият"), USUAL) == "әкият"
    assert run_argument(Path("runs/o poveste"), USUAL) == "'o poveste'"
    assert run_argument(Path("runs/basm"), USUAL) == "basm"
    assert run_argument(Path("demo/runs/basm"), Store(Path("demo/store"))) == "demo/runs/basm"
    assert run_argument(Path("../runs/basm"), USUAL) == "../runs/basm"


def test_a_model_with_a_template_for_conversations_is_asked_by_chat(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert asked("әкият", None) == asked("әкият", make(store)) == 'generate әкият "…"'
    plain = (toy_tokenizer("byte"), 'generate әкият "…"')
    for tokenizer, said in (plain, (fresh_tokenizer("byte"), "chat әкият")):
        identifier = said.encode().hex()[:64]
        with store.workspace("model", identifier, waiting=nobody) as ctx:
            tokenizer.save(ctx.out)
            declared = {**DECLARED, "stage": "model", "id": identifier, "numbers": {}}
            model = store.publish(ctx, declared)
        assert asked("әкият", model) == said


def test_a_folder_with_a_recipe_alone_is_no_run(tmp_path: Path) -> None:
    run, store = a_run(tmp_path, "әкият"), Store(tmp_path / "store")
    (a_run(tmp_path, "шигырь") / "log.txt").unlink()
    assert runs_here(store) == [run]
    assert known_runs(store) == "Runs here: әкият."


def test_a_project_folder_means_its_only_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    a_run(tmp_path, "kechkena")
    khmer = a_run(tmp_path / "w" / "km", "khmer")
    monkeypatch.chdir(tmp_path)
    assert find_run(USUAL, "khmer").resolve() == khmer
    assert [path.resolve() for path in runs_here(USUAL)][1:] == [khmer]
    assert known_runs(USUAL, "khmr") == "Did you mean khmer? Runs here: kechkena, khmer."
    assert find_run(USUAL, "w/km").resolve() == khmer
    a_run(tmp_path / "w" / "km", "khmer2")
    with pytest.raises(RecipeError, match=r"^RUN: w/km has several runs") as caught:
        find_run(USUAL, "w/km")
    assert "w/km/runs/khmer, w/km/runs/khmer2" in caught.value.do


def test_a_recipe_s_mistyped_path_brings_the_one_beside_it(tmp_path: Path) -> None:
    a_run(tmp_path / "tatar", "әкият", recipe="recipe.toml")
    store = Store(tmp_path / "store")
    for wrong, meant in (("tatar/recipe.tml", "tatar/recipe.toml"), ("tatr", "tatar")):
        with pytest.raises(RecipeError, match="no recipe or run is called") as caught:
            find_recipe(store, tmp_path / wrong)
        assert f"Did you mean {tmp_path / meant}?" in caught.value.do


def test_a_project_with_a_log_of_its_own_is_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`endonym run recipe.toml > log.txt`: the shell makes the file before the program begins."""
    for file in ("recipe.toml", "log.txt"):
        (tmp_path / file).write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in (Path("recipe.toml"), Path(), tmp_path, tmp_path / "recipe.toml"):
        assert find_recipe(USUAL, name).path.resolve() == tmp_path / "recipe.toml"
        assert run_by_name(USUAL, str(name)) is None
    run = a_run(tmp_path, "әкият", recipe="recipe.toml")
    assert run_by_name(USUAL, str(run)) == run
    assert find_recipe(USUAL, run).path.resolve() == tmp_path / "recipe.toml"


def test_a_project_below_a_folder_called_runs_is_no_run(tmp_path: Path) -> None:
    project = tmp_path / "runs" / "mytatar"
    project.mkdir(parents=True)
    (project / "recipe.toml").write_text('name = "әкият"\n', encoding="utf-8")
    (project / "log.txt").write_text("Укыту башланды.\n", encoding="utf-8")
    assert recipe_file(project / "recipe.toml") == project / "recipe.toml"
    assert run_by_name(USUAL, str(project)) is None
    Store(tmp_path / "store").claim(project, project / "recipe.toml")
    assert recipe_file(project / "recipe.toml") is None
    assert run_by_name(USUAL, str(project)) == project


def test_a_project_that_is_its_own_store_is_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`endonym run recipe.toml --store . > log.txt`, and then any other command."""
    for file in ("recipe.toml", "log.txt"):
        (tmp_path / file).write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    store, run = Store(Path()), Path("runs/әкият")
    store.claim(run, Path("recipe.toml"))
    for name in (Path("recipe.toml"), Path(), tmp_path, tmp_path / "recipe.toml"):
        assert find_recipe(store, name).path.resolve() == tmp_path / "recipe.toml"
        assert run_by_name(store, str(name)) is None


def test_a_damaged_plan_is_named_where_it_may_be_of_the_recipe(tmp_path: Path) -> None:
    run, store = a_run(tmp_path, "әкият", recipe="recipe.toml"), Store(tmp_path / "store")
    whole = a_run(tmp_path, "шигырь", recipe="шигырь.toml")
    (run / "plan.json").write_text("{", encoding="utf-8")
    for recipe in ("recipe.toml", "шигырь.toml"):
        with pytest.raises(Damaged) as caught:
            find_run(store, str(tmp_path / recipe))
        assert caught.value.where == str(run / "plan.json")
    assert find_run(store, "шигырь") == whole
