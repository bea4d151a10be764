"""What led to a model, by its manifest."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from made_scores import score

from endonym.disk import list_files, write_json
from endonym.export.history import (
    History,
    evaluations_of,
    history_of,
    is_of_test,
    phases_of,
    phases_of_lineage,
    with_times,
)
from endonym.store import Artifact, Store, open_artifact, sealed


@pytest.fixture
def store(finished: Path, tmp_path: Path) -> Store:
    shutil.copytree(finished / "store", tmp_path / "store")
    return Store(tmp_path / "store")


@pytest.fixture
def model(store: Store) -> Artifact:
    (folder,) = (store.root / "model").iterdir()
    return open_artifact(folder)


def test_a_model_s_texts_and_scores_are_found(model: Artifact) -> None:
    known = history_of(model, evaluations_of(model))
    assert known is not None
    assert set(known.sources) == {"tatar", "romanian", "others"}
    assert known.tokenizer.manifest["id"] == model.manifest["inputs"]["tokenizer"]
    assert known.is_from_scratch
    assert {each.model for each in known.scores()} >= {"model", "compressor"}
    assert (known.seconds(), known.machine()) == (0, "")
    timed = with_times(known)
    assert timed.seconds() > 0
    assert "thread" in timed.machine()


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({"kind": "bits"}, True),
        ({"kind": "bits", "split": "test"}, True),
        ({"kind": "bits", "split": "dev"}, False),
        ({"kind": "bits", "file": "яңа.txt"}, False),
        ({"kind": "tasks"}, False),
    ],
)
def test_scores_are_those_of_the_corpuss_test_documents(
    asked: dict[str, str], wanted: bool
) -> None:
    assert is_of_test({"evaluation": asked}) == wanted


def evaluation(folder: Path, models: list[str]) -> Artifact:
    """An evaluation with a score of each of these."""
    folder.mkdir()
    write_json(folder / "scores.json", [score(name, 1.5).as_dict() for name in models])
    config = {"evaluation": {"kind": "bits"}}
    return Artifact(folder, {"config": config, "files": list_files(folder)})


def test_of_several_evaluations_the_one_with_the_most_baselines_is_shown(tmp_path: Path) -> None:
    lists = [["model"], ["model", "bigram", "compressor"], ["model", "bigram"]]
    every = [evaluation(tmp_path / str(n), models) for n, models in enumerate(lists)]
    known = History([], every[0], every[0], every)
    assert [each.model for each in known.scores()] == lists[1]


def test_times_are_of_the_whole_lineage_and_the_machine_of_its_last_phase(tmp_path: Path) -> None:
    made = evaluation(tmp_path / "a", ["model"])
    journals = [
        [{"event": "started", "processor": name, "threads": threads}, {"seconds": 10.0 * threads}]
        for name, threads in (("abacus", 1), ("slide rule", 2), ("loom", 3))
    ]
    base = History([made], made, made, journals=journals[:1])
    known = History([made, made], made, made, journals=journals[1:], base=base)
    assert known.machine() == "loom, 3 threads"
    assert known.seconds() == 60


@pytest.mark.parametrize("kind", ["tokenizer", "corpus"])
def test_of_a_pruned_store_nothing_is_known(model: Artifact, store: Store, kind: str) -> None:
    shutil.rmtree(store.root / kind)
    assert history_of(model) is None


def test_phases_stand_in_their_order_and_a_lost_one_leaves_nothing(
    model: Artifact, store: Store
) -> None:
    later = dict(model.manifest)
    later["inputs"] = {**model.manifest["inputs"], "start": model.manifest["id"]}
    later["id"] = "f" * 64
    folder = store.folder("model", later["id"])
    shutil.copytree(model.folder, folder)
    write_json(folder / "manifest.json", sealed(later))
    second = open_artifact(folder)
    assert [each.id for each in phases_of(second)] == [model.id, second.id]
    known = history_of(second)
    assert known is not None
    assert known.evaluations == ()
    found, is_whole = phases_of_lineage(second)
    assert ([each.id for each in found], is_whole) == ([model.id, second.id], True)
    shutil.rmtree(model.folder)
    assert history_of(second) is None
    found, is_whole = phases_of_lineage(second)
    assert ([each.id for each in found], is_whole) == ([second.id], False)


def test_what_answers_were_learnt_from_is_found_with_its_files(
    model: Artifact, store: Store
) -> None:
    known = history_of(model)
    assert known is not None
    assert known.answers() == []

    def put(kind: str, identity: str, **keys: Any) -> str:
        manifest = {**model.manifest, "stage": kind, "id": identity, **keys}
        shutil.copytree(model.folder, store.folder(kind, identity))
        write_json(store.folder(kind, identity) / "manifest.json", sealed(manifest))
        return identity

    file = put("source", "d" * 64, config={"files": [{"name": "әңгәмә.jsonl", "sha256": "0"}]})
    numbers = {"objective": "chat", "records": 4, "kept": 3, "dropped": {"bad_json": 1}}
    inputs = {"data 0": file, "tokenizer": model.manifest["inputs"]["tokenizer"]}
    examples = put("examples", "e" * 64, inputs=inputs, numbers=numbers)
    inputs = {**model.manifest["inputs"], "start": model.manifest["id"], "examples": examples}
    later = store.folder("model", put("model", "f" * 64, inputs=inputs))
    known = history_of(open_artifact(later))
    assert known is not None
    assert known.answers() == [(["әңгәмә.jsonl"], numbers)]
    shutil.rmtree(store.folder("examples", examples))
    assert known.answers() == []
