"""How many tokens tokenizers need, how long they are trained, and in how much memory.

"fit": each kind is trained on the texts of a language (at most 4 MB), and measured on every
twentieth line, which training does not see. Kinds are endonym's, and byte-pair encoding by the
library `tokenizers` with the splits of GPT-2 and GPT-4. "memory": a vocabulary of 16,000, trained
in a process of its own on 100 MB: the texts of all languages, again and again, with new words going
on coming: one letter of every line is changed from the second repetition on.
"""

import itertools
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import tokenizers
from benchmark import Bench, Benchmark, NotThisMachine, Watch, main
from cells import Cell, Cells
from memory import peak, resident
from pages import markdown
from tokenizers import Regex, models, pre_tokenizers, trainers

from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.train import train_tokenizer

LANGUAGES = {"tt": "Tatar", "km": "Khmer", "ro": "Romanian", "fr": "French", "en": "English"}
SPLITS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "gpt4": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}
KINDS = {"bpe": "bpe", "unigram": "unigram", "gpt2": "GPT-2's split", "gpt4": "GPT-4's split"}
SIZES = (8_000, 32_000)
TRAINED_BYTES, HELD_EVERY = 4_000_000, 20
MEMORY_VOCAB, MEMORY_MEGABYTES = 16_000, 100


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """Fits of every language, size and kind, then the memory of training."""
    languages = ["tt"] if bench.tiny else list(LANGUAGES)
    sizes = (400,) if bench.tiny else SIZES
    kinds = ("bpe", "gpt2") if bench.tiny else KINDS
    every: dict[str, Callable[[], Cell]] = {
        f"fit {language} {vocab} {kind}": partial(fit_cell, bench, language, vocab, kind)
        for language in languages
        for vocab in sizes
        for kind in kinds
    }
    for kind in ("bpe", "unigram") if not bench.tiny else ():
        every[f"memory {kind} {MEMORY_MEGABYTES}"] = partial(memory_cell, bench, kind)
    return every


