"""What led to a model, by its manifest."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from made_scores import score

from endonym.disk import list_files, write_json
from endonym.evaluate.neighbours import Gain
from endonym.export import history
from endonym.export.history import (
    History,
    history_of,
    is_of_split,
    phases_of_lineage,
    turns_of,
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
    of_another = put(model, "evaluation", "c" * 64, inputs={"model": "d" * 64})
    known = history_of(model, history.evaluations_of(model))
    assert of_another.id not in [each.id for each in known.evaluations]
    assert set(known.sources) == {"tatar", "romanian", "others"}
    assert known.tokenizer.manifest["id"] == model.manifest["inputs"]["tokenizer"]
    assert known.is_from_scratch
    assert {each.model for each in known.scores()} >= {"model", "compressor"}
    assert (known.seconds(), known.machine()) == (0, "")
    timed = with_times(known)
    assert timed.seconds() > 0
    assert "thread" in timed.machine()


@pytest.mark.parametrize(("asked", "wanted"), [
    ({"kind": "bits"}, True), ({"kind": "bits", "split": "test"}, True),
    ({"kind": "bits", "split": "dev"}, False), ({"kind": "bits", "file": "яңа.txt"}, False),
    ({"kind": "tasks"}, False),
])  # fmt: skip
def test_scores_are_those_of_the_corpuss_test_documents(asked: dict[str, str], wanted: bool):
    assert is_of_split({"evaluation": asked}) == wanted
    assert is_of_split({"evaluation": asked}, "dev") == (asked.get("split") == "dev")
    assert not is_of_split({}), "the config of another stage"


def evaluation(folder: Path, models: list[str], split: str = "test") -> Artifact:
    """An evaluation with a score of each of these, and a gain of its split in as many sources."""
    folder.mkdir()
    write_json(folder / "scores.json", [asdict(score(name, 1.5)) for name in models])
    gains = [asdict(Gain(split, name, 0.1, None, None, 3)) for name in models]
    write_json(folder / "neighbours.json", gains)
    config = {"evaluation": {"kind": "bits", "split": split}}
    return Artifact(folder, {"config": config, "files": list_files(folder)})


def test_of_several_evaluations_the_one_with_the_most_baselines_is_shown(tmp_path: Path) -> None:
    lists = [["model"], ["model", "bigram", "compressor"], ["model", "bigram"]]
    every = [evaluation(tmp_path / str(n), models) for n, models in enumerate(lists)]
    every.append(evaluation(tmp_path / "dev", [*lists[1], "char"], "dev"))
    known = History([], every[0], every[0], every)
    assert [each.model for each in known.scores()] == lists[1]
    assert [(each.split, each.source) for each in known.neighbours()] == [
        ("test", name) for name in lists[1]
    ]
    assert History([], every[0], every[0]).neighbours() == []


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


def test_phases_stand_in_their_order_and_a_lost_one_leaves_nothing(model: Artifact) -> None:
    inputs = {**model.manifest["inputs"], "start": model.manifest["id"]}
    second = put(model, "model", "f" * 64, inputs=inputs)
    assert [each.id for each in history.phases_of(second)] == [model.id, second.id]
    known = history_of(second)
    assert known.evaluations == ()
    found, lost = phases_of_lineage(second)
    assert ([each.id for each in found], lost) == ([model.id, second.id], [])
    shutil.rmtree(model.folder)
    assert history_of(second) is None
    found, lost = phases_of_lineage(second)
    assert ([each.id for each in found], lost) == ([second.id], ["base"])


def put(model: Artifact, kind: str, identity: str, **keys: Any) -> Artifact:
    """A copy of an artefact in its store as another one."""
    folder = Store.of(model.folder).folder(kind, identity)
    shutil.copytree(model.folder, folder)
    manifest = {**model.manifest, "stage": kind, "id": identity, **keys}
    write_json(folder / "manifest.json", sealed(manifest))
    return open_artifact(folder)


def gone_on(model: Artifact, objective: str, given: dict[str, Any], numbers: Any) -> History:
    """The history of a model that went on from a folder of which these files were hashed."""
    config = {"files": [given]}
    put(model, "source", "d" * 64, inputs={}, config=config, numbers=numbers)
    phase = {**model.manifest["config"]["phase"], "objective": objective}
    config = {**model.manifest["config"], "phase": phase}
    files = {"adapter.safetensors": {"bytes": 0, "sha256": "f" * 64}}
    inputs = {**model.manifest["inputs"], "folder": "d" * 64}
    later = put(model, "model", "e" * 64, inputs=inputs, config=config, files=files)
    known = history_of(later)
    assert known is not None
    return known


@pytest.mark.parametrize("objective", ["next_token", "chat"])
def test_sources_and_licenses_are_of_the_phases_that_read_texts(model: Artifact, objective: str):
    given = {"name": "model.safetensors", "sha256": "0" * 64}
    known = gone_on(model, objective, given, {"made_of": model.id})
    names = ["others", "romanian", "tatar"]
    has_read = objective == "next_token"
    assert sorted(known.sources) == (names if has_read else [])
    assert sorted(known.base.sources) == names
    licenses = known.licenses(dict.fromkeys(names, "CC0-1.0"))
    # This recipe's licenses say nothing of the base's sources. A source that both read counts once.
    assert licenses == (["CC0-1.0"] if has_read else [None]) * 3


def test_what_answers_were_learnt_from_is_found_with_its_files(model: Artifact, store: Store):
    known = history_of(model)
    assert known.answers() == []

    data = {"files": [{"name": "әңгәмә.jsonl", "sha256": "0"}]}
    file = put(model, "source", "d" * 64, config=data).manifest["id"]
    numbers = {"objective": "chat", "records": 4, "kept": 3, "dropped": {"bad_json": 1}}
    numbers["turns"] = 2
    inputs = {"data 0": file, "tokenizer": model.manifest["inputs"]["tokenizer"]}
    examples = put(model, "examples", "e" * 64, inputs=inputs, numbers=numbers).manifest["id"]
    inputs = {**model.manifest["inputs"], "start": model.manifest["id"], "examples": examples}
    chatting = put(model, "model", "f" * 64, inputs=inputs)
    known = history_of(chatting)
    assert known.answers() == [(["әңгәмә.jsonl"], numbers)]
    # What reads texts after it has learnt no other conversations.
    inputs = {**model.manifest["inputs"], "start": chatting.manifest["id"]}
    later = put(model, "model", "a" * 64, inputs=inputs)
    assert [turns_of(each) for each in (model, chatting, later)] == [0, 2, 2]
    shutil.rmtree(store.folder("source", file))
    assert known.answers() == [([], numbers)]
    shutil.rmtree(store.folder("examples", examples))
    assert (known.answers(), turns_of(chatting), turns_of(later)) == ([], 0, 0)
