"""The efficiency of a model: turns, the best of rounds, and rows with a reason."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from endonym.data.shards import ShardDocument, write_shards
from endonym.evaluate import speed
from endonym.evaluate.speed import LENGTHS, Contender, Sample, cells, measured_once, notes, sample
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.train import train_tokenizer

Patch = pytest.MonkeyPatch

NOTHING = Sample([], 1, [])
FIRSTS = ["first of 1, ms", "first of 128, ms", "first of 1024, ms"]


@pytest.fixture
def tokenizer() -> Tokenizer:
    return train_tokenizer(TokenizerConfig(kind="byte"), lambda: iter([]))


def contender(name: str, path: Path = Path("model")) -> Contender:
    return Contender(name, "endonym", path, "fp32", 1_000)


def answer(load: float, peak: int, rate: float, **more: Any) -> dict[str, Any]:
    rates = {"prompt_tokens_per_second": rate, "decode_tokens_per_second": rate - 10}
    figures = {"load_seconds": load, "peak_bytes": peak, "first_token_seconds": {"1": load}}
    return figures | rates | more


def test_programs_take_turns_and_the_best_of_each_time_counts(monkeypatch: Patch) -> None:
    asked: list[tuple[str, bool]] = []
    first, missing = answer(2.0, 60, 30.0, bits_per_byte=1.5), {"reason": "it is not installed"}
    answers = iter([first, missing, answer(1.0, 40, 9.0), answer(3.0, 50, 10.0)])

    def answered_here(each: Contender, text: Sample, *, threads: int, with_texts: bool) -> Any:
        assert threads == 2
        asked.append((each.name, with_texts))
        return next(answers)

    monkeypatch.setattr(speed, "measured_once", answered_here)
    ticks: list[float] = []
    given = [contender("one"), contender("two")]
    one, two = speed.measure_speed(given, NOTHING, threads=2, rounds=3, advance=ticks.append)
    assert asked == [("one", True), ("two", True), ("one", False), ("one", False)]
    assert len(ticks) == 6
    assert (one.load_seconds, one.peak_bytes, one.bits_per_byte) == (1.0, 60, 1.5)
    assert one.first_token_seconds == {"1": 1.0}
    assert (one.prompt_tokens_per_second, one.decode_tokens_per_second) == (30.0, 20.0)
    assert (two.reason, two.bits_per_byte) == ("it is not installed", None)
    head, first, second = cells([one, two])
    assert len(head) == len(first) == len(second)
    assert head[4:] == ["memory", "prompt tokens/s", "decoding tokens/s", *FIRSTS]
    figures = ["one", "1.5000", "1.0 kB", "1.000", "60 B", "30", "20", "1000.0", "–", "–"]
    assert (first, second) == (figures, ["two", "–", "1.0 kB", *["–"] * 7])
    assert notes([one, two])[-1] == "two: it is not installed"
    assert "threads: 2" in notes([one, two])[1]
    assert "cut to the context" in notes([one, two])[0]


def test_the_contenders_are_the_model_and_every_file_of_its_exports(tmp_path: Path) -> None:
    own, hf, gguf = (tmp_path / name for name in ("own", "hf", "gguf"))
    for folder in (own, hf, gguf):
        folder.mkdir()
        (folder / "README.md").write_bytes(b"x" * 1_000)
        (folder / "export.json").write_bytes(b"x" * 1_000)
    (own / "weights.safetensors").write_bytes(b"x" * 40)
    (hf / "config.json").write_bytes(b"x" * 30)
    (gguf / "a-Q8_0.gguf").write_bytes(b"x" * 10)
    (gguf / "a-Q5_K_M.gguf").write_bytes(b"x" * 8)
    (gguf / "a-F16.gguf").write_bytes(b"x" * 20)
    assert speed.contenders(own, [hf, gguf]) == [
        Contender("endonym fp32", "endonym", own, "fp32", 40),
        Contender("transformers fp32", "transformers", hf, "fp32", 30),
        Contender("transformers bf16", "transformers", hf, "bf16", 30),
        Contender("llama.cpp F16", "llama.cpp", gguf / "a-F16.gguf", "F16", 20),
        Contender("llama.cpp Q8_0", "llama.cpp", gguf / "a-Q8_0.gguf", "Q8_0", 10),
        Contender("llama.cpp Q5_K_M", "llama.cpp", gguf / "a-Q5_K_M.gguf", "Q5_K_M", 8),
    ]


def test_the_sample_is_of_test_documents(tokenizer: Tokenizer, tmp_path: Path, monkeypatch: Patch):
    texts = [f"Бу {number} нче җөмлә." for number in range(100)]
    pieces = [ShardDocument("tatar", text, 0, number) for number, text in enumerate([*texts, ""])]
    write_shards(tmp_path, tokenizer, ["tatar"], lambda s: pieces * (s == "test"), advance=print)
    whole = sample(tmp_path, tokenizer, 64)
    assert [tokenizer.decode(ids[1:]) for ids in whole.texts] == texts
    assert whole.bytes == sum(len(text.encode()) for text in texts)
    assert {ids[0] for ids in whole.texts} == {tokenizer.end_id}
    assert len(whole.prompt) == max(LENGTHS)
    assert whole.prompt[: 1 + len(texts[0].encode())] == whole.texts[0]
    short = sample(tmp_path, tokenizer, 8)
    assert {len(ids) for ids in short.texts} == {8}
    assert short.bytes == 7 * len(texts)
    monkeypatch.setattr(speed, "SAMPLE_BYTES", whole.bytes // 10)
    fewer = sample(tmp_path, tokenizer, 64)
    assert len(fewer.texts) == 10
    assert np.array_equal(fewer.texts[1], whole.texts[10])


def test_a_process_is_asked_about_its_contender(tmp_path: Path, monkeypatch: Patch) -> None:
    """This one answers with what it was asked."""
    said = 'printf \'{"threads": %s, "asked": \' "$OMP_NUM_THREADS"; cat; echo "}"'
    (program := tmp_path / "python").write_text(f"#!/bin/sh\n{said}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    rival, texts = Contender("two", "transformers", tmp_path, "bf16", 7), [[0, 5], [0, 6, 7]]
    usual = {"program": "transformers", "path": str(tmp_path), "number_format": "bf16"}
    usual |= {"prompt": [0], "bytes": 9, "decode_after": 128, "decode_tokens": 64}
    for read in (texts, []):
        found = measured_once(rival, Sample(texts, 9, [0]), threads=3, with_texts=bool(read))
        assert found["asked"].pop("lengths") == [1, 128, 1024]
        assert found == {"threads": 3, "asked": {**usual, "texts": read}}


def test_a_process_that_dies_is_a_reason(tmp_path: Path) -> None:
    text = Sample([[0, 1]], 1, [0] * max(LENGTHS))
    gone = replace(contender("one", tmp_path / "gone"), program="abacus")
    reason = measured_once(gone, text, threads=1, with_texts=True)["reason"]
    assert "the process ended with 1" in reason
    assert "gone" in reason
