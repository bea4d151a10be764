"""Khmer for a small English model: replay, a new vocabulary, and both losses.

    python benchmarks/continued.py [--parts bilingual …] [--vocabularies kept …] [--seeds 1 2]

* bilingual: a model from nothing that reads Khmer and English 60 : 40 by tokens. The cell holds
  what the journal says was read, at every hundredth.
* vocabulary: an English model goes on with Khmer. Arms differ in the share of English that is
  replayed (0, 10, 30 %) and in the vocabulary: kept, extended by 2,000 Khmer pieces, or replaced
  by a new one of 4,096.
* nothing: a model of the same shape that begins from nothing and reads as many tokens of Khmer
  alone, with a Khmer vocabulary of 4,096.
* rates: the same as vocabulary, extended and with 10 % of English, at other learning rates.

All of them share one corpus, so the same held-out sentences judge, each language on its own, in
bits per byte; before is the English model by its own tokenizer. Arms read the same number of
tokens (a step with more ids costs a quarter more); with a vocabulary for Khmer these are more
bytes. Budgets are tokens, so other work beside it changes no figure but seconds. Resumable;
results: benchmarks/results/continued.json.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from cells import RESULTS, ROOT, Cell, Cells
from curricula import phase_cell
from pages import markdown
from runs import bits_rows, endonym, last_json, manifest

from endonym.log import read_jsonl

HEAD = """language = "km"
[[source]]
name = "km"
path = "km.txt"
document = "line"
repeatable = true
[[source]]
name = "en"
path = "en.txt"
document = "line"
repeatable = true
[clean]
normalize = ["nfc", "spaces"]
dedup = ["exact"]
[split]
val_share = 0.03
[pack]
context = 256
[[evaluate]]
kind = "bits"
baselines = false
"""
SHAPE = """[model]
dim = 96
layers = 4
dropout = 0.0
"""
PHASE: dict[str, Any] = {
    "batch_tokens": 2048,
    "optimizer": "adamw",
    "weight_decay": 0.1,
    "warmup_steps": 20,
    "keep": "last",
    "number_format": "fp32",
    "compile": "off",
    "eval_every_steps": 1000,
}
FROM_NOTHING = {"lr": 3e-3, "embedding_lr": 24e-3}
BASE_TOKENS, BILINGUAL_TOKENS, MORE_TOKENS = 1_000_000, 1_000_000, 150_000
BILINGUAL_CONTEXT = 128
"""A hundredth of the run has 78 rows of one language or the other, so that shares can be exact."""
LR, TABLES = 1e-3, 4
REPLAYS = (0.0, 0.1, 0.3)
VOCABULARIES = {
    "kept": "",
    "extended": "[tokenizer]\nextend = 2000\nsources = {km = 1.0}\n",
    "replaced": "[tokenizer]\nvocab = 4096\nsources = {km = 0.6, en = 0.4}\n",
}
NOTHING = "from nothing"
RATES = ((3e-4, 1), (3e-4, 4), (1e-3, 1), (3e-3, 1), (3e-3, 4))
"""Learning rate, and how many times that of the embedding is."""
PARTS = ("bilingual", "vocabulary", "nothing", "rates")
RESULT = RESULTS / "continued.json"


def main() -> None:
    """Run the cells asked for and print the tables."""
    asked = arguments()
    cells = Cells(asked.results)
    write_texts(asked.texts, asked.work)
    for key, name, recipe in cells_of(asked):
        if key not in cells:
            if 'folder = "runs/base"' in recipe:
                base(asked.work)
            cells.keep(key, cell(name, recipe, asked.work))
        print(key, {each: round(cells[key]["bits"][each], 4) for each in ("km", "en")}, flush=True)
    print(vocabulary_table(cells), rates_table(cells), bilingual_table(cells), sep="\n")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    names = list(VOCABULARIES)
    parser.add_argument("--vocabularies", nargs="+", choices=names, default=names)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "continued")
    parser.add_argument("--results", type=Path, default=RESULT)
    return parser.parse_args()


def write_texts(texts: Path, work: Path) -> None:
    """Khmer and English, a sentence or a paragraph a line."""
    if (work / "en.txt").exists():
        return
    work.mkdir(parents=True, exist_ok=True)
    names = ("wikipedia_paragraphs", "tico19_sentences", "wiki_flores1_devtest")
    khmer = [(texts / "km" / f"{name}.txt").read_text(encoding="utf-8") for name in names]
    (work / "km.txt").write_text("".join(khmer), encoding="utf-8")
    stories = (texts / "en" / "pratham_storybooks.jsonl").read_text(encoding="utf-8").split("\n")
    english = (texts / "en" / "common_voice_sentences.txt").read_text(encoding="utf-8").split("\n")
    english += [
        line for story in stories if story for line in json.loads(story)["text"].split("\n")
    ]
    (work / "en.txt").write_text("\n".join(english) + "\n", encoding="utf-8")


def cells_of(asked: argparse.Namespace) -> list[tuple[str, str, str]]:
    """The key of each cell, the name of its run, and its recipe."""
    found: list[tuple[str, str, str]] = []
    for seed in asked.seeds:
        if "bilingual" in asked.parts:
            tokenizer = "[tokenizer]\nvocab = 4096\nsources = {km = 0.6, en = 0.4}\n"
            phase = FROM_NOTHING | {"tokens": BILINGUAL_TOKENS}
            head = HEAD.replace("context = 256", f"context = {BILINGUAL_CONTEXT}")
            text = head + tokenizer + SHAPE + phase_text({"km": 0.6, "en": 0.4}, phase)
            found.append((f"bilingual · seed {seed}", f"bilingual-{seed}", seeded(text, seed)))
    arms = [(name, replay) for name in asked.vocabularies for replay in REPLAYS]
    for seed in asked.seeds:
        for name, replay in arms if "vocabulary" in asked.parts else ():
            text = continued(name, replay, LR, TABLES)
            key = f"{name} · {replay:.0%} · seed {seed}"
            found.append((key, f"{name}-{round(100 * replay)}-{seed}", seeded(text, seed)))
    for seed in asked.seeds if "nothing" in asked.parts else ():
        tokenizer = "[tokenizer]\nvocab = 4096\nsources = {km = 1.0}\n"
        phase = phase_text({"km": 1.0}, FROM_NOTHING | {"tokens": MORE_TOKENS})
        text = seeded(HEAD + tokenizer + SHAPE + phase, seed)
        found.append((f"{NOTHING} · seed {seed}", f"nothing-{seed}", text))
    for lr, times in RATES if "rates" in asked.parts else ():
        text = seeded(continued("extended", 0.1, lr, times), 1)
        found.append((f"rate {lr:g} · {times} · seed 1", f"rate-{lr:g}-{times}", text))
    return found


def continued(vocabulary: str, replay: float, lr: float, times: float) -> str:
    """The recipe that goes on from the English model."""
    shares = {"km": 1.0} if not replay else {"km": round(1 - replay, 6), "en": replay}
    phase = {"lr": lr, "embedding_lr": lr * times, "tokens": MORE_TOKENS}
    model = '[model]\nfolder = "runs/base"\n'
    return HEAD + VOCABULARIES[vocabulary] + model + phase_text(shares, phase)


def phase_text(shares: dict[str, float], keys: dict[str, Any]) -> str:
    """A phase that reads the sources by these shares of tokens."""
    inside = ", ".join(f"{source} = {share}" for source, share in shares.items())
    lines = ["[[phase]]", 'name = "only"', f"sources = {{ {inside} }}"]
    return "\n".join([*lines, *(f"{k} = {json.dumps(v)}" for k, v in {**PHASE, **keys}.items())])


def seeded(text: str, seed: int) -> str:
    """The recipe with its seed of training; the split stays."""
    return f"seed = {seed}\n{text}"


def base(work: Path) -> None:
    """The English model that the arms go on from."""
    phase = FROM_NOTHING | {"tokens": BASE_TOKENS}
    tokenizer = "[tokenizer]\nvocab = 2048\nsources = {en = 1.0}\n"
    run("base", seeded(HEAD + tokenizer + SHAPE + phase_text({"en": 1.0}, phase), 1), work)


def run(name: str, recipe: str, work: Path) -> dict[str, Any]:
    """What `run --json` says of a recipe."""
    (work / f"{name}.toml").write_text(f'name = "{name}"\n{recipe}', encoding="utf-8")
    return last_json(endonym(work, "run", f"{name}.toml", "--json", "-q", threads=1))


def cell(name: str, recipe: str, work: Path) -> Cell:
    """Train one model and judge it."""
    finished = run(name, recipe, work)
    store, stages = work / "store", {each["name"].split()[0]: each for each in finished["stages"]}
    rows = [row for row in bits_rows(finished["scores"]) if row["text"] == "document"]
    by_model = {
        model: {row["source"]: row["value"] for row in rows if row["model"] == model}
        for model in ("model", "before")
    }
    lines = read_jsonl(store / "journal" / f"model-{stages['model']['id']}.jsonl")
    first = next(line for line in lines if "dev_bits_per_byte" in line)
    start = {k.partition("/")[2]: v for k, v in first.items() if k.startswith("dev_bits_per_byte/")}
    fit = manifest(store, stages["tokenizer"])["numbers"]["held_out"]
    phase = phase_cell(store, stages["model"])
    per_token = {each: fit["sources"][each]["bytes_per_token"] for each in ("km", "en")}
    return {
        "bits": {each: by_model["model"][each] for each in ("km", "en")},
        "before": {k: v for k, v in by_model["before"].items() if k},
        "step 0, dev": start,
        "bytes_per_token": per_token,
        "bytes_per_token_before": {
            each: row["bytes_per_token"]
            for each, row in fit.get("before", {}).get("sources", {}).items()
        },
        "read_bytes": {k: round(v * per_token[k]) for k, v in phase["read_tokens"].items()},
        "scores": [row for row in rows if row["model"] == "model"],
        **phase,
    }


def mean(cells: Cells, key: str, figure: str, language: str) -> list[float]:
    """A figure of an arm for each seed, the first one first."""
    keys = sorted(each for each in cells if each.startswith(f"{key} · seed "))
    return [cells[each][figure][language] for each in keys]


def both(values: list[float]) -> str:
    """The mean of some seeds, and how far they lie apart."""
    if not values:
        return "–"
    middle = sum(values) / len(values)
    spread = f" ± {(max(values) - min(values)) / 2:.3f}" if len(values) > 1 else ""
    return f"{middle:.3f}{spread}"


def vocabulary_table(cells: Cells) -> str:
    """Both losses by vocabulary and replay."""
    head = ["vocabulary", "English replayed", "Khmer", "English", "bytes a token, Khmer"]
    head += ["Khmer read, kB"]
    rows: list[list[str]] = []
    first = next((key for key in cells if key.startswith("kept")), None)
    if first is not None:
        before, per_token = cells[first]["before"], cells[first]["bytes_per_token"]["km"]
        rows.append(
            ["before", "", f"{before['km']:.3f}", f"{before['en']:.3f}", f"{per_token:.2f}", ""]
        )
    for name in VOCABULARIES:
        for replay in REPLAYS:
            arm = f"{name} · {replay:.0%}"
            if not (fits := mean(cells, arm, "bytes_per_token", "km")):
                continue
            read = mean(cells, arm, "read_bytes", "km")
            bits = [both(mean(cells, arm, "bits", each)) for each in ("km", "en")]
            kilobytes = f"{sum(read) / len(read) / 1000:.0f}"
            rows.append([name, f"{replay:.0%}", *bits, f"{fits[0]:.2f}", kilobytes])
    if fits := mean(cells, NOTHING, "bytes_per_token", "km"):
        read = mean(cells, NOTHING, "read_bytes", "km")
        bits = [both(mean(cells, NOTHING, "bits", each)) for each in ("km", "en")]
        kilobytes = f"{sum(read) / len(read) / 1000:.0f}"
        rows.append([NOTHING, "", *bits, f"{fits[0]:.2f}", kilobytes])
    return markdown(head, rows, labels=2)


def rates_table(cells: Cells) -> str:
    """Both losses by learning rate, extended and with 10 % of English."""
    found = {key: cells[key] for key in cells if key.startswith("rate ")}
    usual = f"extended · {0.1:.0%} · seed 1"
    if usual in cells:
        found[f"rate {LR:g} · {TABLES} · seed 1"] = cells[usual]
    rows: list[list[str]] = []
    for key in sorted(found, key=lambda each: [float(x) for x in each[5:].split(" · ")[:2]]):
        lr, times, _ = key.removeprefix("rate ").split(" · ")
        bits = found[key]["bits"]
        rows.append([lr, times, f"{bits['km']:.3f}", f"{bits['en']:.3f}"])
    return markdown(["lr", "embedding_lr / lr", "Khmer", "English"], rows, labels=2)


def bilingual_table(cells: Cells) -> str:
    """What the journal says of the bilingual models."""
    rows: list[list[str]] = []
    for key in sorted(each for each in cells if each.startswith("bilingual")):
        one, read = cells[key], cells[key]["read_tokens"]
        share = 100 * read["km"] / sum(read.values())
        bits = [f"{one['bits'][each]:.3f}" for each in ("km", "en")]
        rows.append([key, f"{share:.2f} %", f"{100 * one['largest_deviation']:.2f} points", *bits])
    head = ["model", "Khmer of the tokens", "largest deviation at a hundredth", "Khmer", "English"]
    return markdown(head, rows)


TABLES_OF_PAGE = {
    "continued vocabulary": lambda: vocabulary_table(Cells(RESULT)),
    "continued rates": lambda: rates_table(Cells(RESULT)),
    "continued bilingual": lambda: bilingual_table(Cells(RESULT)),
}


if __name__ == "__main__":
    main()
