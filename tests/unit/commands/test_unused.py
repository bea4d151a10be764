"""What no run refers to, and what is lost with it."""

from pathlib import Path
from typing import Any

from artefacts import ID, OTHER, make, nobody
from made_scores import score

from endonym.commands.inspect import describe_unused, remove, unused
from endonym.disk import write_json
from endonym.log import append_jsonl, size
from endonym.store import Artifact, Store


def put(store: Store, stage: str, identity: str, name: str, value: Any, **inputs: str) -> Artifact:
    """An artefact of one JSON file."""
    with store.workspace(stage, identity, waiting=nobody) as at:
        assert at is not None
        write_json(at.out / name, value)
        declared = {"stage": stage, "version": 1, "config": {}, "inputs": inputs, "numbers": {}}
        return store.publish(at, {**declared, "id": identity})


def test_a_model_of_preferences_is_listed_with_its_best_loss(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    rows = [{"bits": 1.7, "nats": 0.69}, {"bits": 1.8, "nats": 0.42}]
    with store.workspace("model", ID, waiting=nobody) as at:
        assert at is not None
        write_json(at.out / "validations.json", rows)
        config = {"phase": {"objective": "preferences"}}
        declared = {"stage": "model", "version": 1, "config": config, "inputs": {}, "numbers": {}}
        store.publish(at, {**declared, "id": ID})
    assert [each.note for each in unused(store)] == ["0.420 loss of dev text"]


def test_a_model_is_listed_with_its_best_score_and_when_it_was_finished_last(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "store")
    bits = [{"bits": each} for each in (1.9, 1.7, 1.8)]
    model = put(store, "model", ID, "validations.json", bits)
    put(store, "model", OTHER, "config.json", {})
    assert [each.note for each in unused(store)] == ["1.700 bits/byte of dev text", "not scored"]
    for day in ("2026-01-02", "2026-03-04"):
        journal = store.journal("model", ID)
        append_jsonl(journal, {"event": "finished", "at": f"{day}T10:00:00+00:00"})
        append_jsonl(journal, {"event": "step", "step": 1})
    assert unused(store)[0].note == "1.700 bits/byte of dev text, finished 2026-03-04"
    for identity, split, value in (("a" * 64, "dev", 1.5), ("b" * 64, "test", 1.6)):
        scores = [score("model", value, split=split).as_dict()]
        put(store, "evaluation", identity, "scores.json", scores, model=ID)
        note = next(each.note for each in unused(store) if each.id == model.id)
        wanted = "1.600 bits/byte of test text" if split == "test" else "1.700 bits/byte of dev"
        assert note.startswith(wanted)
    assert "finished models among them: 2." in describe_unused(unused(store))
    remove(store, unused(store))
    assert unused(store) == []
    assert not model.folder.exists()


def test_gguf_files_of_models_that_no_run_needs_are_listed_with_all_that_lies_in_them(
    tmp_path: Path,
) -> None:
    store, run = Store(tmp_path / "store"), tmp_path / "runs" / "tatar"
    run.mkdir(parents=True)
    for name in (f"{ID[:12]}-F16", f"{OTHER[:12]}-F16", f".{'c' * 12}.9.part"):
        inner = store.cache / "gguf" / name / "inner"
        inner.mkdir(parents=True)
        (inner / "model.gguf").write_bytes(b"GGUF")
    store.refer(run, {ID: "model"})
    found = unused(store)
    assert [(each.kind, each.id, each.bytes) for each in found] == [
        ("gguf (unfinished)", "c" * 12, 4),
        ("gguf", OTHER[:12], 4),
    ]
    remove(store, found)
    assert [each.name for each in (store.cache / "gguf").iterdir()] == [f"{ID[:12]}-F16"]


def test_an_artefact_and_a_work_folder_without_a_run_are_listed_and_removed(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    made = make(store)
    part = store.root / "evaluation" / f"{'c' * 12}.part"
    part.mkdir(parents=True)
    (part / "scores.json").write_text("[]", encoding="utf-8")
    found = unused(store)
    assert [(each.kind, each.id, each.bytes) for each in found] == [
        (made.stage, made.id, made.bytes()),
        ("evaluation (unfinished)", "c" * 12, 2),
    ]
    assert [each.note for each in found] == ["", ""]
    lines = describe_unused(found).splitlines()
    assert [line.index(each.id) for line, each in zip(lines, found, strict=True)] == [25, 25]
    remove(store, found)
    done = describe_unused(found, are_removed=True).splitlines()
    assert done == [*lines, f"removed 2 artefacts, {size(made.bytes() + 2)}"]
    assert unused(store) == []
    assert describe_unused([]) == "every artefact belongs to a run"


def test_what_a_run_refers_to_is_not_listed(tmp_path: Path) -> None:
    store, run = Store(tmp_path / "store"), tmp_path / "runs" / "tatar"
    run.mkdir(parents=True)
    made = make(store)
    store.refer(run, {ID: made.stage})
    assert unused(store) == []
