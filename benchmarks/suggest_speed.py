"""Milliseconds of word suggestions after a key press, beside llama.cpp on the same tokens.

    python benchmarks/suggest_speed.py RUN [--store STORE] [--contexts 20] [--threads 1] [--anyway]

Test documents of the run's corpus are joined to texts of 100 words. Behind each, the letters of the
next five words are typed one by one, and three words are suggested after each (the cache is kept
between key presses). What the model computed for a key press is then computed by llama.cpp, from
the run's export to GGUF in F32: the same numbers of new tokens and of rows, behind the same number
of tokens. llama.cpp's time is that of its products alone: no search of a beam, no sorting of
logits. Both take turns on each text. A result is a row of benchmarks/results/suggest-speed.json.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from cells import RESULTS, Cells, quiet_machine
from pages import markdown
from runs import endonym

from endonym import device
from endonym.commands.load import load_model, shards_of
from endonym.data.shards import TokenShards
from endonym.evaluate.neighbours import joined_texts
from endonym.generate.language_model import LanguageModel
from endonym.generate.llama_cpp import LlamaCpp, library
from endonym.generate.suggest import Prefix
from endonym.log import Log
from endonym.model.cache import Cache
from endonym.script.letters import LETTER
from endonym.store import Store

WORDS, TYPED, SHOWN = 100, 5, 3
CONTEXT = 2048


class Read(NamedTuple):
    """Rows of tokens that were computed together, behind so many tokens."""

    rows: int
    tokens: int
    past: int


def main() -> None:
    """Measure one run, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--store", type=Path, default=Path("store"))
    parser.add_argument("--contexts", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("bench-work"))
    parser.add_argument("--results", type=Path, default=RESULTS / "suggest-speed.json")
    parser.add_argument("--anyway", action="store_true", help="measure on a busy machine")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    before = quiet_machine("suggest_speed", anyway=asked.anyway)
    store = Store(asked.store)
    model = load_model(asked.run, store, "cpu", Log(quiet=True))
    gguf = exported(asked)
    found = measured(model, texts_of(asked.run, store, model), gguf, asked)
    parameters = sum(each.numel() for each in cast("Any", model.decoder).parameters())
    key = f"{parameters / 1e6:.1f}M parameters, {WORDS} words, {asked.threads} threads"
    Cells(asked.results).keep(key, found | before | {"parameters": parameters})
    print(key, found, sep="\n")


def exported(asked: argparse.Namespace) -> Path:
    """The run as a GGUF file in F32."""
    out = asked.work / "suggest-speed-gguf"
    if not out.is_dir():
        asked.work.mkdir(parents=True, exist_ok=True)
        given = ("--to", "gguf", "--quantize", "F32", "--out", out.absolute())
        endonym(Path(), "export", asked.run, *given, "--store", asked.store)
    (found,) = out.glob("*.gguf")
    return found


def texts_of(run: str, store: Store, model: LanguageModel) -> list[str]:
    """Held-out texts of WORDS + TYPED words, joined from documents."""
    shards = shards_of(run, store)
    assert shards is not None, "the run is in this store"
    words = " ".join(joined_texts(TokenShards(shards[0], "test"), model.tokenizer)).split()
    step = WORDS + TYPED
    return [" ".join(words[n : n + step]) for n in range(0, len(words) - step, step)]


def measured(
    model: LanguageModel, texts: Sequence[str], gguf: Path, asked: argparse.Namespace
) -> dict[str, Any]:
    """Medians of milliseconds a key press, of both; and what was computed."""
    reads = Recorded(model)
    ours, theirs, rounds = list[float](), list[float](), list[int]()
    with LlamaCpp(gguf, context=CONTEXT, threads=asked.threads, cache="f32") as peer:
        for text in texts[: asked.contexts]:
            begin = len(" ".join(text.split()[:WORDS])) + 1
            ends = [begin + each.end() for each in LETTER.finditer(text[begin:])]
            model.suggest(text[:begin], SHOWN)
            past = model.suggester.prefix.ids
            peer.clear()
            [*peer.read(past, all_logits=False)]
            for end in ends:
                reads.found.clear()
                started = time.perf_counter()
                model.suggest(text[:end], SHOWN)
                ours.append(time.perf_counter() - started)
                theirs.append(replayed(peer, reads.found))
                rounds.append(len(reads.found))
    return {
        "milliseconds": 1000 * median(ours),
        "of_llama_cpp": 1000 * median(theirs),
        "slowest_of_20": 1000 * float(np.quantile(ours, 0.95)),
        "key_presses": len(ours),
        "rounds": median(rounds),
    }


class Recorded:
    """What a model's suggestions compute, from now on."""

    def __init__(self, model: LanguageModel) -> None:
        self.found = list[Read]()
        prefix = model.suggester.prefix
        compute = prefix._logs

        def logs(tokens_BT: torch.Tensor, past: int, cache: Cache | None) -> Any:
            self.found.append(Read(*tokens_BT.shape, past))
            return compute(tokens_BT, past, cache)

        cast("Any", prefix)._logs = logs
        assert isinstance(prefix, Prefix), "it is recorded"


def replayed(peer: LlamaCpp, reads: Sequence[Read]) -> float:
    """Seconds of llama.cpp for the same tokens behind the same number of tokens.

    Rows of a beam are computed as one text, which spares llama.cpp copies of its cache.
    """
    memory = peer._lib.llama_get_memory(peer._context)
    seconds = 0.0
    for read in reads:
        size = read.rows * read.tokens
        library().llama_memory_seq_rm(memory, 0, read.past, -1)
        ids = np.full(size, peer.end_id, dtype=np.int32)
        places = np.arange(read.past, read.past + size, dtype=np.int32)
        wanted = np.zeros(size, dtype=np.int8)
        wanted[read.tokens - 1 :: read.tokens] = 1
        started = time.perf_counter()
        peer.compute(ids, places, np.zeros(size, dtype=np.int32), wanted)
        seconds += time.perf_counter() - started
    return seconds


def table() -> str:
    """Milliseconds of a key press, and those of llama.cpp's products."""
    cells = Cells(RESULTS / "suggest-speed.json")
    figures = ("milliseconds", "slowest_of_20", "of_llama_cpp")
    rows = [[key, *(f"{cells[key][each]:.1f}" for each in figures)] for key in cells]
    heads = ["model, context", "median, ms", "slower are 5 %, ms", "llama.cpp, median, ms"]
    return markdown(heads, rows)


TABLES_OF_PAGE = {"speed": table}

if __name__ == "__main__":
    device.prepare()
    main()