def fit_cell(bench: Bench, language: str, vocab: int, kind: str) -> Cell:
    """Tokens of lines that training did not see, a character and a byte."""
    lines = bench.lines(language)
    held = lines[::HELD_EVERY]
    rest = [line for number, line in enumerate(lines) if number % HELD_EVERY]
    every = max(1, sum(len(line.encode()) for line in rest) // TRAINED_BYTES)
    texts = rest[::every]
    started = time.perf_counter()
    if kind in SPLITS:
        engine = library_tokenizer(texts, vocab, SPLITS[kind])
        seconds = time.perf_counter() - started
        tokens = sum(len(encoding.ids) for encoding in engine.encode_batch_fast(held))
    else:
        config = TokenizerConfig.model_validate({"kind": kind, "vocab": vocab})
        tokenizer = train_tokenizer(config, lambda: iter(texts))
        seconds = time.perf_counter() - started
        tokens = sum(map(len, tokenizer.encode_many(held)))
    held_bytes = sum(len(line.encode()) for line in held)
    return {
        "train_bytes": sum(len(line.encode()) for line in texts),
        "train_seconds": round(seconds, 1),
        "held_lines": len(held),
        "held_bytes": held_bytes,
        "tokens": tokens,
        "tokens_per_character": round(tokens / sum(map(len, held)), 4),
        "bytes_per_token": round(held_bytes / tokens, 4),
    }


def library_tokenizer(texts: list[str], vocab: int, split: str) -> tokenizers.Tokenizer:
    """Byte-level byte-pair encoding by the library, with a split of others."""
    engine = tokenizers.Tokenizer(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    letters = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab, min_frequency=2, initial_alphabet=letters, show_progress=False
    )
    engine.train_from_iterator(texts, trainer)
    return engine


def memory_cell(bench: Bench, kind: str) -> Cell:
    """Seconds and peak memory of training, in a process of its own."""
    if not Path("/proc/self/clear_refs").exists():
        raise NotThisMachine("the peak of memory is read from /proc, which is on Linux alone")
    path = bench.folder("tokenizers") / "text"
    write_mixed(bench, path, MEMORY_MEGABYTES * 1_000_000)
    command = [sys.executable, __file__, "--in-this-process", kind, str(path)]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    path.unlink()
    return json.loads(output.splitlines()[-1])


def trained_here(kind: str, path: Path) -> Cell:
    """Train in this process and count."""

    def texts() -> Iterator[str]:
        with path.open(encoding="utf-8", newline="\n") as file:
            for line in file:
                yield line[:-1]

    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    before, started = resident(), time.perf_counter()
    config = {"kind": kind, "vocab": MEMORY_VOCAB, "sample_bytes": 10**11}
    tokenizer = train_tokenizer(TokenizerConfig.model_validate(config), texts)
    return {
        "train_seconds": round(time.perf_counter() - started, 1),
        "peak_bytes": peak(),
        "before_bytes": before,
        "text_bytes": path.stat().st_size,
        "vocab": tokenizer.vocab,
    }


def write_mixed(bench: Bench, path: Path, size: int) -> None:
    """All texts, again and again with changed letters, until there are so many bytes."""
    generator = random.Random(0)
    lines = [line for language in LANGUAGES for line in bench.lines(language)]
    generator.shuffle(lines)
    again = (changed(line, generator) for _ in itertools.count() for line in lines)
    with path.open("wb") as file:
        for line in itertools.chain(lines, again):
            file.write(line.encode("utf-8") + b"\n")
            if file.tell() >= size:
                break


def changed(line: str, generator: random.Random) -> str:
    """The line with another letter in one of its words."""
    at = generator.randrange(len(line))
    letter = line[generator.randrange(len(line))]
    return line if line[at] == " " or letter == " " else line[:at] + letter + line[at + 1 :]


def fits(cells: Cells) -> str:
    """Tokens a character by language, vocabulary and kind; and bpe next to GPT-4's split."""
    rows: list[list[str]] = []
    for language, name in LANGUAGES.items():
        for vocab in SIZES:
            measured = {kind: cells.get(f"fit {language} {vocab} {kind}") for kind in KINDS}
            if any(cell is None for cell in measured.values()):
                continue
            found = {kind: cell for kind, cell in measured.items() if cell}
            fewer = 1 - found["bpe"]["tokens"] / found["gpt4"]["tokens"]
            figures = [f"{found[kind]['tokens_per_character']:.3f}" for kind in KINDS]
            tested = f"{found['bpe']['held_bytes'] / 1e3:,.0f}"
            rows.append([name, f"{vocab:,}", tested, *figures, f"{fewer:+.1%}"])
    head = ["text", "vocabulary", "kB tested", *KINDS.values(), "bpe needs fewer than GPT-4's"]
    return markdown(head, rows)


def memories(cells: Cells) -> str:
    """Peak memory and seconds of training."""
    rows: list[list[str]] = []
    for kind in ("bpe", "unigram"):
        if cell := cells.get(f"memory {kind} {MEMORY_MEGABYTES}"):
            own = (cell["peak_bytes"] - cell["before_bytes"]) / 1e9
            total = f"{cell['peak_bytes'] / 1e9:.2f}"
            megabytes = f"{cell['text_bytes'] / 1e6:.0f}"
            rows.append([kind, megabytes, total, f"{own:.2f}", f"{cell['train_seconds']:.0f}"])
    return markdown(["kind", "MB of text", "peak GB", "of it training", "seconds"], rows)


BENCHMARK = Benchmark(
    name="tokenizers-fit",
    code=("endonym.tokenizer",),
    cells=cells,
    tables={
        ("docs/tokenizers.md", "tokenizers fit"): fits,
        ("docs/tokenizers.md", "tokenizers memory"): memories,
    },
    watched={
        "tokens_per_character": Watch("lower", 0.01),
        "peak_bytes": Watch("lower", 0.15),
        "train_seconds": Watch("lower", 0.3, timed=True),
    },
)

if __name__ == "__main__":
    if sys.argv[1:2] == ["--in-this-process"]:
        print(json.dumps(trained_here(sys.argv[2], Path(sys.argv[3]))))
    else:
        main(BENCHMARK)
