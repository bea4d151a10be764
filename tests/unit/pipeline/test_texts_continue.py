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
        ([(CHAT, 5, 4), (Phase(objective="chat", data="./chats.jsonl"), 1, 2)], [None, 20]),
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


def test_where_a_phase_has_shares_each_source_continues_in_all_phases() -> None:
    """Both sources are of one size, so that a phase without shares reads as much of each."""
    configs = planned((ALL, 5, 4), (BOOKS, 9, 4), (ALL, 3, 4), (BOOKS, 1, 4))
    firsts = [{each.name: each.first_row for each in config.sources} for config in configs]
    assert firsts == [
        {"web": 0, "books": 0},
        {"books": 10},
        {"web": 10, "books": 46},
        {"books": 52},
    ]


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
    names = ("pretrain", "more", "mixed", "last")
    tatar, romanian, others = (
        [found[name].get(source) for name in names] for source in ("tatar", "romanian", "others")
    )
    assert (tatar[0], romanian[0], others[0], others[2]) == (0, 0, 0, None)
    assert tatar[1] + romanian[1] + others[1] == 8 * ROWS
    assert tatar[2] + romanian[2] + others[3] == 12 * ROWS
    assert (tatar[3] - tatar[2], romanian[3] - romanian[2]) == (2 * ROWS, 2 * ROWS)
    log = (project.recipe.parent / "runs" / "kechkena" / "log.txt").read_text("utf-8")
    assert re.findall(r"after ([0-9.]+) in earlier phases", log) == ["0.7", "1.0", "1.0"]


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
    assert sum(found["more"].values()) == 8 * ROWS
    assert found["mixed"].keys() == {"tatar", "romanian"}
    later = {name: found["later"][name] - found["mixed"][name] for name in found["mixed"]}
    assert later == {"tatar": 6 * ROWS, "romanian": 2 * ROWS}


def test_after_conversations_that_ended_early_the_next_phase_learns_those_that_were_left(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they left is of their columns: other columns have rows of their own."""
    chats = [
        {"question": f"{n} + 1?", "answer": f"{n + 1}.", "ask": f"{n} + 2?", "tell": f"{n + 2}."}
        for n in range(60)
    ]
    write_lines(project.recipe.parent / "chats.jsonl", chats)
    chat = (
        '[[phase]]\nname = "{}"\nobjective = "chat"\ndata = "chats.jsonl"\nsteps = {}\n'
        'batch_tokens = 128\nlr = 1e-3\nnumber_format = "fp32"\neval_every_steps = 4\n'
    )
    text = f"{chat.format('first', 40)}patience = 1\n\n{chat.format('second', 2)}\n"
    for name in ("third", "fourth"):
        text += f"{chat.format(name, 2)}columns = ['ask', 'tell']\n\n"
    project.edit(("steps = 40", "steps = 8"), ("[[evaluate]]", f"{text}\n[[evaluate]]"))
    validate = training.ExampleInputs.validate
    nats = iter(range(99))

    def worse(*given: Any) -> Any:
        return replace(validate(*given), nats=float(next(nats)))

    monkeypatch.setattr(training.ExampleInputs, "validate", worse)
    found = set[int | None]()
    make = ExampleInputs.batches

    def noted(self: ExampleInputs, config: TrainConfig, context: int, seed: int) -> Any:
        found.add(config.first_row)
        return make(self, config, context, seed)

    monkeypatch.setattr(ExampleInputs, "batches", noted)
    said = project.run()
    assert said.code == 0, said.err
    assert found == {None, 4 * 128 // 32, 2 * 128 // 32}
