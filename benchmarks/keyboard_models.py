"""A keyboard's models from texts to the file, and how well they predict and correct.

    python benchmarks/keyboard_models.py --prepare [--languages ro tt] [--hours 0.17]
    python benchmarks/keyboard_models.py [--languages ro tt] [--split test]

--prepare writes texts of at most 3 MB, those of beyond_bits.py, and the recipe that
`endonym new --for keyboard` makes of them. A cell makes the model and its file, and judges it on
unseen text: key presses saved beside counted words (key_presses.py), and in Latin scripts how often
the first word is the one that was meant, of PLANTED typings of each kind, beside a dictionary
(endonym/evaluate/autocorrection.py).

Settings were chosen on the dev text (--split dev), of which nothing is kept. Cells in
benchmarks/results/keyboard-models.json are skipped; --again adds a repeat.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import beyond_bits
import key_presses
from beyond_bits import NAMES, judged
from cells import RESULTS, ROOT, Cell, Cells
from pages import interval, markdown
from runs import costs_of, endonym, last_json, manifest

from endonym.commands.load import load_model, shards_of
from endonym.data.shards import TokenShards
from endonym.evaluate.autocorrection import (
    NO_SLIP,
    SLIPS,
    NearestWords,
    Typing,
    planted_typings,
    right_words,
)
from endonym.evaluate.bits import held_out_texts
from endonym.evaluate.neighbours import joined_texts
from endonym.generate.language_model import LanguageModel
from endonym.log import Log
from endonym.store import Store

HOURS = 1 / 6
PLANTED = 200
"""Typings of each of five kinds, and without a slip."""
SEEDS = {"test": 1, "dev": 2}
SHOWN = 40
"""Typings of the dev text that are shown."""


def main() -> None:
    """Prepare, or run the cells that are missing; print the tables."""
    asked = arguments()
    cells = Cells(asked.results)
    for language in asked.languages:
        if asked.prepare:
            prepare(language, asked)
        elif asked.split == "dev":
            print(json.dumps(corrections(language, asked), indent=1))
        elif language not in cells or asked.again:
            cells.keep(language, cell(language, asked))
    print(predictions(cells), corrected(cells), costs(cells), sep="\n")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--languages", nargs="+", choices=NAMES, default=["ro", "tt"])
    parser.add_argument("--prepare", action="store_true", help="write texts and recipes")
    parser.add_argument("--hours", type=float, default=HOURS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--split", choices=SEEDS, default="test")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "keyboard-models")
    parser.add_argument("--results", type=Path, default=RESULTS / "keyboard-models.json")
    parser.add_argument("--again", action="store_true")
    return parser.parse_args()


def prepare(language: str, asked: argparse.Namespace) -> None:
    """Write the texts of a language, and the recipe of `endonym new --for keyboard`."""
    texts = beyond_bits.write_texts(language, asked)
    given = ["--language", language, "--text", texts.absolute(), "--hours", asked.hours]
    endonym(asked.work, "new", language, *given, "--for", "keyboard", threads=asked.threads)


def cell(language: str, asked: argparse.Namespace) -> Cell:
    """Make the model of a language and its file, and judge it."""
    run = ("run", f"{language}/recipe.toml", "--json", "-q")
    finished = last_json(endonym(asked.work, *run, threads=asked.threads))
    export = next(each for each in finished["stages"] if each["name"] == "export keyboard")
    (file,) = (asked.work / "store").glob(f"export/{export['id']}/*.gguf")
    told = {
        "language": language,
        "file_bytes": file.stat().st_size,
        "typed": judged(asked.work, language, "--typing", threads=asked.threads),
    }
    costs = costs_of(asked.work, finished)
    numbers = [
        manifest(asked.work / "store", each)["numbers"]
        for each in finished["stages"]
        if each["name"].startswith("model ")
    ]
    costs["tokens"] = sum(each["tokens"] for each in numbers)
    return costs | told | corrections(language, asked)


def corrections(language: str, asked: argparse.Namespace) -> dict[str, Any]:
    """How often the word that was meant is the first one; nothing for a model without keys."""
    store, log = Store(asked.work / "store"), Log(quiet=True)
    model = load_model(str(asked.work / language), store, "cpu", log)
    found = shards_of(str(asked.work / language), store)
    assert found is not None, "the run is in this store"
    train, judged = (TokenShards(found[0], split) for split in ("train", asked.split))
    recipe = (asked.work / language / "recipe.toml").read_text(encoding="utf-8")
    if 'objective = "autocorrect"' not in recipe:
        return {}
    texts = [*held_out_texts(judged, model.tokenizer).each()]
    typings = planted_typings(texts, PLANTED, SEEDS[asked.split])
    nearest = NearestWords(joined_texts(train, model.tokenizer))
    every = {"dictionary": nearest, "model": lambda *given: first_word(model, *given)}
    seconds, rows = dict[str, float](), dict[str, Any]()
    for name, correct in every.items():
        started = time.perf_counter()
        shares = right_words(typings, correct)
        seconds[name] = (time.perf_counter() - started) / len(typings)
        rows[name] = {kind: [x.value, x.low, x.high] for kind, x in shares.items()}
    if asked.split == "dev":
        print(*(in_words(model, each) for each in typings[:SHOWN]), sep="\n")
    return {"corrected": rows, "correct_seconds": seconds, "typings": len(typings)}


def first_word(model: LanguageModel, context: str, keys: str) -> str:
    """The first word that a model gives; nothing if it gives none."""
    return next((each.word for each in model.correct(context, keys, 1)), "")


def in_words(model: LanguageModel, typing: Typing) -> str:
    """What was typed, what the model gave, and what was meant."""
    given = first_word(model, typing.context, typing.keys)
    return f"{typing.context[-30:]}|{typing.keys} ({typing.kind}): {given}, meant is {typing.word}"


def predictions(cells: Cells) -> str:
    """Key presses saved."""
    return key_presses.saved(cells)


def corrected(cells: Cells) -> str:
    """The share of typings whose word is the first one, by kind."""
    kinds = ("slips", *SLIPS, NO_SLIP)
    rows = [
        [NAMES[language], name, *(interval(*(100 * x for x in found[kind]), 1) for kind in kinds)]
        for language in NAMES
        if language in cells
        for name, found in cells[language].get("corrected", {}).items()
    ]
    heads = ["all slips", *SLIPS, "no slip"]
    return markdown(["text", "word by", *(f"{each}, %" for each in heads)], rows, labels=2)


def costs(cells: Cells) -> str:
    """What each model took, and how large it is."""
    rows = list[list[str]]()
    for language in (each for each in NAMES if each in cells):
        found = cells[language]
        sizes = [found[key] / 1e6 for key in ("parameters", "file_bytes", "tokens")]
        minutes = f"{found['step_seconds'] / 60:.0f}"
        rows.append([NAMES[language], *(f"{each:.1f}" for each in sizes), minutes])
    heads = ["M parameters", "MB of the file", "M tokens trained on", "training, min"]
    return markdown(["text", *heads], rows)


TABLES_OF_PAGE = {
    "keyboard predictions": lambda: predictions(Cells(RESULTS / "keyboard-models.json")),
    "keyboard corrections": lambda: corrected(Cells(RESULTS / "keyboard-models.json")),
    "keyboard costs": lambda: costs(Cells(RESULTS / "keyboard-models.json")),
}

if __name__ == "__main__":
    main()
