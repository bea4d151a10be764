"""How well, how fast and in how much memory tokenizers are trained.

    python benchmarks/tokenizer_kinds.py --data DATA [--cells "fit khmer 8000 bpe"] [--anyway]

Two kinds of cells, each measured in a process of its own:

* fit LANGUAGE VOCAB KIND: trained on up to 4 MB of the texts of a language, and measured on every
  twentieth line, which training does not see. Kinds are endonym's, and the byte-pair encoding of
  the library `tokenizers` with the split of GPT-2 or of GPT-4.
* memory KIND MEGABYTES: time and peak memory of a vocabulary of 16,000 on so much text, all of it
  counted (sample_bytes is larger). The text is everything in DATA. From its second repetition on,
  one word of every line gets another letter, so that new words go on coming, as in a larger corpus.
  The shares of the languages stay the same. Up to 300 MB the tokens of bpe are compared with those
  that the library finds in the same text by itself.

DATA holds folders of texts by language. Cells that are in benchmarks/results/tokenizer-kinds.json
are skipped unless --again is given.
"""

import argparse
import gzip
import itertools
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tokenizers
import zstandard
from cells import RESULTS, Cells, quiet_machine
from memory import peak, resident
from tokenizers import Regex, models, pre_tokenizers, trainers

from endonym.tokenizer import bpe
from endonym.tokenizer.config import BYTE_VOCAB, TokenizerConfig
from endonym.tokenizer.kinds import merges_of
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.train import train_tokenizer
from endonym.tokenizer.words import LINE_END, TRAINING_SPLIT, count_words

FOLDERS = {"tatar": "tt", "khmer": "km", "romanian": "ro", "french": "fr", "english": "en"}
SPLITS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "gpt4": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}
KINDS = ("bpe", "unigram", *SPLITS)
SIZES = (8_000, 16_000, 32_000)
MEGABYTES = (100, 300, 1000)
TRAINED_BYTES = 4_000_000
HELD_EVERY = 20
MEMORY_VOCAB = 16_000
COMPARED_MEGABYTES = 300
CELLS = [f"fit {language} {v} {kind}" for language in FOLDERS for v in SIZES for kind in KINDS]
CELLS += [f"memory {kind} {size}" for kind in ("bpe", "unigram") for size in MEGABYTES]


def main() -> None:
    """Measure the cells asked for, and print each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cells", nargs="+", default=CELLS)
    parser.add_argument("--results", type=Path, default=RESULTS / "tokenizer-kinds.json")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--anyway", action="store_true", help="measure on a busy machine, too")
    parser.add_argument("--alone", metavar="CELL", help="measure one cell in this process")
    asked = parser.parse_args()
    if asked.alone:
        kind, *rest = asked.alone.split()
        print(json.dumps((fit if kind == "fit" else memory)(asked.data, *rest)))
        return
    cells = Cells(asked.results)
    for cell in asked.cells:
        if cell not in cells or asked.again:
            busy = quiet_machine(cell, anyway=asked.anyway) if cell.startswith("memory") else {}
            command = [sys.executable, __file__, "--data", str(asked.data), "--alone", cell]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            cells.keep(cell, json.loads(said.splitlines()[-1]) | busy)
        one = cells[cell]
        print(f"{cell:<28}", {key: one[key] for key in one if isinstance(one[key], int | float)})


def lines_of(folder: Path) -> Iterator[str]:
    """The lines of the texts in a folder, those in JSON too."""
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        elif path.suffix == ".zst":
            data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
        for record in data.decode("utf-8").split("\n"):
            if record:
                text = json.loads(record)["text"] if ".jsonl" in path.name else record
                yield from filter(None, text.split("\n"))


def fit(data: Path, language: str, vocab: str, kind: str) -> dict[str, Any]:
    """Tokens a character and a word of lines that training did not see."""
    lines = list(lines_of(data / FOLDERS[language]))
    held = lines[::HELD_EVERY]
    rest = [line for number, line in enumerate(lines) if number % HELD_EVERY]
    every = max(1, sum(len(line.encode()) for line in rest) // TRAINED_BYTES)
    texts = rest[::every]
    started = time.perf_counter()
    if kind in SPLITS:
        encode = library(texts, int(vocab), SPLITS[kind]).encode_batch_fast
        seconds = time.perf_counter() - started
        tokens = sum(len(each.ids) for each in encode(held))
    else:
        config = TokenizerConfig.model_validate({"kind": kind, "vocab": int(vocab)})
        made = train_tokenizer(config, lambda: iter(texts))
        seconds = time.perf_counter() - started
        tokens = sum(map(len, made.encode_many(held)))
    size = {"train_bytes": sum(len(line.encode()) for line in texts), "train_seconds": seconds}
    characters, held_bytes = sum(map(len, held)), sum(len(line.encode()) for line in held)
    found = {
        "tokens": tokens,
        "tokens_per_character": tokens / characters,
        "bytes_per_token": held_bytes / tokens,
    }
    return {"held_bytes": held_bytes} | {k: round(v, 4) for k, v in (size | found).items()}


def library(texts: list[str], vocab: int, split: str) -> tokenizers.Tokenizer:
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


def memory(data: Path, kind: str, megabytes: str) -> dict[str, Any]:
    """Seconds and peak memory of training on so much text, which is read from a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text"
        write_mixed(data, path, int(megabytes) * 1_000_000)

        def texts() -> Iterator[str]:
            with path.open(encoding="utf-8", newline="\n") as file:
                for line in file:
                    yield line[:-1]

        forget_peak()
        before = resident()
        config = {"kind": kind, "vocab": MEMORY_VOCAB, "sample_bytes": 10**11}
        started = time.perf_counter()
        made = train_tokenizer(TokenizerConfig.model_validate(config), texts)
        found = {
            "seconds": round(time.perf_counter() - started, 1),
            "peak_bytes": peak(),
            "before_bytes": before,
            "text_bytes": path.stat().st_size,
            "vocab": made.vocab,
        }
        if kind == "bpe" and int(megabytes) <= COMPARED_MEGABYTES:
            found |= compared(made, texts)
        counts = count_words(texts())
        return found | {"distinct_words_kept": len(counts.words), "pruned": counts.pruned}


