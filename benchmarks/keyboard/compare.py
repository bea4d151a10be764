"""Compares a keyboard file with the model it was made of, in the keyboard's own C++ and llama.cpp.

    python benchmarks/keyboard/compare.py MODEL FILE.gguf DRIVER [--contexts 1000] [--store DIR]

MODEL is a run, FILE what `endonym export MODEL --to keyboard --quantize F16` wrote, and DRIVER the
program of build.sh. Contexts are beginnings of held-out documents, cut behind a word. Ids and words
must be equal: of the keyboard with those of our decoder under the keyboard's rule (beam.py), and of
llama.cpp with those of our decoder without a cache. Our matrices are rounded to F16, as the file's.
Then a half typed word is given behind each context: the keyboard must answer all of them. Where the
model corrects, these answers are compared, too.
"""

import argparse
import json
import random
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import regex
import torch
from beam import Beam, Engine, Ours, Rows

from endonym import device
from endonym.commands.export import texts_of
from endonym.commands.load import load_model
from endonym.export.gguf.keyboard import CORRECTION, features_of
from endonym.generate.language_model import LanguageModel
from endonym.generate.llama_cpp import LlamaCpp
from endonym.log import Log
from endonym.model.decoder import Decoder
from endonym.store import Store
from endonym.tokenizer.keyboard import KEYS, NAMES, START, TYPED, WRITTEN
from endonym.tokenizer.unigram import SPACE

MOST_WORDS = 30
"""Of a context."""
TYPED_LETTERS = 2
BLANKS = " \t\n\v\f\r"
"""What the keyboard strips from a text."""
Answer = tuple[list[int], list[tuple[float, str]]]
"""The ids of a text, and words with their scores."""


def main() -> None:
    """Compare, and print what was found as JSON."""
    asked = arguments()
    device.prepare()
    store = Store(asked.store)
    model = load_model(asked.model, store, log=Log(quiet=True))
    found = contexts(texts_of(asked.model, model, store), asked.contexts)
    print(json.dumps(compared(model, asked, found), ensure_ascii=False, indent=1))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description="Compare a keyboard file with its model.")
    parser.add_argument("model")
    parser.add_argument("file", type=Path)
    parser.add_argument("driver", type=Path)
    parser.add_argument("--contexts", type=int, default=1000)
    parser.add_argument("--store", type=Path, default=Path("store"))
    return parser.parse_args()


def contexts(texts: Sequence[str], count: int) -> list[tuple[str, str]]:
    """Beginnings of lines, cut behind a word; and the first letters of the word behind, or "".

    They are distinct, and as many as asked for, if there are so many words.
    """
    generator = random.Random(0)
    lines = [line.split() for text in texts for line in text.splitlines() if SPACE not in line]
    lines = [words for words in lines if len(words) > 1]
    found = dict[str, str]()
    for _ in range(20 * count):
        words = generator.choice(lines)
        end = generator.randrange(1, min(len(words), MOST_WORDS))
        typed = regex.match(rf"[a-z]{{1,{TYPED_LETTERS}}}", words[end].lower())
        found.setdefault(" ".join(words[:end]), typed[0] if typed else "")
        if len(found) == count:
            break
    return [*found.items()]


@torch.inference_mode()
def compared(
    model: LanguageModel,
    asked: argparse.Namespace,
    found: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    """How many answers are equal."""
    decoder, tokenizer = model.decoder, model.tokenizer
    assert isinstance(decoder, Decoder), "a keyboard's file is made of one of ours"
    for matrix in decoder.parameters():
        if matrix.ndim > 1:
            matrix.copy_(matrix.half().float())
    texts = [text for text, _ in found]
    questions = [(text, typed) for text, typed in found if typed]
    is_correcting = features_of(model) == CORRECTION
    beam = Beam(tokenizer, corrects=is_correcting)
    theirs = answers_of(asked.driver, asked.file, texts)
    ours = [answer(beam, model, Ours(decoder), text) for text in texts]
    rows = Rows(lambda ids: decoder.logits(torch.tensor([ids]))[0, -1].float().numpy())
    whole = [answer(beam, model, rows, text) for text in texts]
    with LlamaCpp(asked.file, context=decoder.config.context) as engine:
        rows = Rows(lambda ids: engine.logits(ids)[-1])
        llama = [answer(beam, model, rows, text) for text in texts]
    lines = [f"{text}\t{typed}" for text, typed in questions]
    typed_theirs = answers_of(asked.driver, asked.file, lines)
    said: dict[str, Any] = {
        "contexts": len(texts),
        "keyboard": differences(texts, theirs, ours),
        "keyboard, its second slip not repeated": differences(texts, theirs, whole),
        "llama.cpp": differences(texts, llama, whole),
        "half typed words": len(lines),
        "answered": len(typed_theirs),
    }
    if is_correcting:
        typed_ours = [answer(beam, model, Ours(decoder), *each) for each in questions]
        said["corrections"] = differences(lines, typed_theirs, typed_ours)
    return said


def answers_of(driver: Path, file: Path, lines: Sequence[str]) -> list[Answer]:
    """What the keyboard's own C++ says. Fails if it does."""
    text = "".join(f"{line}\n" for line in lines)
    command = [str(driver.resolve()), str(file)]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    found = list[Answer]()
    for line in done.stdout.splitlines():
        ids, *cells = line.split("\t")
        words = [(float(cells[n]), cells[n + 1]) for n in range(0, len(cells), 2)]
        found.append(([int(each) for each in ids.split()], words))
    return found


def answer(beam: Beam, model: LanguageModel, engine: Engine, text: str, typed: str = "") -> Answer:
    """The ids of a text with a blank behind it, and the words that the rule finds."""
    ids = model.tokenizer.encode(text.strip(BLANKS) + " ")
    row = [NAMES.index(START), *ids]
    if typed:
        keys = [NAMES.index(KEYS[0]) + ord(letter) - ord("a") for letter in typed]
        row += [NAMES.index(TYPED), *keys, NAMES.index(WRITTEN)]
    return ids, beam.words(engine, row, may_end=bool(typed))


def differences(
    lines: Sequence[str], one: Sequence[Answer], two: Sequence[Answer]
) -> dict[str, Any]:
    """How many ids and words are equal, and where they are not.

    scores apart: by what factor, less 1, the scores of equal words differ at most.
    """
    ids, words, farthest = 0, 0, 0.0
    examples: list[Any] = []
    for line, (left_ids, left), (right_ids, right) in zip(lines, one, two, strict=True):
        ids += left_ids == right_ids
        ranked = [sorted(each, reverse=True) for each in (left, right)]
        if [word for _, word in ranked[0]] == [word for _, word in ranked[1]]:
            words += 1
            pairs = [(a, b) for (a, _), (b, _) in zip(*ranked, strict=True)]
            farthest = max([farthest, *(max(a / b, b / a) - 1 for a, b in pairs)])
        else:
            examples.append([line, *ranked])
    said = {"equal ids": ids, "equal words": words, "scores apart": round(farthest, 5)}
    return said | {"examples": examples}


if __name__ == "__main__":
    main()
