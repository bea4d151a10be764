"""A curriculum of two phases: made French fables, then verse, by characters and by bpe.

    python benchmarks/fables_fr.py [--variants char bpe] [--texts FOLDER]

The recipe is recipes/fables-fr.toml with a smaller model and fewer steps. A cell holds the dev loss
of both phases by step, the step that was kept, the scores on test text by source, and the samples
that were written while training. The reports with curves lie in the work folder. Resumable;
results: benchmarks/results/fables-fr.json.
"""

import argparse
import shutil
from pathlib import Path
from typing import Any

from cells import RESULTS, ROOT, Cell, Cells
from pages import markdown
from runs import endonym, last_json, manifest, sets_of

from endonym.demo.grammar import fables
from endonym.log import read_jsonl

SMALL = {
    "model.dim": 128,
    "model.layers": 4,
    "model.mixer.heads": 4,
    "model.ffn.experts": 4,
    "model.ffn.hidden": 192,
    "model.dropout": 0.1,
    "pack.context": 256,
    "phase.0.batch_tokens": 2048,
    "phase.1.batch_tokens": 2048,
    "phase.0.steps": 400,
    "phase.1.steps": 400,
    "phase.0.lr": 3e-3,
    "phase.1.lr": 1e-3,
}
MADE, SEED = 3000, 7
VERSE = ("lafontaine_fables.txt", "baudelaire_fleurs_du_mal.txt")
RESULT = RESULTS / "fables-fr.json"


def main() -> None:
    """Run the cells asked for and print the table."""
    asked = arguments()
    cells = Cells(asked.results)
    recipe = placed(asked.texts, asked.work)
    for variant in asked.variants:
        if variant not in cells:
            cells.keep(variant, cell(variant, recipe))
    print(table(cells))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data" / "fr")
    parser.add_argument("--variants", nargs="+", choices=["char", "bpe"], default=["char", "bpe"])
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "fables-fr")
    parser.add_argument("--results", type=Path, default=RESULT)
    return parser.parse_args()


def placed(texts: Path, work: Path) -> Path:
    """The recipe in the work folder, with its prompts and both texts."""
    (work / "data").mkdir(parents=True, exist_ok=True)
    (work / "prompts").mkdir(exist_ok=True)
    for name in ("fables-fr.toml", "prompts/fables-fr.txt"):
        shutil.copy(ROOT / "recipes" / name, work / name)
    made = "\n\n".join(fables(MADE, seed=SEED))
    (work / "data" / "made-fables.txt").write_text(made + "\n", encoding="utf-8")
    verse = "\n\n\n".join((texts / name).read_text(encoding="utf-8") for name in VERSE)
    (work / "data" / "verse.txt").write_text(verse, encoding="utf-8")
    return work / "fables-fr.toml"


def cell(variant: str, recipe: Path) -> Cell:
    """Train both phases, and read what the journals and the evaluation say."""
    words = ("--variant", "bpe") if variant == "bpe" else ()
    said = endonym(recipe.parent, "run", recipe.name, *words, *sets_of(SMALL), "--json", "-q")
    finished = last_json(said)
    store = recipe.parent / "store"
    models = [each for each in finished["stages"] if each["name"].startswith("model ")]
    wanted = ("metric", "source", "value", "low", "high", "model", "split")
    return {
        "phases": [phase_cell(store, stage) for stage in models],
        "scores": [
            {key: score[key] for key in wanted}
            for score in finished["scores"]
            if score["metric"] == "bits_per_byte"
        ],
    }


def phase_cell(store: Path, stage: dict[str, Any]) -> dict[str, Any]:
    """Dev loss by step, the step that was kept, what was read, and the last samples."""
    lines = read_jsonl(store / "journal" / f"model-{stage['id']}.jsonl")
    steps = [line for line in lines if line.get("event") == "step"]
    samples = [line for line in lines if line.get("event") == "sample"]
    dev = {s["step"]: round(s["dev_bits_per_byte"], 4) for s in steps if "dev_nats" in s}
    read = {k: v for k, v in steps[-1].items() if k.startswith("read_tokens/")}
    return {
        "name": stage["name"].removeprefix("model "),
        "dev_bits_per_byte": dev,
        "kept_step": manifest(store, stage)["numbers"]["kept_step"],
        "read_tokens": {key.removeprefix("read_tokens/"): value for key, value in read.items()},
        "samples": [line["text"] for line in samples if line["step"] == samples[-1]["step"]],
    }


def table(cells: Cells) -> str:
    """Both phases of each variant: dev loss before, best and last, and what was kept."""
    rows: list[list[str]] = []
    for variant in cells:
        for phase in cells[variant]["phases"]:
            dev = phase["dev_bits_per_byte"]
            values = list(dev.values())
            kept = f"step {phase['kept_step']} of {max(map(int, dev))}"
            shown = [f"{value:.3f}" for value in (values[0], min(values), values[-1])]
            rows.append([variant, phase["name"], *shown, kept])
    head = ["tokenizer", "phase", "dev before", "best", "last", "kept"]
    return markdown(head, rows, labels=2)


TABLES_OF_PAGE = {"fables-fr": lambda: table(Cells(RESULT))}


if __name__ == "__main__":
    main()
