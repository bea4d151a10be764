"""Near copies beside datasketch and datatrove: what is found, how fast, in how much memory.

    python benchmarks/copies.py --data ../shared/data --peers VENV/bin/python [--rounds 3]
        [--lines 200000] [--cells endonym datasketch …] [--work FOLDER]

Lines of real lists and novels, a tenth of them edited copies of others. Short neighbouring lines
are joined, as only texts of 100 letters and more are compared. Each contender drops near copies
from a similarity of 0.8 on, in a process of its own on one core, by turns, so that a busy machine
slows all of them. Recall is the share of the pairs with an exact Jaccard similarity above 0.85 of
which at most one line stays: of sets of runs of six letters, and of sets of words. Precision is the
share of dropped lines that resemble (0.8, by runs or by words) a line that stays. Peers get their
lines folded already, which endonym does itself. `datasketch, wide` has its weights set for recall.
`endonym 1 GB` is a mixture of documents through `dedup = ["exact", "near", "paragraphs"]`. Needs a
virtual environment with `datasketch` and `datatrove[io,processing]`. Rounds are added to
benchmarks/results/copies.json.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from cells import RESULTS, ROOT, Cells
from copied_lines import (
    EDITS,
    PARAGRAPH_CHARS,
    Pairs,
    mixture,
    real_lines,
    runs_of,
    similar_pairs,
    with_copies,
    words_of,
    write_lines,
)

CELLS = ("endonym", "datasketch", "datasketch, wide", "rensa", "datatrove")
LARGE = "endonym 1 GB"
LARGE_BYTES = 1_000_000_000
SIMILARITY, JUDGED = 0.8, 0.85
RESULT = RESULTS / "copies.json"


def main() -> None:
    """Measure the cells asked for, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "copies")
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cells", nargs="+", default=[*CELLS])
    parser.add_argument("--results", type=Path, default=RESULT)
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    cells = Cells(asked.results)
    if LARGE in asked.cells:
        cells.keep(LARGE, large(asked.data, asked.work))
        print(LARGE, cells[LARGE], flush=True)
    small = [each for each in asked.cells if each != LARGE]
    if not small:
        return
    path = asked.work / f"{asked.lines}-lines.jsonl"
    records = with_copies(real_lines(asked.data), asked.lines)
    write_lines(path, records)
    truth = known_pairs(path, [str(each["text"]) for each in records])
    for _ in range(asked.rounds):
        for name in small:
            ran = run(name, path, asked.peers, asked.work)
            kept = ran.pop("kept", None)
            found = judged(records, kept, truth) if kept is not None else {}
            cells.keep(key_of(name, asked.lines), {**ran, **found})
            print(name, {**ran, **found}, flush=True)


def key_of(name: str, lines: int) -> str:
    """The name of a contender's cell. Cells without the number of letters are of shorter lines."""
    return f"{name} {lines} of {PARAGRAPH_CHARS} letters"


def known_pairs(path: Path, texts: list[str]) -> dict[str, Pairs]:
    """The pairs that are truly similar by runs and by words; in files, as they take minutes."""
    known: dict[str, Pairs] = {}
    for name, items_of in (("runs", runs_of), ("words", words_of)):
        file = path.with_suffix(f".{name}.npy")
        if not file.is_file():
            np.save(file, np.array(similar_pairs(items_of(texts), len(texts), SIMILARITY)))
        known[name] = [(int(a), int(b), float(s)) for a, b, s in np.load(file)]
    return known


def run(name: str, path: Path, peers: Path, work: Path) -> dict[str, Any]:
    """What a contender keeps, and its seconds and peak memory; the error if it does not run."""
    python = sys.executable if name == "endonym" else str(peers)
    worker = Path(__file__).with_name("copies_worker.py")
    command = [python, str(worker), name, str(path), str(work / name.replace(", ", "-"))]
    own = {"PYTHONPATH": str(ROOT / "src")} if name == "endonym" else {}
    environment = {**os.environ, "PYTHONPATH": "", **own, "HF_HUB_OFFLINE": "1"}
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1][:300]}
    return json.loads(done.stdout.splitlines()[-1])


def judged(
    records: list[dict[str, str | int]], kept: list[int], truth: dict[str, Pairs]
) -> dict[str, float | int]:
    """Recall, precision, and the share of planted copies of each kind that were found."""
    stays = np.zeros(len(records), dtype=np.bool_)
    stays[kept] = True
    resembles = np.zeros(len(records), dtype=np.bool_)
    by_truth: dict[str, float | int] = {}
    for name, pairs in truth.items():
        near = [(a, b) for a, b, similarity in pairs if similarity > JUDGED]
        found = sum(not (stays[a] and stays[b]) for a, b in near)
        by_truth |= {f"pairs/{name}": len(near), f"recall/{name}": round(found / len(near), 5)}
        for a, b, _ in pairs:
            resembles[a] |= stays[b]
            resembles[b] |= stays[a]
    dropped = ~stays
    by_edit = {}
    for edit in EDITS:
        pairs = [(n, int(each["of"])) for n, each in enumerate(records) if each["edit"] == edit]
        by_edit[f"found/{edit}"] = round(
            sum(not (stays[a] and stays[b]) for a, b in pairs) / max(1, len(pairs)), 4
        )
    return {
        "lines": len(records),
        **by_truth,
        "dropped": int(dropped.sum()),
        "precision": round(float(resembles[dropped].mean()), 5),
        **by_edit,
    }


def large(data: Path, work: Path) -> dict[str, Any]:
    """A gigabyte of documents through all of dedup: time, peak memory, what was dropped."""
    path = work / "large.txt"
    if not path.is_file():
        with path.with_suffix(".new").open("w", encoding="utf-8") as file:
            for text in mixture(data, LARGE_BYTES):
                file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
        path.with_suffix(".new").replace(path)
    started = time.perf_counter()
    ran = run("endonym", path, Path(sys.executable), work)
    kept = ran.pop("kept", [])
    return {
        **ran,
        "kept": len(kept),
        "bytes": path.stat().st_size,
        "wall": round(time.perf_counter() - started, 1),
    }


if __name__ == "__main__":
    main()
