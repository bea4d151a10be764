"""Artefacts: named by what made them, whole or not there, never damaged in silence."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from artefacts import DECLARED, ID, OTHER, a_run, make, nobody

from endonym.disk import write_json
from endonym.errors import Busy, Damaged, RecipeError
from endonym.store import (
    Store,
    canonical_json,
    fingerprint,
    is_run_of_store,
    is_store,
    open_artifact,
    read_if_whole,
    read_plan,
    write_sealed,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_a_value_has_one_canonical_form() -> None:
    written = '{"b":[true,null,0.5],"ә":1}'.encode()
    assert canonical_json({"ә": 1, "b": [True, None, 0.5]}) == written
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint([1, 2]) != fingerprint([2, 1])
    with pytest.raises(ValueError, match="JSON"):
        fingerprint(float("inf"))


def test_an_artefact_stands_under_its_stage_and_twelve_digits(store: Store) -> None:
    made = make(store)
    assert made.folder == store.root / "corpus" / ID[:12]
    assert (made.id, made.stage, made.numbers) == (ID[:12], "corpus", {"kept": 2})
    assert sorted(made.manifest["files"]) == ["dropped/short.txt", "train.txt", "val.txt"]
    assert made.bytes() == sum(len(t.encode()) for t in ("Әбием мич янында", "утырып", "ә"))
    assert store.find("corpus", ID) == made
    assert store.find("corpus", OTHER) is None
    assert made.verify() is made


FILES = ("train.txt", "val.txt", "dropped/short.txt", "manifest.json")


def check(store: Store) -> None:
    """What every command does before it uses an artefact."""
    store.find("corpus", ID).verify()


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_or_another_length_is_damage_that_names_the_file(store: Store, name: str):
    path = make(store).folder / name
    data = path.read_bytes()
    wrong = [b"", data[:-1], data + b"x"]
    for index in range(0, len(data), max(1, len(data) // 40)):
        wrong.append(data[:index] + bytes([data[index] ^ 1 << index % 8]) + data[index + 1 :])
    for content in wrong:
        path.write_bytes(content)
        with pytest.raises(Damaged, match=name) as caught:
            check(store)
        assert caught.value.where == str(path)
        assert str(store.root / "corpus" / ID[:12]) + " and run again" in caught.value.do
    path.write_bytes(data)
    check(store)
    path.unlink()
    with pytest.raises(Damaged, match=f"{name} is missing"):
        check(store)


@pytest.mark.parametrize("text", ["[]", "null", '"a"', "{}", '{"id": 5}'])
def test_a_manifest_that_says_something_else_is_damage(store: Store, text: str) -> None:
    folder = make(store).folder
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(Damaged, match=r"manifest\.json"):
        open_artifact(folder)


def test_a_folder_is_not_an_artefact_before_it_is_published(store: Store) -> None:
    seen: list[object] = []
    with store.workspace("corpus", ID, waiting=nobody) as workspace:
        (workspace.out / "train.txt").write_text("Таң", encoding="utf-8")
        seen += [store.find("corpus", ID), list(store.artifacts())]
    assert seen == [None, []]
    assert store.find("corpus", ID) is None
    assert make(store).verify()
    assert sorted(path.name for path in (store.root / "corpus").iterdir()) == [ID[:12]]


def test_the_manifest_is_last_and_all_is_flushed(store: Store, monkeypatch: pytest.MonkeyPatch):
    events: list[str] = []
    flushed: list[int] = []
    rename = Path.rename
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(os.fstat(handle).st_ino))

    def note(path: Path, target: Path) -> Path:
        events.append(f"{path.name} to {Path(target).name}")
        assert (path / "manifest.json").is_file()
        assert all(each.stat().st_ino in flushed for each in (path, *path.rglob("*")))
        flushed.clear()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", note)
    make(store)
    assert events == [f"out to {ID[:12]}"]
    assert flushed == [(store.root / "corpus").stat().st_ino]


def test_what_a_kill_left_in_out_is_thrown_away_and_what_stands_beside_it_kept(store: Store):
    work = store.root / "corpus" / f"{ID[:12]}.part"
    (work / "out").mkdir(parents=True)
    (work / "out" / "half.txt").write_text("х", encoding="utf-8")
    (work / "step-000008").mkdir()
    with store.workspace("corpus", ID, waiting=nobody) as workspace:
        assert list(workspace.out.iterdir()) == []
        assert (workspace.work / "step-000008").is_dir()
        store.publish(workspace, {**DECLARED, "id": ID, "numbers": {}})
    assert not work.exists()


WAITER = """
import sys
from pathlib import Path
from endonym.store import Store
store = Store(Path(sys.argv[1]))
with store.workspace("corpus", sys.argv[2], waiting=lambda who: print(who, flush=True)) as made:
    print("made by another" if made is None else "to make", flush=True)
