"""What no run refers to, and what is lost with it."""

from pathlib import Path

from artefacts import ID, make

from endonym.commands.unused import describe_unused, remove, unused
from endonym.log import size
from endonym.store import Store


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
