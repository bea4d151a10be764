"""Near copies: what endonym, datasketch and rensa find, how fast, in how much memory.

Lines of lists in many languages as they are, a tenth of them edited copies. Each contender drops
near copies from a similarity of 0.8 on, in a process of its own on one core. Recall is the share of
the pairs with an exact Jaccard similarity above 0.85 of which at most one line stays: of sets of
runs of six letters, and of sets of words. Precision is the share of dropped lines that resemble
(0.8, by runs or by words) a line that stays. Peers get their lines folded to letters already, which
endonym does itself in its time. datasketch runs with its own bands, and with bands for recall and
an exact check of each candidate, which is its best. It is installed into a virtual environment
of its own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from benchmark import TINY, TINY_TEXTS, Bench, Benchmark, Watch, main
from cells import ROOT, Cell, Cells
from copied_lines import (
    EDITS,
    Pairs,
    Record,
    real_lines,
    runs_of,
    similar_pairs,
    with_copies,
    words_of,
    write_lines,
)
from copied_lines import LINES as REAL
from named_texts import NAMED
from pages import markdown
from runs import peer_python

LINES, TINY_LINES = 50_000, 80
CONTENDERS = {
    "endonym": "endonym",
    "endonym, 0.75": "endonym, near_similarity 0.75",
    "datasketch": "datasketch, its own bands",
    "datasketch, exact": "datasketch, bands for recall, exact check",
    "rensa": "rensa's own deduplicator",
}
PEERS = ("datasketch",)
"""What is installed for the peers; rensa is a library of endonym."""
SIMILARITY, JUDGED = 0.8, 0.85


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """A cell for each contender, on the same lines."""
    if bench.tiny:
        return {f"endonym {TINY_LINES}": partial(contender_cell, bench, "endonym")}
    return {f"{name} {LINES}": partial(contender_cell, bench, name) for name in CONTENDERS}


def written_lines(bench: Bench) -> tuple[Path, list[Record]]:
    """The file of the lines, and what each is; written once."""
    if bench.tiny:
        paths = [TINY_TEXTS / name for name in TINY.values()]
        texts = [line for path in paths for line in path.read_text("utf-8").splitlines()]
        records = with_copies(texts, TINY_LINES)
    elif bench.data is not None and bench.has(*REAL):
        records = with_copies(real_lines(bench.data), LINES)
    else:
        records = with_copies([line for code in NAMED for line in bench.lines(code)], LINES)
    folder = bench.kept_folder("near-copies", BENCHMARK.code_hash())
    path = folder / f"{len(records)}.jsonl"
    if not path.exists():
        write_lines(path, records)
    return path, records


def true_pairs(path: Path, texts: list[str]) -> dict[str, Pairs]:
    """The pairs that are truly similar by runs and by words; kept in files, as it takes a while."""
    pairs: dict[str, Pairs] = {}
    for name, items_of in (("runs", runs_of), ("words", words_of)):
        file = path.with_suffix(f".{name}.npy")
        if not file.is_file():
            np.save(file, np.array(similar_pairs(items_of(texts), len(texts), SIMILARITY)))
        pairs[name] = [(int(a), int(b), float(s)) for a, b, s in np.load(file)]
    return pairs


def contender_cell(bench: Bench, name: str) -> Cell:
    """What a contender keeps, how right that is, its seconds and peak memory."""
    bench.quiet(name)
    path, records = written_lines(bench)
    pairs = true_pairs(path, [str(record["text"]) for record in records])
    is_peer = name.startswith(PEERS)
    python = peer_python(bench, *PEERS) if is_peer else sys.executable
    worker = Path(__file__).with_name("near_copies_worker.py")
    folder = bench.folder(f"near copies {name}")
    environment = {**os.environ, "PYTHONPATH": "" if is_peer else str(ROOT / "src")}
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(
        [python, str(worker), name, str(path), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        check=True,
    )
    output = json.loads(done.stdout.splitlines()[-1])
    return output | accuracy(records, output.pop("kept"), pairs)


def accuracy(records: list[Record], kept: list[int], truth: dict[str, Pairs]) -> dict[str, Any]:
    """Recall, precision, the share of copies of each kind that were found, and of lines lost."""
    stays = np.zeros(len(records), dtype=np.bool_)
    stays[kept] = True
    resembles = np.zeros(len(records), dtype=np.bool_)
    recall: dict[str, Any] = {}
    for name, pairs in truth.items():
        near = [(a, b) for a, b, similarity in pairs if similarity > JUDGED]
        found = sum(not (stays[a] and stays[b]) for a, b in near)
        recall[f"pairs/{name}"] = len(near)
        recall[f"recall/{name}"] = round(found / max(1, len(near)), 5)
        for a, b, _ in pairs:
            resembles[a] |= stays[b]
            resembles[b] |= stays[a]
    dropped = ~stays
    by_edit: dict[str, float] = {}
    for edit in sorted({str(record["edit"]) for record in records} - {""}):
        copies = [(n, int(row["of"])) for n, row in enumerate(records) if row["edit"] == edit]
        found = sum(not (stays[a] and stays[b]) for a, b in copies)
        by_edit[f"found/{edit}"] = round(found / len(copies), 4)
    alone = {number for number, record in enumerate(records) if not record["edit"]}
    alone -= {int(record["of"]) for record in records}
    return {
        "lines": len(records),
        "bytes": sum(len(str(record["text"]).encode()) for record in records),
        **recall,
        "dropped": int(dropped.sum()),
        "precision": round(float(resembles[dropped].mean()), 5) if dropped.any() else None,
        "lost": round(float(dropped[sorted(alone)].mean()), 5),
        **by_edit,
    }


def measured(cells: Cells) -> dict[str, Cell]:
    """The cell of each contender."""
    return {name: cell for name in CONTENDERS if (cell := cells.get(f"{name} {LINES}"))}


def comparison(cells: Cells) -> str:
    """What is found, how surely, how fast, in how much memory."""
    rows = [
        [
            CONTENDERS[name],
            f"{cell['lines']:,}",
            f"{cell['recall/runs']:.4f}",
            f"{cell['recall/words']:.3f}",
            f"{cell['precision']:.3f}",
            f"{cell['processor_seconds']:.1f}",
            f"{cell['peak_megabytes']:.0f}",
        ]
        for name, cell in measured(cells).items()
    ]
    head = ["", "lines", "recall, runs", "recall, words", "precision", "CPU s", "peak MB"]
    return markdown(head, rows)


def by_edit(cells: Cells) -> str:
    """The share of planted copies that are found, by what was changed."""
    contenders = measured(cells)
    rows = [
        [edit, *(f"{100 * cell[f'found/{edit}']:.1f}" for cell in contenders.values())]
        for edit in EDITS
        if contenders
    ]
    return markdown(["found % of copies with", *contenders], rows)


BENCHMARK = Benchmark(
    name="near-copies",
    code=("endonym.copies", "endonym.script"),
    cells=cells,
    tables={
        ("docs/cleaning.md", "near copies"): comparison,
        ("docs/cleaning.md", "near copies by edit"): by_edit,
    },
    watched={
        "recall/*": Watch("higher", 0.005),
        "precision": Watch("higher", 0.01),
        "processor_seconds": Watch("lower", 0.3, timed=True),
    },
)

if __name__ == "__main__":
    main(BENCHMARK)
