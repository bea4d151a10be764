"""A later phase reads its texts where earlier phases have stopped reading them."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_conversations import write_lines, write_toy_examples
from small_project import Project
from toys import distinct_documents, train_config, write_toy_shards

from endonym.autopilot.mixture import with_sources
from endonym.autopilot.model_size import Facts
from endonym.data.example_tokens import ExampleTokens
from endonym.data.order import Order
from endonym.pipeline import training
from endonym.train.config import Phase, TrainConfig
from endonym.train.inputs import ExampleInputs, TrainingInputs

CONTEXT = 8
ALL, CHAT = Phase(), Phase(objective="chat", data="chats.jsonl")
ANEW = Phase(start="scratch")
BOOKS = Phase(sources={"books": 1.0})
TYPED = Phase(objective="autocorrect")


def planned(*phases: tuple[Phase, int, int]) -> list[TrainConfig]:
    """Phases with their steps and rows of a batch, as the plan has them."""
    sources = {name: Facts(400, 900, 9.0) for name in ("web", "books")}
    facts = Facts(800, 1800, 9.0, sources=sources)
    configs = [
        train_config(context=CONTEXT, steps=steps, batch_tokens=rows * CONTEXT)
        for _, steps, rows in phases
    ]
    return [*with_sources([phase for phase, *_ in phases], configs, facts, CONTEXT)]


@pytest.mark.parametrize(
    ("phases", "firsts"),
    [
        ([(ALL, 5, 4), (ALL, 7, 2), (ALL, 3, 4)], [None, 20, 34]),
        ([(ALL, 5, 4), (BOOKS, 9, 4), (ALL, 3, 4)], [None, None, 20]),
        ([(ALL, 5, 4), (CHAT, 6, 2), (ALL, 3, 4), (CHAT, 1, 2)], [None, None, 20, 12]),
        ([(ALL, 5, 4), (ANEW, 2, 4), (ALL, 3, 4)], [None, None, 8]),
        ([(ALL, 5, 4), (TYPED, 2, 4), (ALL, 3, 4)], [None, 20, 28]),
        ([(CHAT, 5, 4), (Phase(objective="chat", data="b.jsonl"), 5, 4)], [None, None]),
    ],
)
def test_each_phase_begins_after_the_rows_of_those_before(
    phases: list[tuple[Phase, int, int]], firsts: list[int | None]
) -> None:
    assert [config.first_row for config in planned(*phases)] == firsts


@pytest.mark.parametrize("seed", [3, 4])
def test_three_phases_read_each_token_once_before_any_is_read_again(tmp_path: Path, seed: int):
    """Batches have other sizes, and the second phase ends within the second pass."""
    documents, vocab = distinct_documents([30, 9, 22, 14, 25, 7, 31, 14])
    names = ("web", "books")
    train, dev = write_toy_shards(
        tmp_path, documents, documents[:2], vocab=vocab + 1, line_end=vocab, sources=names
    )
    inputs = TrainingInputs(train, dev, tmp_path, 9.0)
    rows_a_pass = Order(train, context=CONTEXT, seed=seed).positions_per_epoch // CONTEXT
    sizes = [(5, 2), (rows_a_pass // 3, 3), (9, 1)]
    configs = planned(*((ALL, *size) for size in sizes))
    read, one_order = list[list[int]](), Order(train, context=CONTEXT, seed=seed)
    for config in configs:
        batches = inputs.batches(config, CONTEXT, seed)
        for step in range(config.steps):
            places = batches[step].places_BT
            assert places is not None
            assert batches.row_numbers(step).start == len(read)
            read += places.tolist()
    wanted = one_order.rows(0, len(read)).places_BT
    assert wanted is not None
    assert read == wanted.tolist()
    first_pass = Counter(place for row in read[:rows_a_pass] for place in row)
    assert set(first_pass.values()) == {1}
    last = inputs.batches(configs[-1], CONTEXT, seed)
    before = (5 * 2 + rows_a_pass // 3 * 3) * CONTEXT / last.order.positions_per_epoch
    assert last.epochs_before == pytest.approx(before)
    assert last.epochs(9) == pytest.approx(9 * CONTEXT / last.order.positions_per_epoch)


def test_a_second_phase_of_the_same_conversations_continues_in_them(tmp_path: Path) -> None:
    tokens, _ = write_toy_examples(tmp_path / "a", "chat", vocab=24, longest=32)
    inputs = ExampleInputs(tokens, ExampleTokens(tmp_path / "a", "dev"), tmp_path)
    phase = train_config(context=32, steps=3, batch_tokens=64)
    whole = inputs.batches(phase, 32, 1)
    later = inputs.batches(phase.but(first_row=2), 32, 1)
    assert later[0].tokens_BT.tolist() == whole[1].tokens_BT.tolist()
    assert later[0].tokens_BT.tolist() != whole[0].tokens_BT.tolist()


MORE = """[[phase]]
name = "{}"
steps = 4
batch_tokens = 256
lr = 4e-3
number_format = "fp32"
eval_tokens = 32_768
"""
ROWS = 256 // 32
"""Of a batch of the small recipe."""


def first_rows(project: Project, monkeypatch: pytest.MonkeyPatch, *sets: str) -> Any:
    """The first rows, by the name of the phase, that a run trains with, and what it says."""
    found = dict[str, Any]()
    make = TrainingInputs.batches

    def noted(self: TrainingInputs, config: TrainConfig, context: int, seed: int) -> Any:
        firsts = {each.name: each.first_row for each in config.sources}
        found[config.name] = firsts or config.first_row
        return make(self, config, context, seed)

    monkeypatch.setattr(TrainingInputs, "batches", noted)
    said = project.run(sets=sets)
    assert said.code == 0, said.err
    return found, said


def test_a_run_continues_through_a_phase_of_conversations_and_one_of_other_sources(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    chats = [{"question": f"{n} + 1?", "answer": f"{n + 1}."} for n in range(9)]
    write_lines(project.recipe.parent / "chats.jsonl", chats)
    answers = '[[phase]]\nname = "chat"\nobjective = "chat"\ndata = "chats.jsonl"\nsteps = 2\n'
    between = MORE.format("mixed") + "sources = {tatar = 0.5, romanian = 0.5}\n"
    text = f"{MORE.format('more')}\n{between}\n{answers}\n{MORE.format('last')}\n[[evaluate]]"
    project.edit(("steps = 40", "steps = 8"), ("[[evaluate]]", text))
    for name in ("tatar", "romanian"):
        project.edit((f'name = "{name}"', f'name = "{name}"\nrepeatable = true'))
    found, _ = first_rows(project, monkeypatch)
    assert found["pretrain"] is None
    assert found["more"] == 8 * ROWS
    assert found["mixed"] == {"romanian": 0, "tatar": 0}
    assert found["last"] == 12 * ROWS
    log = (project.recipe.parent / "runs" / "kechkena" / "log.txt").read_text("utf-8")
    assert re.findall(r"after ([0-9.]+) in earlier phases", log) == ["0.7", "1.0"]


def test_after_a_phase_that_ended_early_the_next_one_reads_what_was_left(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan counts all forty steps of the first phase, of which one validation leaves eight."""
    shares = MORE.format("mixed") + "sources = {tatar = 0.75, romanian = 0.25}\n"
    impatient = shares.replace("steps = 4", "steps = 40\npatience = 1\neval_every_steps = 8")
    text = f"{MORE.format('more')}\n{impatient}\n{shares.replace('mixed', 'later')}"
    project.edit(
        ("eval_every_steps = 8", "eval_every_steps = 8\npatience = 1"),
        ("[[evaluate]]", f"{text}\n[[evaluate]]"),
    )
    for name in ("tatar", "romanian"):
        project.edit((f'name = "{name}"', f'name = "{name}"\nrepeatable = true'))
    validate = training.TrainingInputs.validate
    nats = iter(range(99))

    def worse(*given: Any) -> Any:
        return replace(validate(*given), nats=float(next(nats)))

    monkeypatch.setattr(training.TrainingInputs, "validate", worse)
    found, said = first_rows(project, monkeypatch)
    assert "8 steps" in said.err
    assert found["more"] == 8 * ROWS
    assert found["mixed"] == {"tatar": 0, "romanian": 0}
    assert found["later"] == {"tatar": 6 * ROWS, "romanian": 2 * ROWS}
