"""What cleaning buys: the same model on raw and on cleaned text, bits per byte on clean text.

    python benchmarks/cleaning.py [--languages tt ro] [--seeds 1 2] [--tokens 600000]

The raw text is made by dirty_web.py. The recipe is what `endonym new` writes for it, with a fixed
shape, vocabulary and number of tokens; a cell is a language, a seed and whether `[clean]` is as
written (cleaned) or missing (raw). Without [clean], too, endonym leaves out pages of mojibake, so
both arms allow any share of these (`max_unreadable = 1`). Each arm trains its tokenizer on its own
text: bits per byte do not depend on it. Both are judged on clean pages that share no line and no
eight words in a row with the raw text, and on FLORES sentences. Intervals are bootstraps over
pages. Budgets are tokens, so other work beside it changes no figure but seconds. Resumable;
results: benchmarks/results/cleaning.json.
"""

import argparse
import json
import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from cells import RESULTS, ROOT, Cell, Cells
from dirty_web import web
from judging import difference, judged
from pages import interval, markdown
from readme_page import NAMES
from runs import Row, endonym, last_json, manifest, row_of, sets_of, training_seconds

from endonym.evaluate.bits import Texts
from endonym.generate.language_model import LanguageModel
from endonym.tokenizer.tokenizer import Tokenizer

ARMS = ("raw", "cleaned")
SHAPE = {
    "model.dim": 128,
    "model.layers": 4,
    "model.mixer.heads": 2,
    "tokenizer.vocab": 2048,
    "pack.context": 256,
}
TEXTS = {"pages": "clean pages of the same kinds", "flores": "FLORES sentences"}
MOST_PAGES = 120
"""Held-out pages that judge: with more, reading takes longer than training."""
RESULT = RESULTS / "cleaning.json"


def main() -> None:
    """Run the cells asked for and print the table."""
    asked = arguments()
    cells = Cells(asked.results)
    for language in asked.languages:
        recipes = written(language, asked)
        for seed in asked.seeds:
            for arm in asked.arms:
                key = f"{language} · {arm} · seed {seed}"
                if key not in cells:
                    cells.keep(key, cell(recipes[arm], language, seed, asked))
                print(
                    key, {name: headline(cells[key], name)["value"] for name in TEXTS}, flush=True
                )
    compare(cells, asked.work / "nats")
    print(table(cells))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--languages", nargs="+", choices=["tt", "ro"], default=["tt", "ro"])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--tokens", type=int, default=600_000)
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "cleaning")
    parser.add_argument("--results", type=Path, default=RESULT)
    return parser.parse_args()


def compare(cells: Cells, nats: Path) -> None:
    """Set what each text cost the model of cleaned text beside what it cost that of raw text."""
    for key in (key for key in cells if " cleaned " in key and raw_key(key) in cells):
        one, other = cells[key], cells[raw_key(key)]
        pairs = {text: (nats / one["nats"][text], nats / other["nats"][text]) for text in TEXTS}
        found = {text: difference(*pair) for text, pair in pairs.items()}
        if all(found.values()):
            one["beside"] = found
    cells.write()


def raw_key(key: str) -> str:
    """The cell beside one of cleaned text."""
    return key.replace(" cleaned ", " raw ")


