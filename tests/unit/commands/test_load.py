"""What a name may mean where a command takes a model."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from artefacts import nobody

from endonym.commands.load import (
    card_of,
    find_artifact,
    identity_of,
    load_model,
    origin_of,
    words_of,
)
from endonym.errors import RecipeError
from endonym.export.card import Card
from endonym.export.history import spelling_of
from endonym.log import Log
from endonym.store import Artifact, Store, write_sealed


@pytest.fixture
def store(finished: Path) -> Store:
    return Store(finished / "store")


@pytest.fixture
def model(store: Store) -> Path:
    (folder,) = (store.root / "model").iterdir()
    return folder


def test_a_model_is_named_by_run_folder_or_id(store: Store, model: Path, finished: Path):
    artifact = find_artifact("kechkena", store)
    names = (model, model.name, model.name[:4], artifact.manifest["id"])
    for name in (finished / "runs" / "kechkena", *names):
        found = find_artifact(str(name), store)
        assert found.id == model.name


NAMES = [
    *((name, "") for name in ("abc", "../..", "*", "a*", "[!x]aaa", "/", "/no/where", "")),
    *((name, "Did you mean kechkena? ") for name in ("kechken", "Kechkena", "kehckena")),
]


@pytest.mark.parametrize(("name", "meant"), NAMES)
def test_a_name_that_means_nothing_finds_nothing(
    store: Store, name: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "at" / "work").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "at" / "work")  # Names of folders nearby are suggested, too.
    assert find_artifact(name, store) is None
    with pytest.raises(RecipeError, match=r"^MODEL: no model is called") as caught:
        load_model(name, store)
    assert caught.value.do == f"{meant}Runs here: kechkena."


def test_the_beginning_of_two_ids_means_neither(store: Store, model: Path, tmp_path: Path) -> None:
    twin = tmp_path / "store" / "model"
    shutil.copytree(model, twin / model.name)
    shutil.copytree(model, twin / (model.name[:6] + "000000"))
    assert find_artifact(model.name[:6], Store(tmp_path / "store")) is None
    assert find_artifact(model.name[:8], Store(tmp_path / "store")) is not None


def test_the_card_of_a_run_has_its_recipe_s_name_and_language(finished: Path, store: Store) -> None:
    by_name, by_folder = card_of("kechkena", store), card_of(str(finished / "runs/kechkena"), store)
    assert by_name == by_folder
    assert replace(by_name, history=None) == Card("kechkena", "tt", synthetic=())
    assert by_name.history.seconds() > 0
    assert {each.split for each in by_name.history.scores()} == {"test"}
    assert card_of("elsewhere/gemma", store) == Card("gemma")


def test_the_card_of_an_artefact_knows_its_history(model: Path, store: Store) -> None:
    card = card_of(str(model), store)
    assert (card.name, card.synthetic) == (model.name, None)
    assert [each.folder for each in card.history.phases] == [model]


def test_the_card_of_a_run_knows_its_licenses_and_what_no_person_wrote(
    finished: Path, store: Store, tmp_path: Path
) -> None:
    """The recipe's own name and language, not the folder's; the sources in their order."""
    copy = tmp_path / "runs" / "тәүге"
    shutil.copytree(finished / "runs" / "kechkena", copy)
    recipe = copy / "recipe.toml"
    text = recipe.read_text(encoding="utf-8")
    for name, more in {
        "others": "synthetic = true",
        "romanian": 'license = "CC-BY-4.0"\nsynthetic = false',
        "tatar": 'license = "CC0-1.0"\nsynthetic = true',
    }.items():
        text = text.replace(f'name = "{name}"\n', f'name = "{name}"\n{more}\n')
    recipe.write_text(text.replace('language = "tt"', 'language = "ro"'), encoding="utf-8")
    plan = json.loads((copy / "plan.json").read_text(encoding="utf-8"))
    plan["store"] = str(finished / "store")
    write_sealed(copy / "plan.json", plan)
    licenses = {"tatar": "CC0-1.0", "romanian": "CC-BY-4.0"}
    words = Card("kechkena", "ro", licenses, synthetic=("tatar", "others"))
    assert replace(card_of(str(copy), store), history=None) == words_of(str(copy), store) == words
    bare = 'name = 5\n[[source]]\nname = "tatar"\npath = "a.txt"\n'
    recipe.write_text(bare, encoding="utf-8")
    assert words_of(str(copy), store) == Card("5", "", synthetic=())
    recipe.write_text("seed = 3\n", encoding="utf-8")
    assert words_of(str(copy), store) == Card(str(copy), "", synthetic=())


def test_a_model_spells_prompts_as_its_corpus_does_while_the_store_has_that(tmp_path: Path):
    store, made = Store(tmp_path / "store"), list[Artifact]()
    clean = {"normalize": ["khmer_order"], "dedup": ["exact"], "script": "khmer"}
    for kind, config in (("corpus", {"clean": clean}), ("tokenizer", {}), ("model", {})):
        inputs = {each.stage: each.id for each in made[-1:]}
        with store.workspace(kind, identity := f"{len(made)}" * 64, waiting=nobody) as ctx:
            assert ctx is not None
            declared = {"stage": kind, "version": 1, "config": config, "inputs": inputs}
            made.append(store.publish(ctx, {**declared, "id": identity, "numbers": {}}))
    assert spelling_of(made[-1])("ខែ្មរ") == "ខ្មែរ"
    shutil.rmtree(made[0].folder)
    assert spelling_of(made[-1])("ខែ្មរ") == "ខែ្មរ"


def test_a_run_and_its_model_s_folder_spell_alike(finished: Path, store: Store, model: Path):
    for name in (str(finished / "runs" / "kechkena"), str(model)):
        assert load_model(name, store).spelled("и\u0306  ") == "й  "


def test_a_run_from_another_folder_s_store_is_named_by_its_path(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for place, said in ((finished.parent, f"using run {finished.name}/runs/"), (finished, "")):
        monkeypatch.chdir(place)
        load_model("kechkena", Store(Path("store")), log=Log())
        err = capsys.readouterr().err
        assert err.startswith(said)
        assert bool(err) == bool(said)


def test_the_identity_of_a_model_changes_with_its_files(tmp_path: Path) -> None:
    """Of a folder; what is no model is refused by the flag that names it."""
    folder, store = tmp_path / "модель", Store(tmp_path / "store")
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"\0")
    for name in (str(folder), "юк"):
        with pytest.raises(RecipeError, match="no model is called") as caught:
            identity_of(name, store, where="--by")
        assert caught.value.where == "--by"
    (folder / "config.json").write_text("{}", encoding="utf-8")
    first = identity_of(str(folder), store)
    assert origin_of(str(folder), store) == {
        "model": str(folder), "identity": first, "adapter": None, "corpus": None
    }  # fmt: skip
    (folder / "model.safetensors").write_bytes(b"\1")
    second = identity_of(str(folder), store)
    assert first != second
    assert len(first) == len(second) == 12