def compared(made: Tokenizer, texts: Any) -> dict[str, Any]:
    """Whether the library, given the texts themselves, finds the same merges; its peak memory."""
    forget_peak()
    started = time.perf_counter()
    counts = count_words(texts(), max_words=1 << 60)
    least = max(2, bpe.zipf_least(counts, MEMORY_VOCAB))
    whole, merges = bpe.merged_bytes(counts, least, MEMORY_VOCAB)
    others = "".join(f"\\x{{{ord(each):x}}}" for each in counts.characters.keys() - set(whole))
    engine = tokenizers.Tokenizer(models.BPE())
    steps = [pre_tokenizers.Split(Regex(TRAINING_SPLIT), behavior="isolated")]
    steps += [pre_tokenizers.Split(Regex(f"[{LINE_END}\r{others}]"), behavior="removed")]
    engine.pre_tokenizer = pre_tokenizers.Sequence(steps)
    trainer = trainers.BpeTrainer(
        vocab_size=len(whole) + MEMORY_VOCAB - BYTE_VOCAB - len(merges),
        min_frequency=2,
        initial_alphabet=whole,
        show_progress=False,
    )
    engine.train_from_iterator(texts(), trainer)
    theirs = json.loads(engine.to_str())["model"]["merges"]
    plain = [(bpe.in_byte_letters(left), bpe.in_byte_letters(right)) for left, right in theirs]
    twin = Tokenizer(bpe.byte_level([*merges, *plain]))
    ours = merges_of(made)[len(merges) :]
    sample = [text for number, text in enumerate(texts()) if number % 100 == 0][:10_000]
    pairs = zip(twin.encode_many(sample), made.encode_many(sample), strict=True)
    return {
        "library_seconds": round(time.perf_counter() - started, 1),
        "library_peak_bytes": peak(),
        "merges": len(ours),
        "equal_merges": sum(a == b for a, b in zip(ours, plain, strict=False)),
        "lines_with_other_ids": sum(a.tolist() != b.tolist() for a, b in pairs),
    }


def forget_peak() -> None:
    """From here on the peak is counted anew."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def write_mixed(data: Path, path: Path, size: int) -> None:
    """All texts, again and again until there are so many bytes."""
    generator = random.Random(0)
    languages = [list(lines_of(data / name)) for name in sorted({*FOLDERS.values(), "other"})]
    lines = [line for each in languages for line in each]
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


if __name__ == "__main__":
    main()
