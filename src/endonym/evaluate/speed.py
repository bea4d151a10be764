"""The efficiency of a model in the programs that run it: size, memory, speed and loss.

Each measurement is a fresh process (`evaluate/runtimes.py`). The programs take turns, round after
round, so that a slow minute of the machine hits all of them; of each time the best round counts, of
memory the largest. Times are no part of an artefact: they stand in its journal.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from endonym import device
from endonym.data.shards import TokenShards
from endonym.evaluate.module_process import ProcessFailed, output_lines
from endonym.log import read_jsonl, size
from endonym.store import Artifact, Store
from endonym.tokenizer.tokenizer import Tokenizer

LENGTHS = (1, 128, 1024)
"""Tokens of the prompts; those longer than the context are left out."""
DECODE_AFTER = 128
DECODE_TOKENS = 64
ROUNDS = 3
SAMPLE_BYTES = 40_000
SPEED = "speed"
SPEED_FILE = "efficiency.json"
"""The event of a journal, and the file of an artefact that measures speed."""
SAMPLE_BITS = "sample bits/byte"
"""Of a sample of test documents that are cut to the context: not the score of the model."""
PAPERS = ("README.md", "Modelfile", "export.json", "manifest.json", "validations.json")
"""Files that a program does not need to run a model."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A model in one program. path: what the program loads. bytes: on disk."""

    name: str
    program: str
    path: Path
    number_format: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Sample:
    """Held-out text as ids. texts: each starts with the start token and fits in the context.

    bytes: of the texts, without their start tokens. prompt: as long as the longest prompt.
    """

    texts: list[list[int]]
    bytes: int
    prompt: list[int]


@dataclass(slots=True)
class Efficiency:
    """What was measured of a contender; a reason instead if it could not be.

    prompt_tokens_per_second: of the longest prompt. first_token_seconds: by tokens of the prompt.
    decode_tokens_per_second: of the 2nd to the 64th new token after a prompt of 128.
    """

    runtime: str
    bytes: int
    threads: int
    load_seconds: float | None = None
    peak_bytes: int | None = None
    prompt_tokens_per_second: float | None = None
    decode_tokens_per_second: float | None = None
    first_token_seconds: dict[str, float] = field(default_factory=dict)
    bits_per_byte: float | None = None
    reason: str = ""

    def add(self, answer: dict[str, Any]) -> None:
        """Take in another round: of each time the best counts, of memory the largest."""
        if "reason" in answer:
            self.reason = answer["reason"]
            return
        self.load_seconds = min(self.load_seconds or math.inf, answer["load_seconds"])
        self.peak_bytes = max(self.peak_bytes or 0, answer["peak_bytes"])
        for key in ("prompt_tokens_per_second", "decode_tokens_per_second"):
            setattr(self, key, max(getattr(self, key) or 0.0, answer[key]))
        for length, seconds in answer["first_token_seconds"].items():
            best = self.first_token_seconds.get(length, math.inf)
            self.first_token_seconds[length] = min(best, seconds)
        self.bits_per_byte = answer.get("bits_per_byte", self.bits_per_byte)


def contenders(model: Path, exports: Sequence[Path]) -> list[Contender]:
    """A model artefact in our runtime, and its exports: folders of transformers, or GGUF files."""

    def loaded_bytes(folder: Path) -> int:
        return sum(path.stat().st_size for path in folder.iterdir() if path.name not in PAPERS)

    found = [Contender("endonym fp32", "endonym", model, "fp32", loaded_bytes(model))]
    for folder in exports:
        if (folder / "config.json").is_file():
            found += [
                Contender(
                    f"transformers {form}", "transformers", folder, form, loaded_bytes(folder)
                )
                for form in ("fp32", "bf16")
            ]
        files = [(path.stat().st_size, path) for path in sorted(folder.glob("*.gguf"))]
        for n_bytes, path in sorted(files, key=lambda each: -each[0]):
            form = path.stem.rpartition("-")[2]
            found.append(Contender(f"llama.cpp {form}", "llama.cpp", path, form, n_bytes))
    return found


