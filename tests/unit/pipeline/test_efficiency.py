"""The evaluation of speed: what is kept as an artefact, and what only in a journal."""

import json
from pathlib import Path
from typing import Any

import pytest
from toys import toy_config

from endonym.data.shards import ShardDocument, write_shards
from endonym.disk import write_json
from endonym.evaluate.speed import Efficiency, measured_efficiency
from endonym.log import Log, read_jsonl
from endonym.pipeline import evaluation as efficiency
from endonym.pipeline.evaluation import evaluate_speed
from endonym.pipeline.stages import StageContext
from endonym.store import Artifact, Store
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.train import train_tokenizer

TEXTS = ["Таң атты, кошлар сайрый.", "Plouă mărunt peste sat."]


@pytest.fixture
def context(tmp_path: Path) -> StageContext:
    """A model with one export, and its held-out text, in a store."""
    folders = {
        name: tmp_path / "store" / name / "a"
        for name in ("model", "shards", "export", "evaluation")
    }
    for folder in folders.values():
        folder.mkdir(parents=True)
    tokenizer = train_tokenizer(TokenizerConfig(kind="byte"), lambda: iter([]))
    tokenizer.save(folders["model"])
    write_json(folders["model"] / "config.json", toy_config().model_dump())
    write_json(folders["export"] / "config.json", {})
    pieces = [ShardDocument("tatar", text, 0, number) for number, text in enumerate(TEXTS)]
    write_shards(
        folders["shards"], tokenizer, ["tatar"], lambda split: iter(pieces), advance=lambda n: None
    )
    store = Store(tmp_path / "store")
    inputs = {name: Artifact(folders[name], {}) for name in ("model", "shards")}
    inputs["export huggingface"] = Artifact(folders["export"], {})
    out = folders["evaluation"]
    return StageContext(out, out, store.journal("evaluation", "a" * 64), inputs, Log(quiet=True))


def test_times_stand_in_the_journal_and_not_in_the_artefact(
    context: StageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(given: Any, text: Any, *, threads: int, advance: Any) -> list[Efficiency]:
        assert threads > 0
        return [
            Efficiency(each.name, each.bytes, threads, load_seconds=0.5, bits_per_byte=1.0)
            for each in given
        ]

    monkeypatch.setattr(efficiency, "measure_speed", measured)
    context.journal.parent.mkdir()
    numbers = evaluate_speed(context)
    assert numbers == {
        "kind": "speed",
        "runtimes": 3,
        "documents": 2,
        "bytes": 2 * (toy_config().context - 1),  # of bytes, after the start token
    }
    kept = json.loads((context.out / "efficiency.json").read_text(encoding="utf-8"))
    assert [each["runtime"] for each in kept["runtimes"]] == [
        "endonym fp32",
        "transformers fp32",
        "transformers bf16",
    ]
    assert "seconds" not in json.dumps([kept, numbers])
    (line,) = read_jsonl(context.journal)
    assert {"event", "at", "processor", "versions", "rows"} == set(line)
    found = measured_efficiency(Artifact(context.out, {"id": "a" * 64}))
    assert [row.load_seconds for row in found] == [0.5] * 3
    context.journal.unlink()
    assert measured_efficiency(Artifact(context.out, {"id": "a" * 64})) == []
