"""What stays of a pruned model is measured once, on the same rows of every machine."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from toys import lively_decoder, toy_config, train_config

from endonym.data.batches import Batch
from endonym.data.config import PackConfig
from endonym.log import Log, number
from endonym.model.count import parameters
from endonym.model.decoder import Decoder
from endonym.model.prune import pruned
from endonym.model.prune_config import Kept, Prune
from endonym.pipeline import pruning
from endonym.pipeline.stage import PhaseTraining
from endonym.store import read_if_whole
from endonym.train.distributed import ALONE
from endonym.train.objectives import objective_of

DECODER = lively_decoder(toy_config("llama", layers=3))
CONTEXT, VOCAB = DECODER.config.context, DECODER.config.vocab
PRUNE = Prune(ffn=0.5, layers=1 / 3)


@dataclass
class Inputs:
    """What a phase reads, in batches of so many rows; notes what is asked of it."""

    folder: Path
    rows: int = 10_000
    device: str = "cpu"
    asked: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    parts: list[tuple[int, range]] = field(default_factory=list[tuple[int, range]])

    def batches(self, *given: Any) -> Any:
        self.asked.append(given)
        return SimpleNamespace(rows=self.rows, part=self.part)

    def part(self, step: int, rows: range) -> Batch:
        self.parts.append((step, rows))
        draw = torch.Generator().manual_seed(step)
        ids = torch.randint(0, VOCAB, (len(rows), CONTEXT + 1), generator=draw)
        documents = torch.zeros(len(rows), CONTEXT, dtype=torch.int64)
        return Batch(ids[:, :-1], ids[:, 1:], documents)


def phase(prune: Prune | None = PRUNE) -> PhaseTraining:
    """A phase that prunes so."""
    keys = train_config(context=CONTEXT).but(prune=prune)
    pack = PackConfig(context=CONTEXT)
    return PhaseTraining(model=DECODER.config, folder=None, pack=pack, phase=keys, seed=7)


def start(inputs: Inputs, group: Any = ALONE, log: Log | None = None, **keys: Any) -> Any:
    """What makes the decoder that the phase begins with."""
    log = log or Log(quiet=True)
    return pruning.pruning(phase(**keys), lambda: DECODER, lambda: inputs, group=group, log=log)


def weights(decoder: Decoder) -> dict[str, list[float]]:
    return {name: weight.tolist() for name, weight in decoder.state_dict().items()}


def test_what_stays_is_measured_once_and_a_resumed_phase_reads_it(tmp_path: Path) -> None:
    inputs = Inputs(tmp_path)
    make = start(inputs)
    first = weights(make())
    assert weights(make()) == first
    rows = range(pruning.BATCH_TOKENS // CONTEXT)
    every = [(step, rows) for step in range(pruning.BATCHES)]
    assert inputs.parts == every
    assert inputs.asked == [(phase().phase, CONTEXT, 7)]
    known = Kept(**read_if_whole(tmp_path / "kept.json"))
    assert weights(pruned(DECODER, known)) == first
    assert weights(start(inputs)()) == first
    assert inputs.parts == every, "it is not measured again"
    (tmp_path / "kept.json").write_text("{}", encoding="utf-8")
    assert weights(start(inputs)()) == first
    assert inputs.parts == every * 2, "a damaged file is made again"
    assert Kept(**read_if_whole(tmp_path / "kept.json")) == known
    assert start(inputs, prune=None)() is DECODER


@pytest.mark.parametrize(("rows", "tokens", "measured"), [
    (10_000, 3 * CONTEXT, 3), (2, 3 * CONTEXT, 2), (10_000, 2 * CONTEXT - 1, 1),
    (10_000, CONTEXT - 1, 1),
])  # fmt: skip
def test_so_many_tokens_are_measured_or_one_row(
    rows: int, tokens: int, measured: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "BATCH_TOKENS", tokens)
    monkeypatch.setattr(pruning, "BATCHES", 2)
    inputs = Inputs(tmp_path, rows)
    start(inputs)()
    assert inputs.parts == [(step, range(measured)) for step in (0, 1)]


def test_what_is_needed_is_measured_on_the_device_and_what_is_left_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved, given, lines = list[str](), list[tuple[Any, ...]](), list[str]()
    kept = Kept([0, 2], [], [[1, 3], [0, 2]])

    def most_needed(*arguments: Any) -> Kept:
        given.append(arguments)
        return kept

    def to(decoder: Decoder, device: str) -> Decoder:
        moved.append(device)
        return decoder

    monkeypatch.setattr(pruning, "most_needed", most_needed)
    monkeypatch.setattr(Decoder, "to", to)
    log = Log(quiet=True)
    monkeypatch.setattr(log, "line", lines.append)
    small = start(Inputs(tmp_path, 3, "cuda:1"), log=log)()
    assert moved == ["cuda:1"]
    ((decoder, prune, batches, objective),) = given
    assert (decoder is DECODER, prune, len(batches)) == (True, PRUNE, pruning.BATCHES)
    assert [len(each) for each in batches] == [3] * pruning.BATCHES
    assert objective == objective_of(phase().phase)
    left, whole = (number(parameters(each.config).total) for each in (small, DECODER))
    assert lines == [f"  pruned: {left} of {whole} parameters are left"]
    assert weights(small) == weights(pruned(DECODER, kept))


def test_every_process_of_a_group_keeps_what_the_first_one_does(tmp_path: Path) -> None:
    said = list[Any]()

    def first(value: Any) -> Any:
        said.append(value)
        return value

    inputs = Inputs(tmp_path)
    small = start(inputs, SimpleNamespace(is_first=True, broadcast=first))()
    assert len(said) == 1
    other = Inputs(tmp_path / "other")
    later = start(other, SimpleNamespace(is_first=False, broadcast=lambda value: value or said[0]))
    assert weights(later()) == weights(small)
    assert (other.asked, other.parts, other.folder.exists()) == ([], [], False)
