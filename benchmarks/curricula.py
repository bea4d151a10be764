"""What order and learning rate do for a curriculum: web text, then novels, in Romanian.

    python benchmarks/curricula.py [--arms constant zero …] [--seeds 1 2 3] [--texts FOLDER]

"Web" is sentences and made fables, books are novels; eight other novels judge, in bits per byte.
Every arm reads the same tokens of both: web text once, then 90 % books and 10 % web. Arms differ in
the order and in the learning rate:

* shuffled: everything in one phase, by the same shares in all; linear to zero.
* zero: web text with a rate that falls to zero; then the books, from the peak down to zero.
* floor: web text down to 30 % of the peak; the books go on from there.
* constant: web text at the peak; the books go on from there, down to zero.
* average: as constant; the books stop at 30 % of the peak, and the last weights are averaged.

In every arm each phase begins with some steps of warm-up. A cell holds the scores, and from the
journal what each hundredth of each phase has read. Budgets are tokens, so other work beside it
changes no figure but seconds. Resumable; results: benchmarks/results/curricula.json.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from cells import RESULTS, ROOT, Cell, Cells
from judging import difference, judged
from pages import markdown
from runs import Row, endonym, last_json, manifest, row_of

from endonym.cleaning.rules import normalizer
from endonym.evaluate.bits import Texts
from endonym.formats.config import Clean
from endonym.generate.language_model import LanguageModel
from endonym.log import read_jsonl
from endonym.report.training import largest_deviation, slices

LR, BOOK_SHARE = 3e-3, 0.9
ARMS: dict[str, list[dict[str, Any]]] = {
    "shuffled": [{"schedule": "linear"}],
    "zero": [{"schedule": "linear"}, {"schedule": "linear"}],
    "floor": [{"schedule": "linear", "final_lr": 0.3}, {"schedule": "linear", "lr": 0.3 * LR}],
    "constant": [{"schedule": "constant"}, {"schedule": "linear"}],
    "average": [
        {"schedule": "constant"},
        {"schedule": "linear", "final_lr": 0.3, "keep": "average"},
    ],
}
WEB_TOKENS, BOOK_TOKENS = 700_000, 700_000
BOOKS, JUDGES, PIECES, PIECE_CHARS = 2_600_000, 8, 5, 6_000
"""Letters of novels to train on; novels that judge, documents of each, and their length."""
NORMALIZE = ("nfc", "romanian_commas", "spaces")
HEAD = f"""name = "curricula"
language = "ro"
[[source]]
name = "web"
path = "web.txt"
repeatable = true
document = "line"
[[source]]
name = "books"
path = "books.jsonl"
repeatable = true
[clean]
normalize = {json.dumps(NORMALIZE)}
dedup = ["exact"]
[tokenizer]
vocab = 2048
[pack]
context = 256
[model]
dim = 128
layers = 4
mixer.heads = 2
dropout = 0.0
"""
USUAL = {
    "batch_tokens": 2048,
    "lr": LR,
    "warmup_steps": 20,
    "optimizer": "adamw",
    "weight_decay": 0.1,
    "keep": "last",
    "number_format": "fp32",
    "compile": "off",
    "eval_every_steps": 1000,
}
RESULT = RESULTS / "curricula.json"


def main() -> None:
    """Run the cells asked for and print the table."""
    asked = arguments()
    cells = Cells(asked.results)
    write_texts(asked.texts, asked.work)
    for seed in asked.seeds:
        for arm in asked.arms:
            key = f"{arm} · seed {seed}"
            if key not in cells:
                cells.keep(key, cell(arm, seed, asked.work))
            print(key, headline(cells[key])["value"], flush=True)
    compare(cells, asked.work)
    print(table(cells))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data" / "ro")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "curricula")
    parser.add_argument("--results", type=Path, default=RESULT)
    return parser.parse_args()


def write_texts(texts: Path, work: Path) -> None:
    """Web text, books, and the documents that judge."""
    if (work / "judges.jsonl").exists():
        return
    work.mkdir(parents=True, exist_ok=True)
    lines = [
        line
        for name in ("common_voice", "ronec", "tatoeba")
        for line in (texts / f"{name}_sentences.txt").read_text(encoding="utf-8").splitlines()
    ]
    fables = (texts / "tinyfabulist_fables.jsonl").read_text(encoding="utf-8").splitlines()
    lines += [json.loads(fable)["text"].replace("\n", " ") for fable in fables]
    (work / "web.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    packed = (texts / "eltec_rom_novels.jsonl.zst").read_bytes()
    read = zstandard.ZstdDecompressor().stream_reader(packed).read().decode()
    novels = [json.loads(line)["text"] for line in read.splitlines()]
    judges = novels[:: len(novels) // JUDGES][:JUDGES]
    books, left = list[str](), BOOKS
    for novel in novels:
        if novel not in judges and left > 0:
            books.append(novel)
            left -= len(novel)
    as_lines(work / "books.jsonl", books)
    normalized = normalizer(Clean(normalize=NORMALIZE))
    judges = [normalized(novel) for novel in judges]
    cut = [novel[n * PIECE_CHARS :][:PIECE_CHARS] for novel in judges for n in range(1, PIECES + 1)]
    as_lines(work / "judges.jsonl", cut)


def as_lines(path: Path, texts: list[str]) -> None:
    """Write texts as JSON lines."""
    lines = "".join(json.dumps({"text": each}, ensure_ascii=False) + "\n" for each in texts)
    path.write_text(lines, encoding="utf-8")


def recipe(arm: str, seed: int) -> str:
    """The recipe of one arm, in TOML."""
    books = round(BOOK_TOKENS * BOOK_SHARE)
    everything = WEB_TOKENS + BOOK_TOKENS
    phases = {
        "web": ({"web": 1.0}, WEB_TOKENS),
        "books": ({"books": BOOK_SHARE, "web": round(1 - BOOK_SHARE, 6)}, BOOK_TOKENS),
    }
    if len(ARMS[arm]) == 1:
        shares = {"web": 1 - books / everything, "books": books / everything}
        phases = {"shuffled": (shares, everything)}
    text = [HEAD.replace("[[source]]", f"seed = {seed}\n[[source]]", 1)]
    for (name, (shares, tokens)), own in zip(phases.items(), ARMS[arm], strict=True):
        keys = {**USUAL, **own, "tokens": tokens}
        keys["embedding_lr"] = 4 * keys["lr"]
        inside = ", ".join(f"{source} = {share}" for source, share in shares.items())
        text += ["[[phase]]", f'name = "{name}"', f"sources = {{ {inside} }}"]
        text += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join(text)


def cell(arm: str, seed: int, work: Path) -> Cell:
    """Train one model and judge it."""
    name = f"{arm}-{seed}"
    (work / f"{name}.toml").write_text(recipe(arm, seed), encoding="utf-8")
    said = endonym(work, "run", f"{name}.toml", "--set", f"name={name}", "--json", "-q")
    stages = [each for each in last_json(said)["stages"] if each["name"].startswith("model ")]
    store = work / "store"
    model = LanguageModel.load(next(store.glob(f"model/{stages[-1]['id']}*")))
    rows = (work / "judges.jsonl").read_text(encoding="utf-8").splitlines()
    ids = model.tokenizer.encode_many([json.loads(row)["text"] for row in rows])
    texts = Texts(ids, ["novels"] * len(ids), model.tokenizer)
    return {
        "scores": judged(model.decoder, texts, "novels", work / f"{name}.npy"),
        "phases": [phase_cell(store, stage) for stage in stages],
    }


def phase_cell(store: Path, stage: dict[str, Any]) -> dict[str, Any]:
    """What a phase has read by its journal, and how long it took."""
    lines = read_jsonl(store / "journal" / f"model-{stage['id']}.jsonl")
    steps = [line for line in lines if line.get("event") == "step"]
    config = manifest(store, stage)["config"]["phase"]
    planned = {each["name"]: each["share"] for each in config["sources"]}
    read = {key: value for key, value in steps[-1].items() if key.startswith("read_tokens/")}
    return {
        "name": stage["name"].removeprefix("model "),
        "planned": planned,
        "read_tokens": {key.removeprefix("read_tokens/"): value for key, value in read.items()},
        "largest_deviation": largest_deviation(slices(steps), planned),
        "seconds": round(sum(line.get("seconds", 0.0) for line in steps), 1),
    }


def headline(cell: Cell) -> Row:
    """The score of all documents together."""
    found = row_of(cell["scores"], split=None)
    assert found is not None
    return found


def compare(cells: Cells, work: Path) -> None:
    """Set what each text cost beside what it cost the model of shuffled text, seed by seed."""
    for key in cells:
        arm, _, seed = key.partition(" · seed ")
        found = difference(work / f"{arm}-{seed}.npy", work / f"shuffled-{seed}.npy")
        if arm != "shuffled" and found:
            cells[key]["beside"] = found
    cells.write()


def table(cells: Cells) -> str:
    """The arms by their mean over seeds, with the difference from shuffled text.

    The interval begins where the lowest of the seeds' paired ones does, and ends with the highest.
    """
    rows: list[list[str]] = []
    for arm in ARMS:
        keys = [key for key in cells if key.startswith(f"{arm} ")]
        if not keys:
            continue
        bits = [headline(cells[key])["value"] for key in keys]
        gaps = [cells[key]["beside"] for key in keys if "beside" in cells[key]]
        worst = max(each["largest_deviation"] for key in keys for each in cells[key]["phases"])
        gap, span = "", ""
        if gaps:
            low, high = min(each["low"] for each in gaps), max(each["high"] for each in gaps)
            gap = f"{np.mean([each['value'] for each in gaps]):+.3f}"
            span = f"{low:+.3f} to {high:+.3f}"
        each = " ".join(f"{value:.3f}" for value in bits)
        rows.append([arm, f"{np.mean(bits):.3f}", each, gap, span, f"{100 * worst:.2f}"])
    head = ["arm", "bits per byte", "each seed", "less shuffled", "paired 95 %", "largest error"]
    return markdown(head, rows)


TABLES_OF_PAGE = {"curricula": lambda: table(Cells(RESULT))}


if __name__ == "__main__":
    main()
