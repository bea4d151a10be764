"""What stays of a pruned model is measured once, on the same rows of every machine."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from toys import lively_decoder, toy_config, train_config

from endonym.data.batches import Batch
from endonym.data.config import PackConfig
from endonym.log import Log
from endonym.model.prune_config import Prune
from endonym.pipeline import pruning
from endonym.pipeline.stages import PhaseTraining
from endonym.train.distributed import Group


def test_what_stays_is_measured_once_and_a_resumed_phase_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = lively_decoder(toy_config("llama", layers=3))
    vocab, context, asked = decoder.config.vocab, decoder.config.context, list[tuple[int, int]]()

    def part(step: int, rows: range) -> Batch:
        asked.append((step, len(rows)))
        draw = torch.Generator().manual_seed(step)
        ids = torch.randint(0, vocab, (len(rows), context + 1), generator=draw)
        documents = torch.zeros(len(rows), context, dtype=torch.int64)
        return Batch(ids[:, :-1], ids[:, 1:], documents)

    batches = SimpleNamespace(rows=10_000, part=part)
    inputs = SimpleNamespace(batches=lambda *given: batches, folder=tmp_path, device="cpu")
    phase = train_config(context=context).but(prune=Prune(ffn=0.5, layers=1 / 3))
    pack = PackConfig(context=context)
    config = PhaseTraining(model=decoder.config, folder=None, pack=pack, phase=phase, seed=1)

    def small() -> dict[str, torch.Tensor]:
        start = pruning.pruning(
            config, lambda: decoder, lambda: inputs, group=Group(), log=Log(quiet=True)
        )
        assert start().config == start().config
        return start().state_dict()

    first = small()
    rows = pruning.BATCH_TOKENS // context
    assert {*asked} == {(step, rows) for step in range(pruning.BATCHES)}
    assert len(asked) == pruning.BATCHES
    again = small()
    assert len(asked) == pruning.BATCHES, "it is not measured again"
    assert all(torch.equal(again[name], weight) for name, weight in first.items())
    (tmp_path / pruning.KEPT).write_text("{}", encoding="utf-8")
    assert small().keys() == first.keys()
    assert len(asked) == 2 * pruning.BATCHES, "a damaged file is made again"
    whole = config.model_copy(update={"phase": phase.but(prune=None)})
    made = pruning.pruning(
        whole, lambda: decoder, lambda: inputs, group=Group(), log=Log(quiet=True)
    )
    assert made() is decoder