"""


def waiter(store: Store) -> subprocess.Popen[str]:
    """A second process that wants to make the same artefact."""
    command = [sys.executable, "-c", WAITER, str(store.root), ID]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_second_process_waits_says_for_whom_and_finds_the_artefact(store: Store) -> None:
    with store.workspace("corpus", ID, waiting=nobody) as workspace:
        assert workspace is not None
        second = waiter(store)
        said = second.stdout.readline()
        assert said == f"corpus {ID[:12]} is being made by process {os.getpid()}\n"
        store.publish(workspace, {**DECLARED, "id": ID, "numbers": {}})
        assert second.poll() is None
    with second:
        assert second.stdout.read() == "made by another\n"
    assert second.returncode == 0


OWNER = """
import os, signal, sys
from pathlib import Path
from endonym.store import Store
with Store(Path(sys.argv[1])).workspace("corpus", sys.argv[2], waiting=print):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_maker_is_the_last_one_that_took_the_lock(store: Store) -> None:
    for _ in range(2):
        with store.lock("corpus", ID, nobody):
            assert store.maker("corpus", ID) == f"process {os.getpid()}"
    assert store.maker("corpus", ID) == ""
    with (store.root / "locks" / f"corpus-{ID[:12]}").open() as another:  # one that asks too
        fcntl.flock(another, fcntl.LOCK_SH)
        assert store.maker("corpus", ID) == ""


@pytest.mark.parametrize("name", [f"model/{ID[:12]}.part", f"cache/gguf/.{ID[:12]}.9.part"])
def test_work_that_a_process_is_at_is_not_removed(store: Store, name: str) -> None:
    part = store.root / name
    part.mkdir(parents=True)
    held = store.lock(part.parent.name, ID, nobody)
    with held, pytest.raises(Busy, match=f"^{part}: .* process {os.getpid()}"):
        store.remove(part)
    assert part.is_dir()
    store.remove(part)
    assert not part.exists()


def test_the_lock_of_a_dead_owner_is_free(store: Store) -> None:
    command = [sys.executable, "-c", OWNER, str(store.root), ID]
    assert subprocess.run(command, check=False).returncode == -9
    assert (store.root / "locks" / f"corpus-{ID[:12]}").read_text().startswith("process ")
    assert make(store).verify()


def test_an_artefact_that_another_process_holds_is_not_removed(store: Store) -> None:
    made = make(store)
    holding = WAITER + "    sys.stdin.read()\n"
    command = [sys.executable, "-c", holding, str(store.root), ID]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"made by another\n"
        with pytest.raises(Busy, match=f"^{made.folder}: .* process {holder.pid}"):
            store.remove(made.folder)
        holder.communicate()
    assert made.verify()


def test_the_manifest_holds_no_time_and_no_path(store: Store) -> None:
    made = make(store)
    data = json.loads((made.folder / "manifest.json").read_text(encoding="utf-8"))
    expected = {"config", "files", "id", "inputs", "numbers", "seal", "stage", "version"}
    assert set(data) == expected
    assert str(store.root) not in json.dumps(data)


def test_prune_finds_what_no_run_refers_to_and_keeps_the_rest(store: Store, tmp_path: Path) -> None:
    make(store)
    make(store, OTHER)
    run = tmp_path / "runs" / "tatar"
    run.mkdir(parents=True)
    store.refer(run, {ID: "corpus"})
    assert [each.id for each in store.unreferred()] == [OTHER[:12]]
    manifest = store.folder("corpus", OTHER) / "manifest.json"
    whole = manifest.read_bytes()
    manifest.write_text("{", encoding="utf-8")
    assert [each.id for each in store.artifacts()] == [ID[:12]], "others are not hidden by it"
    manifest.write_bytes(whole)
    store.remove(store.unreferred()[0].folder)
    assert [each.id for each in store.artifacts()] == [ID[:12]]
    assert not list((store.root / "corpus").glob("*.part"))
    shutil.rmtree(run)
    assert [each.id for each in store.unreferred()] == [ID[:12]]


