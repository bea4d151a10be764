"""Probes of five-minute models: topics of SIB-200 in two languages, similarity of RO-STS.

`endonym evaluate --probe` fits a logistic or ridge regression on the hidden states of the model
("frozen"), next to tf-idf and the most frequent label. The models are those of five_minutes.py,
whose training texts hold none of these sentences.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from benchmark import MAKES_A_MODEL, TINY_TEXTS, Bench, Benchmark, Watch, main
from cells import Cell, Cells
from five_minutes import RO_STS, SIB, model_of, work_folder
from pages import interval, markdown
from runs import endonym, last_json

PROBES = {
    "SIB-200, Tatar": (SIB, "tt"),
    "SIB-200, Khmer": (SIB, "km"),
    "RO-STS, Romanian": (RO_STS, "ro"),
}


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """A cell for each probe."""
    if bench.tiny:
        return {"SIB-200, Tatar": partial(tiny_cell, bench)}
    return {name: partial(probe_cell, bench, *probe) for name, probe in PROBES.items()}


def probe_cell(bench: Bench, file: str, language: str) -> Cell:
    """What `endonym evaluate --probe --json` says."""
    path = bench.file(file).resolve()
    model, work = model_of(bench, language), work_folder(bench, language)
    return last_json(endonym(work, "evaluate", model, "--probe", path, "--json"))


def tiny_cell(bench: Bench) -> Cell:
    """Whether a sentence is a question, of sentences that the project holds."""
    sentences = (TINY_TEXTS / "tatar.txt").read_text(encoding="utf-8").splitlines()[:30]
    splits = ("train", "train", "dev", "test")
    path = bench.folder("probes") / "topics.jsonl"
    records = [
        {"text": text, "label": str(len(text) > 60), "split": splits[number % 4]}
        for number, text in enumerate(sentences)
    ]
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    model, work = model_of(bench, "tt"), work_folder(bench, "tt")
    return last_json(endonym(work, "evaluate", model, "--probe", path, "--json"))


def results(cells: Cells) -> str:
    """Every row of every probe."""
    rows: list[list[str]] = []
    for name in PROBES:
        scores = cell["scores"] if (cell := cells.get(name)) else []
        for model in dict.fromkeys(row["model"] for row in scores):
            own = [row for row in scores if row["model"] == model]
            texts = f"{own[0]['n_documents']:,}" if "n_documents" in own[0] else "–"
            rows.append([name, f"`{model}`", texts, *map(with_interval, own)])
    head = ["probe", "features", "texts", "accuracy, or Pearson", "macro-F1, or Spearman"]
    return markdown(head, rows, labels=2)


def with_interval(row: Mapping[str, Any]) -> str:
    """A score with its interval."""
    if row["value"] is None:
        return "undefined"
    return interval(row["value"], row["low"], row["high"])


BENCHMARK = Benchmark(
    name="probes",
    code=(
        *MAKES_A_MODEL,
        "endonym.commands.evaluate",
        "endonym.evaluate.probes",
        "endonym.evaluate.probe_file",
    ),
    cells=cells,
    tables={("docs/probes.md", "probes"): results},
    watched={"scores/*/value": Watch("higher", 0.1, timed=True)},
)

if __name__ == "__main__":
    main(BENCHMARK)
