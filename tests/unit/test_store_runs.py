"""The store knows the runs that refer to it: what prune keeps, and what it removes."""

import shutil
import threading
from pathlib import Path

import pytest
from artefacts import ID, OTHER, make, nobody

from endonym.errors import RecipeError
from endonym.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_prune_finds_what_no_run_refers_to_and_keeps_the_rest(store: Store, tmp_path: Path) -> None:
    make(store)
    make(store, OTHER)
    run = tmp_path / "runs" / "tatar"
    run.mkdir(parents=True)
    store.refer(run, {ID: "corpus"})
    assert [each.id for each in store.unreferred()] == [OTHER[:12]]
    store.remove(store.unreferred()[0])
    assert [each.id for each in store.artifacts()] == [ID[:12]]
    assert not list((store.root / "corpus").glob("*.part"))
    shutil.rmtree(run)
    assert [each.id for each in store.unreferred()] == [ID[:12]]


def test_a_run_that_needs_something_else_now_lets_go_of_what_it_needed(
    store: Store, tmp_path: Path
) -> None:
    make(store)
    make(store, OTHER)
    store.refer(tmp_path, {ID: "corpus"})
    store.refer(tmp_path, {OTHER: "corpus"}, is_whole=False)
    assert store.unreferred() == []
    store.refer(tmp_path, {OTHER: "corpus"})
    assert [each.id for each in store.unreferred()] == [ID[:12]]


def test_a_store_and_its_runs_may_move_together(store: Store, tmp_path: Path) -> None:
    make(store)
    (tmp_path / "runs" / "tatar").mkdir(parents=True)
    store.refer(tmp_path / "runs" / "tatar", {ID: "corpus"})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("store", "runs"):
        (tmp_path / name).rename(elsewhere / name)
    assert Store(elsewhere / "store").unreferred() == []


def test_a_work_folder_that_outlived_its_artefact_is_taken_away(store: Store) -> None:
    made = make(store)
    left = made.folder.with_name(made.folder.name + ".part") / "step-000010"
    left.mkdir(parents=True)
    assert store.unfinished() == [left.parent]
    store.tidy(made)
    assert not left.parent.exists()
    assert made.verify()


def test_prune_sees_work_that_no_run_needs_and_removes_it(store: Store, tmp_path: Path) -> None:
    for identifier in (ID, OTHER):
        (store.root / "model" / f"{identifier[:12]}.part" / "step-000010").mkdir(parents=True)
    store.refer(tmp_path, {ID: "model"})
    (part,) = store.unfinished()
    assert part.name == f"{OTHER[:12]}.part"
    store.remove_unfinished(part)
    assert store.unfinished() == []
    assert (store.root / "model" / f"{ID[:12]}.part").is_dir()


def test_a_damaged_manifest_does_not_hide_the_other_artefacts(store: Store) -> None:
    make(store)
    damaged = make(store, OTHER)
    (damaged.folder / "manifest.json").write_text("{", encoding="utf-8")
    assert [each.id for each in store.artifacts()] == [ID[:12]]


def test_two_recipes_of_one_name_do_not_share_a_run(store: Store, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "tatar"
    run.mkdir(parents=True)
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    for path in (first, second):
        path.write_text("", encoding="utf-8")
    store.claim(run, first)
    store.claim(run, first)
    store.refer(run, {ID: "corpus"})
    with pytest.raises(RecipeError, match="made by another recipe"):
        store.claim(run, second)
    first.unlink()
    store.claim(run, second)


def test_a_process_that_is_just_publishing_is_waited_for_not_an_error(store: Store) -> None:
    artifact = make(store)
    work = artifact.folder.with_name(f"{artifact.folder.name}.part")
    tidying = threading.Thread(target=store.tidy, args=(artifact,))
    with store.workspace("corpus", ID, waiting=nobody):
        work.mkdir()
        tidying.start()
        tidying.join(0.2)
        assert tidying.is_alive()
        assert work.is_dir()
    tidying.join(10)
    assert not tidying.is_alive()
    assert not work.exists()