def test_a_run_lets_go_of_what_it_no_longer_needs(store: Store, tmp_path: Path):
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
    store.refer(store.root, {ID: "corpus"})
    assert store.unfinished() == [left.parent], "the run needs what is made of it"
    store.tidy(made)
    assert not left.parent.exists()
    assert made.verify()


def test_prune_sees_work_that_no_run_needs_and_removes_it(store: Store, tmp_path: Path) -> None:
    for identifier in (ID, OTHER):
        (store.root / "model" / f"{identifier[:12]}.part" / "step-000010").mkdir(parents=True)
    store.refer(tmp_path, {ID: "model"})
    (part,) = store.unfinished()
    assert part.name == f"{OTHER[:12]}.part"
    store.remove(part)
    assert store.unfinished() == []
    assert (store.root / "model" / f"{ID[:12]}.part").is_dir()


def test_half_an_artefact_that_a_killed_prune_left_is_none_and_in_nobodys_way(store: Store) -> None:
    made = make(store)
    gone = made.folder.with_name(f"{made.folder.name}.gone.part")
    made.folder.rename(gone)
    assert list(store.artifacts()) == []
    store.remove(make(store).folder)
    assert store.find("corpus", ID) is None
    assert not gone.exists()


def test_two_recipes_of_one_name_do_not_share_a_run(store: Store, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "tatar"
    run.mkdir(parents=True)
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    for path in (first, second):
        path.write_text("", encoding="utf-8")
    store.claim(run, first)
    store.claim(run, first)
    store.refer(run, {ID: "corpus"})
    with pytest.raises(RecipeError, match=rf"{first}: .* tatar here was made by another recipe"):
        store.claim(run, second)
    run.rename(tmp_path / "elsewhere")
    store.claim(run, second)  # of a run that is gone the name is free
    run.mkdir()
    with pytest.raises(RecipeError, match="made by another recipe"):
        store.claim(run, first)
    second.unlink()
    store.claim(run, first)


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


def test_a_store_and_a_recipe_in_folders_that_are_no_utf8_are_referred_to(tmp_path: Path):
    folder = tmp_path / os.fsdecode(b"work-\xff")
    store, run = Store(folder / "store"), folder / "runs" / os.fsdecode(b"a-\xff")
    run.mkdir(parents=True)
    recipe = run / os.fsdecode(b"recipe-\xff.toml")
    recipe.write_text("", encoding="utf-8")
    store.claim(run, recipe)
    store.claim(run, recipe)
    store.refer(run, {ID: "corpus"})
    assert store.unreferred() == []
    assert fingerprint({"a": "\udcff"}) != fingerprint({"a": "\udcfe"})


def test_two_folders_that_changed_places_are_not_used_as_each_other(store: Store) -> None:
    one, other = make(store), make(store, OTHER)
    aside = one.folder.with_name("aside")
    one.folder.rename(aside)
    other.folder.rename(one.folder)
    aside.rename(other.folder)
    for identifier, found in ((ID, OTHER), (OTHER, ID)):
        with pytest.raises(Damaged, match=f"is that of corpus {found[:12]}, not of this folder"):
            store.find("corpus", identifier)
    assert list(store.artifacts()) == []
    copy = other.folder.rename(store.root / "taken along")
    assert open_artifact(copy).id == ID[:12]


PLANNED = [{"name": n, "id": i, "stage": n} for n, i in (("corpus", ID), ("model", OTHER))]
ODD = ["", "null", "{}", "[]", '{"run": 5}', "{", "[" * 100_000, '{"a": 1e999}', "ә" * 3]


@pytest.mark.parametrize("text", ODD)
def test_a_damaged_reference_is_told_and_written_anew(store: Store, tmp_path: Path, text: str):
    run, model = a_run(tmp_path, "кич", recipe="кич.toml", stages=PLANNED), make(store, OTHER)
    store.claim(run, tmp_path / "кич.toml")
    store.refer(run, {ID: "corpus", OTHER: "model"})
    (path,) = (store.root / "references").glob("*.json")
    path.write_text(text, encoding="utf-8")
    for read in (
        store.unreferred,
        lambda: store.claim(run, tmp_path / "кич.toml"),
        lambda: store.refer(run, {ID: "corpus"}),
        lambda: store.refer(run, {ID: "corpus"}, is_whole=False),
    ):
        with pytest.raises(Damaged, match="is not what was written") as caught:
            read()
        assert caught.value.where == str(path)
        assert "Remove it and run the recipes of this store again" in caught.value.do
        assert path.read_text(encoding="utf-8") == text
    path.unlink()
    assert store.unreferred() == [model]
    other = tmp_path / "башка.toml"
    other.write_text("", encoding="utf-8")
    with pytest.raises(RecipeError, match="made by another recipe"):
        store.claim(run, other)
    store.claim(run, tmp_path / "кич.toml")
    store.refer(run, {ID: "corpus"}, is_whole=False)
    assert store.unreferred() == []
    store.refer(run, {ID: "corpus"})
    assert store.unreferred() == [model]


@pytest.mark.parametrize("text", ODD)
def test_what_is_sealed_is_read_as_it_was_written_or_not_at_all(tmp_path: Path, text: str) -> None:
    path, value = tmp_path / "plan.json", {"ә": [1, 0.5, None], "path": "a\udcff"}
    assert read_plan(tmp_path) == read_if_whole(path) == {}
    write_sealed(path, value)
    assert value == read_plan(tmp_path) == read_if_whole(path)
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
        with pytest.raises(Damaged):
            read_plan(tmp_path)
    path.write_text(text, encoding="utf-8")
    assert read_if_whole(path) == {}
    with pytest.raises(Damaged, match="is not what was written"):
        read_plan(tmp_path)


def test_rows_are_compared_first_and_none_are_in_a_file_that_was_not_made(store: Store) -> None:
    with store.workspace("evaluation", ID, waiting=nobody) as ctx:
        write_json(ctx.out / "scores.json", [{"bits": 1.5, "split": "тест"}])
        made = store.publish(ctx, {**DECLARED, "stage": "evaluation", "id": ID, "numbers": {}})
    assert made.rows("scores.json") == [{"bits": 1.5, "split": "тест"}]
    assert made.rows("neighbours.json") == []
    path = made.folder / "scores.json"
    path.write_bytes(path.read_bytes().replace(b"1.5", b"1.4"))
    with pytest.raises(Damaged, match="SHA-256 differs"):
        made.rows("scores.json")
    path.unlink()
    with pytest.raises(Damaged, match=r"scores\.json is missing"):
        made.rows("scores.json")


def test_a_store_and_its_run_are_known_as_what_they_are(store: Store, tmp_path: Path) -> None:
    run = a_run(tmp_path, "кич")
    assert (is_store(store.root), is_run_of_store(store.root)) == (True, False)
    assert (is_store(run), is_run_of_store(run)) == (False, True)
    assert not is_store(tmp_path)


@pytest.mark.timeout(60)
def test_a_pipe_in_the_place_of_a_file_is_told_and_not_waited_for(store: Store) -> None:
    make(store)
    manifest = store.folder("corpus", ID) / "manifest.json"
    run, lock = store.root / "runs" / "tatar", store.root / "locks" / f"corpus-{ID[:12]}"
    run.mkdir(parents=True)
    for path in (manifest, lock, run / "plan.json"):
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    readers = {
        manifest: lambda: store.find("corpus", ID),
        lock: lambda: store.maker("corpus", ID),
        run / "plan.json": lambda: read_plan(run),
    }
    for path, read in readers.items():
        with pytest.raises(Damaged, match="is no regular file") as caught:
            read()
        assert caught.value.where == str(path)
    with pytest.raises(Damaged, match="is no regular file"), store.lock("corpus", ID, nobody):
        pass
    assert list(store.artifacts()) == []
    assert read_if_whole(manifest) == {}