def written(language: str, asked: argparse.Namespace) -> dict[str, Path]:
    """The recipe that `new` writes for the raw text, and the same without its table [clean]."""
    folder = asked.work / language
    recipes = {"cleaned": folder / "recipe.toml", "raw": folder / "raw.toml"}
    if not recipes["raw"].exists():
        found = web(asked.texts, language)
        raw = asked.work / f"{language}-web" / "pages.jsonl"
        raw.parent.mkdir(parents=True, exist_ok=True)
        as_lines(raw, found.raw)
        thinned = found.held_out[:: -(-len(found.held_out) // MOST_PAGES)]
        as_lines(asked.work / f"{language}-held-out.jsonl", thinned)
        (asked.work / f"{language}-kinds.json").write_text(json.dumps(found.kinds))
        words = ("--language", language, "--text", raw.resolve(), "--hours", 0.1)
        endonym(asked.work, "new", language, *words)
        recipes["raw"].write_text(without_clean(recipes["cleaned"].read_text(encoding="utf-8")))
    return recipes


def as_lines(path: Path, texts: Sequence[str]) -> None:
    """Write texts as JSON lines."""
    lines = "".join(json.dumps({"text": each}, ensure_ascii=False) + "\n" for each in texts)
    path.write_text(lines, encoding="utf-8")


def without_clean(recipe: str) -> str:
    """A recipe without its table [clean]."""
    head, _, rest = recipe.partition("\n[clean]\n")
    return head + "\n[" + rest.partition("\n[")[2]


def cell(recipe: Path, language: str, seed: int, asked: argparse.Namespace) -> dict[str, Any]:
    """Train one model and judge it on all texts."""
    name = f"{language}-{recipe.stem}-{seed}"
    changes = SHAPE | {"name": name, "seed": seed, "phase.0.tokens": asked.tokens}
    changes |= {"phase.0.patience": "", "phase.0.keep": "last", "evaluate.0.baselines": False}
    changes |= {"phase.0.compile": "off", "phase.0.number_format": "fp32"}
    changes |= {"clean.max_unreadable": 1.0, "phase.0.eval_every_steps": 300}
    used = processor_seconds()
    words = (recipe.relative_to(asked.work), *sets_of(changes), "--until", "model")
    said = endonym(asked.work, "run", *words, "--workers", 1, "--json", "-q")
    used = processor_seconds() - used
    finished = last_json(said)
    stages = {stage["name"].split()[0]: stage for stage in finished["stages"]}
    store = asked.work / "store"
    model = LanguageModel.load(next(store.glob(f"model/{stages['model']['id']}*")))
    nats = asked.work / "nats"
    nats.mkdir(exist_ok=True)
    scores = dict[str, list[Row]]()
    for text, each in held_texts(language, model.tokenizer, asked).items():
        scores[text] = judged(model.decoder, each, text, nats / f"{name} {text}.npy")
    numbers = {kind: manifest(store, stages[kind])["numbers"] for kind in ("corpus", "model")}
    return {
        "scores": scores,
        "nats": {text: f"{name} {text}.npy" for text in TEXTS},
        "numbers": numbers,
        "processor_seconds": round(used, 1),
        "step_seconds": training_seconds(store, finished["stages"]),
        "kinds": json.loads((asked.work / f"{language}-kinds.json").read_text()),
    }


def processor_seconds() -> float:
    """Seconds of processors of all processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def held_texts(language: str, tokenizer: Tokenizer, asked: argparse.Namespace) -> dict[str, Texts]:
    """What judges: held-out pages, and FLORES sentences."""
    rows = {"pages": (asked.work / f"{language}-held-out.jsonl", "text")}
    rows["flores"] = (asked.texts / "parallel" / "flores200_devtest.jsonl", language)
    found: dict[str, Texts] = {}
    for name, (path, field) in rows.items():
        lines = path.read_text(encoding="utf-8").splitlines()
        texts = [json.loads(line)[field] for line in lines]
        found[name] = Texts(tokenizer.encode_many(texts), [name] * len(texts), tokenizer)
    return found


def headline(cell: Cell, text: str) -> Row:
    """The score of all documents of a text."""
    found = row_of(cell["scores"][text], split=None)
    assert found is not None
    return found


def table(cells: Cells) -> str:
    """Raw and cleaned side by side, with the paired difference, for each seed; and their means."""
    head = ["text", "judged by", "seed", "raw", "cleaned", "cleaned less raw, paired 95 %"]
    rows: list[list[str]] = []
    keys = [key for key in cells if "beside" in cells[key]]
    for language in dict.fromkeys(key.split()[0] for key in keys):
        for text, said in TEXTS.items():
            gaps: list[float] = []
            for key in (key for key in keys if key.startswith(language)):
                both = (headline(cells[each], text) for each in (raw_key(key), key))
                columns = [interval(each["value"], each["low"], each["high"]) for each in both]
                gap = cells[key]["beside"][text]
                gaps.append(gap["value"])
                span = f"{gap['value']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f})"
                rows.append([NAMES[language], said, key.rpartition(" ")[2], *columns, span])
            mean = f"{np.mean(gaps):+.3f}"
            rows.append([NAMES[language], said, "mean", "", "", mean])
    return markdown(head, rows, labels=2)


if __name__ == "__main__":
    main()
