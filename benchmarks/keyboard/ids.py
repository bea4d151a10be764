"""Compares the ids of a keyboard file with those of the model it was made of.

    python benchmarks/keyboard/ids.py MODEL FILE.gguf TEXTS... [--lines 10000] [--store DIR]

MODEL is a run, FILE what `endonym export MODEL --to keyboard` wrote, and TEXTS are files with lines
in UTF-8. SentencePiece reads the first lines that are not empty with the tokenizer in FILE: their
ids must be those of the model's own tokenizer. Lines with U+2581 are left out, since SentencePiece
reads it as a blank. What was found is printed as JSON; the program fails if ids differ.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import sentencepiece

from endonym.commands.load import load_model
from endonym.export.gguf.keyboard_file import tokenizer_in
from endonym.log import Log
from endonym.store import Store
from endonym.tokenizer.unigram import SPACE

EXAMPLES = 5
"""Lines with other ids that are shown."""


def main() -> None:
    """Compare, and print what was found as JSON."""
    asked = arguments()
    model = load_model(asked.model, Store(asked.store), log=Log(quiet=True))
    proto = tokenizer_in(asked.file)
    if proto is None:
        sys.exit(f"{asked.file} has no tokenizer for the keyboard")
    pieces = sentencepiece.SentencePieceProcessor(model_proto=proto)
    found = [*islice(lines_of(asked.texts), asked.lines)]
    differing = [line for line in found if pieces.encode(line) != model.tokenizer.encode(line)]
    said = {"lines": len(found), "equal ids": len(found) - len(differing)}
    print(json.dumps(said | {"examples": differing[:EXAMPLES]}, ensure_ascii=False, indent=1))
    if differing or not found:
        sys.exit(1)


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description="Compare the ids of a keyboard file.")
    parser.add_argument("model")
    parser.add_argument("file", type=Path)
    parser.add_argument("texts", type=Path, nargs="+")
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--store", type=Path, default=Path("store"))
    return parser.parse_args()


def lines_of(texts: Sequence[Path]) -> Iterator[str]:
    """The lines of files that are not empty, without their ends and without U+2581."""
    for path in texts:
        with path.open(encoding="utf-8") as file:
            for line in file:
                if line.strip() and SPACE not in line:
                    yield line.rstrip("\n")


if __name__ == "__main__":
    main()
