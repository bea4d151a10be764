"""What led to a model, by its manifest."""

import shutil
from dataclasses import asdict, replace
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
from endonym.log import append_jsonl
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
    write_json(folder / "scores.json", [score(name, 1.5).as_dict() for name in models])
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


def test_a_base_is_found_by_its_weights_or_its_export(model: Artifact, store: Store):
    weights = model.manifest["files"]["weights.safetensors"]["sha256"]
    given = {"name": "weights.safetensors", "sha256": weights}
    other = {"name": "model.safetensors", "sha256": "0" * 64}
    (export,) = (store.root / "export").iterdir()
    files = open_artifact(export).manifest["files"].items()
    handed = {name: {"name": name, "sha256": each["sha256"]} for name, each in files}
    ways = [
        (given, {}, model.id),
        (handed["model.safetensors"], {}, model.id),
        (handed["tokenizer.json"], {}, None),
        (other, {"made_of": model.id}, model.id),
        (other, {"made_of": "0" * 12}, None),
        (other, {}, None),
    ]
    for file, numbers, found in ways:
        known = gone_on(model, "next_token", file, numbers)
        assert [each.phases[0].id for each in known.lineage[:-1]] == ([found] if found else [])
        assert known.is_from_scratch == bool(found)
        # The later model has no journal of its own here.
        assert (with_times(known).seconds() > 0) == bool(found)
        for kind, identity in (("source", "d" * 64), ("model", "e" * 64)):
            shutil.rmtree(store.folder(kind, identity))


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


@pytest.mark.parametrize("is_kept", [True, False])
def test_teachers_and_members_are_a_part_of_where_a_model_comes_from(
    model: Artifact, store: Store, is_kept: bool
) -> None:
    weights = model.manifest["files"]["weights.safetensors"]
    files = [{"name": "weights.safetensors", "sha256": weights["sha256"]}]
    source = put(model, "source", "a" * 64, inputs={}, config={"files": files}, numbers={})
    member = put(model, "member", "b" * 64, files={})
    taught = {"teacher": source.manifest["id"], "teacher 1": member.manifest["id"]}
    if is_kept:
        put(model, "teacher", "c" * 64, inputs=taught, files={})
        taught = {"teacher": "c" * 64}
    inputs = {**model.manifest["inputs"], **taught}
    student = put(model, "model", "e" * 64, inputs=inputs, files={})
    inputs = {**model.manifest["inputs"], "folder": "0" * 64}
    foreign = put(model, "model", "d" * 64, inputs=inputs, files={})
    for kind, letter in (("model", "e"), ("member", "b"), ("teacher", "c")):
        append_jsonl(store.journal(kind, letter * 64), {"seconds": 1000.0})
    found, lost = phases_of_lineage(student)
    assert ([each.id for each in found], lost) == ([model.id, student.id], [])
    known = history_of(student)
    assert known is not None
    assert known.is_from_scratch
    assert [each.phases[0].id for each in known.teachers] == [model.id]
    assert [each.phases[-1].id for each in known.lineage] == [student.id]
    assert (known.members, known.known_teachers, known.unknown_teachers) == (1, 1, 0)
    assert [name for _, name in known.all_sources()] == [*known.sources]
    own = with_times(history_of(model)).seconds()
    assert 0 < own < 1000
    assert with_times(known).seconds() == pytest.approx(own + (3000 if is_kept else 2000))
    both = with_times(replace(known, base=known.teachers[0]))
    assert both.seconds() == pytest.approx(with_times(known).seconds()), "it stands there once"
    gone_on = replace(known, phases=[model], teachers=[], base=known)
    assert (gone_on.members, gone_on.known_teachers, gone_on.unknown_teachers) == (1, 1, 0)
    elsewhere = replace(known, teachers=[replace(known.teachers[0], phases=[foreign])])
    assert (elsewhere.known_teachers, elsewhere.unknown_teachers) == (0, 1)
    shutil.rmtree(store.root / "source")
    assert phases_of_lineage(student)[1] == ["teacher"]
    lost = history_of(student)
    assert lost.unknown_teachers == 1
    taught = replace(known, teachers=[lost])
    assert (taught.known_teachers, taught.unknown_teachers) == (0, 1), "it was taught by another"
    twice = replace(known, phases=[student, student], teachers=known.teachers * 2)
    assert (twice.known_teachers, twice.unknown_teachers) == (1, 0), "two phases name it"
    assert not replace(known, base=elsewhere.teachers[0]).is_from_scratch
    assert replace(known, base=known).is_from_scratch


def test_what_was_read_of_sources_counts_by_the_tokens_of_phases(model: Artifact) -> None:
    known, phases = history_of(model), list[Artifact]()
    for tokens, shares in ((100, {"tatar": 1.0}), (300, {"tatar": 0.5, "romanian": 0.5})):
        sources = [{"name": name, "share": share} for name, share in shares.items()]
        phase = {**model.manifest["config"]["phase"], "sources": sources}
        config = {**model.manifest["config"], "phase": phase}
        numbers = {**model.numbers, "tokens": tokens}
        manifest = {**model.manifest, "config": config, "numbers": numbers}
        phases.append(Artifact(model.folder, manifest))
    mixed = replace(known, phases=phases)
    assert mixed.read_shares() == pytest.approx({"tatar": 250 / 400, "romanian": 150 / 400})


def test_a_teacher_of_another_corpus_adds_its_sources(model: Artifact) -> None:
    known = history_of(model)
    other = replace(known, corpus=put(known.corpus, "corpus", "9" * 64))
    taught = replace(known, teachers=[other])
    assert [each is other for each, _ in taught.all_sources()] == [True] * 3 + [False] * 3
    assert taught.licenses({"tatar": "CC0-1.0"}).count("CC0-1.0") == 1


READ = [
    ([["tatar"]], ["tatar"]),
    ([["tatar", "romanian"], ["romanian"]], ["romanian", "tatar"]),
    ([["tatar"], []], ["others", "romanian", "tatar"]),  # the second phase reads all
]


@pytest.mark.parametrize(("read", "names"), READ)
def test_sources_are_those_of_the_phases(model: Artifact, read: list[list[str]], names: list[str]):
    known = history_of(model)
    phases = list[Artifact]()
    for given in read:
        shares = [{"name": name, "share": 1 / len(given)} for name in given]
        phase = {**model.manifest["config"]["phase"], "sources": shares}
        config = {**model.manifest["config"], "phase": phase}
        phases.append(Artifact(model.folder, {**model.manifest, "config": config}))
    mixed = replace(known, phases=phases)
    assert sorted(mixed.sources) == names
    assert mixed.sources == {name: known.sources[name] for name in names}
    licenses = mixed.licenses({"tatar": "CC0-1.0"})
    assert licenses == ["CC0-1.0" if name == "tatar" else None for name in mixed.sources]


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
