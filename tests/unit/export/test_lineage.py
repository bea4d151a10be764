"""Bases, teachers and members behind a model: each is found, counted and timed once."""

from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
from made_lineages import CORPUS, OTHER, SOURCES, put, put_corpora, put_kept, put_model, weights_of

from endonym.export.history import (
    History,
    base_of,
    ensemble_of,
    has_teacher,
    history_of,
    journals_of_teachers,
    phases_of_lineage,
    teacher_of,
    teachers_of,
    with_times,
)
from endonym.store import Artifact, Store, fingerprint


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store of two corpora."""
    store = Store(tmp_path / "store")
    put_corpora(store)
    return store


def names(artifacts: Sequence[Artifact]) -> list[str]:
    return [each.manifest["name"] for each in artifacts]


def lasts(histories: Sequence[History]) -> list[str]:
    return names([each.phases[-1] for each in histories])


def known(model: Artifact) -> History:
    found = history_of(model)
    assert found is not None
    return found


@pytest.fixture
def pupil(store: Store) -> Artifact:
    """A model of four phases whose base and teachers learnt from others. Seconds: powers of two."""
    put_model(store, "grand", corpus=OTHER, seconds=1)
    put_model(store, "first", {"folder": "folder of grand"}, seconds=2)
    put_model(store, "second", {"teacher": "folder of grand"}, seconds=4)
    for number in range(1, 6):
        put_model(store, f"member {number}", stage="member", seconds=4 << number)
    put_model(store, "early", {"teacher": "folder of second"}, seconds=256)
    members = {f"teacher {number}": f"member {number}" for number in (1, 2, 3)}
    put_kept(store, "kept of base", members, 512)
    put_model(store, "base", {"teacher": "kept of base", "start": "early"}, seconds=1024)
    live = {"teacher 1": "member 4", "teacher 2": "member 5", "folder": "folder of base"}
    put_model(store, "pupil 1", live, seconds=2048)
    put_kept(store, "kept of pupil", {"teacher": "folder of first"}, 4096)
    kept = {"teacher": "kept of pupil", "start": "pupil 1"}
    put_model(store, "pupil 2", kept, seconds=8192)
    asked = {"teacher": "folder of second", "start": "pupil 2"}
    put_model(store, "pupil 3", asked, seconds=16384)
    again = {"teacher": "folder of first", "start": "pupil 3"}
    return put_model(store, "pupil 4", again, seconds=32768)


def test_every_model_behind_a_model_is_found_once_the_first_ones_first(pupil: Artifact) -> None:
    found = known(pupil)
    assert names(found.phases) == [f"pupil {number}" for number in (1, 2, 3, 4)]
    assert lasts(found.lineage) == ["base", "pupil 4"]
    assert lasts(found.teachers) == ["first", "second", "first"]
    assert lasts(found.with_teachers()) == ["grand", "second", "base", "first", "pupil 4"]
    before = ["grand", "second", "early", "base", "grand", "first", "grand", "second"]
    phases, lost = phases_of_lineage(pupil)
    assert (names(phases), lost) == ([*before, "grand", "first", *names(found.phases)], [])
    parts = [(each.tokenizer, each.corpus) for each in found.with_teachers()]
    assert [names(each) for each in parts] == [
        [f"tokens of {corpus}", corpus] for corpus in (OTHER, *[CORPUS] * 4)
    ]


def test_all_that_was_trained_or_read_for_a_model_is_timed_once(pupil: Artifact) -> None:
    timed = with_times(known(pupil))
    assert timed.seconds() == 65535
    assert known(pupil).seconds() == 0, "a stage knows of no times"
    found = [[line["seconds"] for line in each] for each in timed.journals]
    assert found == [[2048], [8192], [16384], [32768]]
    read = [[line["seconds"] for line in each] for each in journals_of_teachers(timed.phases)]
    assert read == [[64], [128], [4096]]
    assert timed.teacher_journals == journals_of_teachers(timed.phases)


def test_teachers_of_each_phase_are_told_from_its_members(pupil: Artifact, store: Store) -> None:
    phases = known(pupil).phases
    assert [has_teacher(each) for each in phases] == [False, True, True, True]
    assert names([each for each in map(teacher_of, phases) if each]) == ["first", "second", "first"]
    taught = [names(teachers_of(each)) for each in phases]
    assert taught == [["member 4", "member 5"], ["kept of pupil"], [], []]
    base = base_of(phases[0])
    assert base is not None
    assert not has_teacher(base), "it was taught by members"
    assert names(teachers_of(base)) == [*(f"member {n}" for n in (1, 2, 3)), "kept of base"]
    rmtree(store.folder("member", fingerprint("member 2")))
    assert names(teachers_of(base)) == ["member 1", "member 3", "kept of base"]
    rmtree(store.folder("teacher", fingerprint("kept of base")))
    assert (teachers_of(base), has_teacher(base), teacher_of(base)) == ([], True, None)


def test_the_members_beside_a_model_are_of_its_phase_or_of_the_last_one_of_texts(
    pupil: Artifact, store: Store
) -> None:
    base = base_of(known(pupil).phases[0])
    assert base is not None
    assert ensemble_of(pupil) == [], "the last phase of texts has none"
    members = [f"member {n}" for n in (1, 2, 3)]
    assert names(ensemble_of(base)) == members
    chat = put_model(store, "chat", {"start": "base"}, objective="chat")
    assert names(ensemble_of(chat)) == members
    own = put_model(store, "own", {"start": "base", "teacher 1": "member 5"}, objective="chat")
    assert names(ensemble_of(own)) == ["member 5"]
    rmtree(store.folder("member", fingerprint("member 2")))
    assert ensemble_of(chat) == [], "no mean of some of them"


def store_model(store: Store, name: str) -> Artifact:
    found = store.find("model", fingerprint(name))
    assert found is not None
    return found


def counts(model: Artifact) -> tuple[int, int, int]:
    found = known(model)
    return found.members, found.known_teachers, found.unknown_teachers


def test_members_known_and_unknown_teachers_are_counted_over_the_lineage(
    pupil: Artifact, store: Store
) -> None:
    assert counts(pupil) == (5, 2, 0)
    put_model(store, "foreign", {"folder": "of another store"})
    put_model(store, "foreign later", {"start": "foreign"})
    put_model(store, "taught by a lost one", {"teacher": "lost, with what was kept"})
    put_model(store, "lost before", {"start": "lost phase"})
    teachers = ["foreign later", "taught by a lost one", "lost before", "of another store"]
    last = "pupil 4"
    for number, teacher in enumerate(teachers, 1):
        given = {"teacher": f"folder of {teacher}", "start": last}
        later = put_model(store, f"later {number}", given)
        assert counts(later) == (5, 2, number)
        assert known(later).is_from_scratch, "teachers aside"
        last = f"later {number}"
    found, lost = phases_of_lineage(store_model(store, last))
    assert lost == ["base", "teacher", "base", "teacher"]
    behind = ["foreign", "foreign later", "taught by a lost one", "lost before"]
    laters = [f"later {number}" for number in (1, 2, 3, 4)]
    assert names(found)[-12:] == [*behind, *(f"pupil {n}" for n in (1, 2, 3, 4)), *laters]
    again = {"teacher": "folder of of another store", "start": last}
    assert counts(put_model(store, "again", again)) == (5, 2, 4), "it is the same teacher"
    put_model(store, "after", {"folder": f"folder of {last}"})
    assert counts(store_model(store, "after")) == (5, 2, 4), "those of its base"


@pytest.mark.parametrize(("inputs", "lost"), [
    ({"start": "lost phase", "teacher": "folder of first"}, ["base"]),
    ({"folder": "folder of first", "teacher": "of another store"}, ["teacher"]),
    ({"folder": "of another store", "teacher": "of another store"}, ["base", "teacher"]),
    ({"folder": "of another store", "teacher 1": "lost member"}, ["base"]),
    ({"teacher": "folder of lost before"}, ["base"]),
    ({"folder": "folder of lost before", "teacher": "folder of first"}, ["base"]),
])  # fmt: skip
def test_what_is_lost_behind_a_model_is_said(
    store: Store, inputs: dict[str, str], lost: list[str]
) -> None:
    put_model(store, "first")
    put_model(store, "lost before", {"start": "lost phase"})
    assert phases_of_lineage(put_model(store, "pupil", inputs))[1] == lost


def test_a_model_that_began_elsewhere_stays_so_in_later_phases_and_models(store: Store) -> None:
    put_model(store, "foreign", {"folder": "of another store"})
    later = put_model(store, "later", {"start": "foreign"})
    after = put_model(store, "after", {"folder": "folder of later"})
    own = put_model(store, "own")
    taught = put_model(store, "taught", {"teacher": "folder of later"})
    gone_on = put_model(store, "gone on", {"folder": "folder of own"})
    found = [known(each).is_from_scratch for each in (later, after, own, taught, gone_on)]
    assert found == [False, False, True, True, True]


@pytest.mark.parametrize("lost", [f"tokens of {CORPUS}", CORPUS])
def test_a_base_or_teacher_of_which_the_store_has_lost_the_texts_is_unknown(
    store: Store, lost: str
) -> None:
    put_model(store, "old")
    student = put_model(
        store, "pupil", {"folder": "folder of old", "teacher": "folder of old"}, corpus=OTHER
    )
    assert counts(student) == (0, 1, 0)
    rmtree(store.folder("corpus" if lost == CORPUS else "tokenizer", fingerprint(lost)))
    found = known(student)
    assert (found.base, found.teachers, counts(student)) == (None, [], (0, 0, 1))
    assert not found.is_from_scratch


def test_scores_are_of_the_model_alone(store: Store) -> None:
    put_model(store, "old")
    asked = {"folder": "folder of old", "teacher": "folder of old"}
    judged = [put(store, "evaluation", "bits")]
    found = history_of(put_model(store, "pupil", asked), judged)
    assert found is not None
    assert [each.evaluations for each in found.with_teachers()] == [(), judged]


WEIGHTS = weights_of("chosen")["weights.safetensors"]


@pytest.mark.parametrize(("made", "numbers", "is_found"), [
    ([("model", "chosen", WEIGHTS)], {}, True),
    ([("member", "chosen", WEIGHTS)], {}, True),
    ([("teacher", "chosen", WEIGHTS)], {}, False),
    ([("export", "handed over", WEIGHTS), ("model", "chosen", {})], {}, True),
    ([("export", "handed over", WEIGHTS)], {}, False),
    ([("export", "handed over", WEIGHTS), ("model", "chosen", {})], {"made_of": "other"}, True),
    ([("model", "chosen", {})], {"made_of": "chosen"}, True),
    ([("model", "chosen", {})], {"made_of": "lost"}, False),
    ([("model", "chosen", {})], {}, False),
    ([("model", "chosen", WEIGHTS)], {"made_of": "other"}, True),
])  # fmt: skip
def test_a_model_in_a_folder_is_found_by_its_weights_its_export_or_its_record(
    store: Store,
    made: list[tuple[str, str, dict[str, Any]]],
    numbers: dict[str, str],
    is_found: bool,
) -> None:
    put(store, "model", "other", files={"config.json": {"bytes": 1, "sha256": "0"}})
    for stage, name, file in made:
        inputs = {"model": "chosen"} if stage == "export" else {}
        files = {"model.safetensors": file} if file else {}
        put(store, stage, name, inputs=inputs, files=files)
    given = [{"name": "config.json", "sha256": "0"}, {"name": "a.safetensors", **WEIGHTS}]
    record = {key: fingerprint(name) for key, name in numbers.items()}
    put(store, "source", "given", config={"files": given}, numbers=record)
    pupil = put_model(store, "pupil", {"folder": "given", "teacher": "given"})
    for found in (base_of(pupil), teacher_of(pupil)):
        assert (names([found]) if found else []) == ["chosen"] * is_found


def read(**shares: float) -> list[dict[str, Any]]:
    return [{"name": name, "share": share} for name, share in shares.items()]


def test_what_phases_have_read_of_each_source_is_counted_in_tokens(store: Store) -> None:
    put_model(store, "base", tokens=7_000, sources=read(romanian=1.0))
    put_model(store, "teacher", tokens=900, sources=read(romanian=1.0))
    asked = {"folder": "folder of base", "teacher": "folder of teacher"}
    shares = read(tatar=0.5, romanian=1.5)
    put_model(store, "texts", asked, tokens=100, sources=shares)
    chats = put_model(store, "chats", {"start": "texts"}, tokens=5_000, objective="chat")
    last = put_model(store, "all texts", {"start": "chats"}, tokens=300)
    bytes_of = {name: size for name, (size, _) in SOURCES[CORPUS].items()}
    tatar = (25 + 300 * bytes_of["tatar"] / sum(bytes_of.values())) / 400
    assert known(last).read_shares() == pytest.approx({"tatar": tatar, "romanian": 1 - tatar})
    assert known(chats).read_shares() == {"tatar": 0.25, "romanian": 0.75}
    one = put_model(store, "one", sources=read(tatar=1.0))
    both = put_model(store, "both", {"start": "one"}, sources=read(romanian=1.0))
    assert known(one).read_shares() == {"tatar": 1.0}
    figures = known(both).corpus.numbers["sources"]
    assert [*known(both).sources.items()] == [*figures.items()]
    alone = put_model(store, "chats alone", objective="chat")
    assert (known(alone).read_shares(), known(alone).sources) == ({}, {})


def test_a_source_without_training_text_has_no_share(store: Store) -> None:
    kept = {"train": {"bytes": 0, "documents": 0}}
    put(store, "corpus", "empty", numbers={"sources": {"tatar": {"kept": kept}}})
    put(store, "tokenizer", "tokens of empty", inputs={"corpus": "empty"})
    assert known(put_model(store, "bare", corpus="empty")).read_shares() == {"tatar": 0.0}


def test_each_source_counts_once_with_the_license_of_the_recipe_that_says_it(store: Store) -> None:
    put_model(store, "other", corpus=OTHER)
    put_model(store, "base", {"teacher": "folder of other"}, sources=read(romanian=1.0))
    put_model(store, "chatty", objective="chat", corpus=OTHER)
    asked = {"folder": "folder of base", "teacher": "folder of chatty"}
    found = known(put_model(store, "pupil", asked, sources=read(tatar=1.0)))
    read_by = [(names([each.phases[-1]])[0], name) for each, name in found.all_sources()]
    assert read_by == [("other", "tatar"), ("base", "romanian"), ("pupil", "tatar")]
    named = {"tatar": "CC0-1.0", "romanian": "CC-BY-4.0"}
    assert found.licenses(named) == [None, None, "CC0-1.0"]
    both = known(put_model(store, "both", {"folder": "folder of base"}))
    read_by = [(names([each.phases[-1]])[0], name) for each, name in both.all_sources()]
    assert read_by == [("other", "tatar"), ("both", "romanian"), ("both", "tatar")]
    assert both.licenses(named) == [None, "CC-BY-4.0", "CC0-1.0"]
    assert both.licenses({"tatar": "CC0-1.0"}) == [None, None, "CC0-1.0"]