def sample(shards: Path, tokenizer: Tokenizer, context: int) -> Sample:
    """Test documents, evenly spread, cut to the context; the prompt is made of them, too."""
    held = TokenShards(shards, "test")
    documents = [held.document(number).ids[: context - 1] for number in range(len(held))]
    sizes = np.array([tokenizer.document_sizes(ids)[0] for ids in documents])
    step = max(1, round(sizes.sum() / SAMPLE_BYTES))
    start = [*tokenizer.document_start]
    chosen = [number for number in range(0, len(documents), step) if sizes[number]]
    return Sample(
        texts=[start + documents[number].tolist() for number in chosen],
        bytes=int(sizes[chosen].sum()),
        prompt=np.resize(np.concatenate([start, *documents]), max(LENGTHS)).tolist(),
    )


def measure_speed(
    rivals: Sequence[Contender],
    text: Sample,
    *,
    threads: int,
    rounds: int = ROUNDS,
    advance: Callable[[float], None] = lambda done: None,
) -> list[Efficiency]:
    """The efficiency of each contender, in their order. advance: called with 1 a process."""
    rows = [Efficiency(rival.name, rival.bytes, threads) for rival in rivals]
    for number in range(rounds):
        for rival, row in zip(rivals, rows, strict=True):
            if not row.reason:
                row.add(measured_once(rival, text, threads=threads, with_texts=number == 0))
            advance(1)
    return rows


def measured_once(
    rival: Contender, text: Sample, *, threads: int, with_texts: bool
) -> dict[str, Any]:
    """What one process measures, or the reason why it could not.

    with_texts: whether the loss of the texts is measured, too.
    """
    request = {
        "program": rival.program,
        "path": str(rival.path),
        "number_format": rival.number_format,
        "prompt": text.prompt,
        "texts": text.texts if with_texts else [],
        "bytes": text.bytes,
        "lengths": LENGTHS,
        "decode_after": DECODE_AFTER,
        "decode_tokens": DECODE_TOKENS,
    }
    asked = json.dumps(request).encode()
    environment = device.with_threads(threads)
    try:
        *_, last = output_lines("endonym.evaluate.runtimes", asked, environment)
    except ProcessFailed as failure:
        return {"reason": f"the process {failure}"}
    return json.loads(last)


def cells(rows: Sequence[Efficiency]) -> list[list[str]]:
    """The rows as texts under a head; what was not measured is a dash."""

    def figure(value: float | None, form: str) -> str:
        return "–" if value is None else form.format(value)

    lengths = list(map(str, LENGTHS))
    heads = ["runtime", SAMPLE_BITS, "on disk", "load s", "memory"]
    heads += ["prompt tokens/s", "decoding tokens/s", *(f"first of {n}, ms" for n in lengths)]
    table = [heads]
    for row in rows:
        firsts = [row.first_token_seconds.get(n) for n in lengths]
        memory = "–" if row.peak_bytes is None else size(row.peak_bytes)
        line = [row.runtime, figure(row.bits_per_byte, "{:.4f}"), size(row.bytes)]
        line += [figure(row.load_seconds, "{:.3f}"), memory]
        speeds = (row.prompt_tokens_per_second, row.decode_tokens_per_second)
        line += [figure(speed, "{:,.0f}") for speed in speeds]
        table.append(line + [figure(first and 1000 * first, "{:.1f}") for first in firsts])
    return table


def notes(rows: Sequence[Efficiency]) -> list[str]:
    """The threads, and why rows have no figures."""
    threads = sorted({row.threads for row in rows})
    lines = [
        f"{SAMPLE_BITS}: of a sample of test documents, each cut to the context; it compares the "
        "programs, not the model with other models",
        f"threads: {', '.join(map(str, threads))}; memory: of the whole process",
    ]
    return lines + [f"{row.runtime}: {row.reason}" for row in rows if row.reason]


def measured_efficiency(evaluation: Artifact) -> list[Efficiency]:
    """What was measured when an evaluation was made; empty if its journal is gone."""
    store = Store.of(evaluation.folder)
    identity = evaluation.manifest["id"]
    lines = read_jsonl(store.journal("evaluation", identity))
    found = [line["rows"] for line in lines if line.get("event") == SPEED]
    return [Efficiency(**row) for row in found[-1]] if found else []
