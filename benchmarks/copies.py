"""Near copies beside datasketch and datatrove: what is found, how fast, in how much memory.

    python benchmarks/copies.py --data ../shared/data --peers VENV/bin/python [--rounds 3]
        [--lines 200000] [--languages tt ro km] [--cells endonym datasketch …] [--work FOLDER]

Lines of real lists as they are, a tenth of them edited copies. Each contender drops near copies
from a similarity of 0.8 on, in a process of its own on one core, by turns, so that a busy machine
slows all of them. Recall is the share of the pairs with an exact Jaccard similarity above 0.85 of
which at most one line stays: of sets of runs of six letters, and of sets of words. Precision is the
share of dropped lines that resemble (0.8, by runs or by words) a line that stays. Peers get their
lines folded already, which endonym does itself. With `--languages tt ro km` the lines are 5,000
different ones of each language and 1,000 copies of them with one letter, one or two words, 10 or
20 % of the letters changed; lost is the share of the real lines without a copy that are dropped.
`datasketch, wide` has its weights set for recall,
`endonym, 0.75` drops from 0.75 on.
`endonym 1 GB` is a mixture of documents through `dedup = ["exact", "near", "paragraphs"]`. Needs a
virtual environment with `datasketch` and `datatrove[io,processing]`. Rounds are added to
benchmarks/results/copies.json.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from cells import RESULTS, ROOT, Cells
from copied_lines import (
    Pairs,
    Record,
    lines_of,
    mixture,
    planted,
    real_lines,
    runs_of,
    similar_pairs,
    single_edits,
    with_copies,
    words_of,
    write_lines,
)

from endonym.script.fold import folded

CELLS = ("endonym", "endonym, 0.75", "datasketch", "datasketch, wide", "rensa", "datatrove")
LARGE = "endonym 1 GB"
LARGE_BYTES = 1_000_000_000
SIMILARITY, JUDGED = 0.8, 0.85
SHORT_LETTERS = 100
SINGLE_LINES, SINGLE_COPIES = 5_000, 1_000
RESULT = RESULTS / "copies.json"


def main() -> None:
    """Measure the cells asked for, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "copies")
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--languages", nargs="+", default=[])
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
    if not asked.languages:
        records = with_copies(real_lines(asked.data), asked.lines)
        compare(asked, small, records, str(asked.lines), cells)
    for language in asked.languages:
        lines = lines_of(asked.data, language, SINGLE_LINES)
        records = planted(lines, SINGLE_COPIES, single_edits(lines), random.Random(5))
        compare(asked, small, records, single(language), cells)


def compare(
    asked: argparse.Namespace, names: list[str], records: list[Record], lines: str, cells: Cells
) -> None:
    """Run the contenders by turns on records that are called `lines`, and keep what they do."""
    path = asked.work / f"{lines.replace(' ', '-')}-lines.jsonl"
    write_lines(path, records)
    truth = known_pairs(path, [str(each["text"]) for each in records])
    for _ in range(asked.rounds):
        for name in names:
            ran = run(name, path, asked.peers, asked.work)
            kept = ran.pop("kept", None)
            found = judged(records, kept, truth) if kept is not None else {}
            cells.keep(key_of(name, lines), {**ran, **found})
            print(name, lines, {**ran, **found}, flush=True)


def single(language: str) -> str:
    """How the lines of one language are called."""
    return f"{SINGLE_LINES} {language}"


def key_of(name: str, lines: object) -> str:
    """The name of a contender's cell. Cells "of 160 letters" are of lines that were joined."""
    return f"{name} {lines}"


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
    is_ours = name.startswith("endonym")
    python = sys.executable if is_ours else str(peers)
    worker = Path(__file__).with_name("copies_worker.py")
    command = [python, str(worker), name, str(path), str(work / name.replace(", ", "-"))]
    own = {"PYTHONPATH": str(ROOT / "src")} if is_ours else {}
    environment = {**os.environ, "PYTHONPATH": "", **own, "HF_HUB_OFFLINE": "1"}
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1][:300]}
    return json.loads(done.stdout.splitlines()[-1])


def judged(records: list[Record], kept: list[int], truth: dict[str, Pairs]) -> dict[str, Any]:
    """Recall, precision, the share of copies of each kind that were found, and of lines lost."""
    stays = np.zeros(len(records), dtype=np.bool_)
    stays[kept] = True
    resembles = np.zeros(len(records), dtype=np.bool_)
    is_short = np.array([len(text) < SHORT_LETTERS for text in folded_texts(records)])
    by_truth: dict[str, Any] = {}
    for name, pairs in truth.items():
        near = [(a, b) for a, b, similarity in pairs if similarity > JUDGED]
        short = [(a, b) for a, b in near if is_short[a] and is_short[b]]
        for kind, some in ((name, near), (f"{name}, short", short)):
            found = sum(not (stays[a] and stays[b]) for a, b in some)
            by_truth[f"pairs/{kind}"] = len(some)
            by_truth[f"recall/{kind}"] = round(found / max(1, len(some)), 5)
        for a, b, _ in pairs:
            resembles[a] |= stays[b]
            resembles[b] |= stays[a]
    dropped = ~stays
    by_edit = {}
    for edit in sorted({str(each["edit"]) for each in records} - {""}):
        pairs = [(n, int(each["of"])) for n, each in enumerate(records) if each["edit"] == edit]
        by_edit[f"found/{edit}"] = round(
            sum(not (stays[a] and stays[b]) for a, b in pairs) / len(pairs), 4
        )
    alone = {n for n, each in enumerate(records) if not each["edit"]}
    alone -= {int(each["of"]) for each in records}
    return {
        "lines": len(records),
        **by_truth,
        "dropped": int(dropped.sum()),
        "precision": round(float(resembles[dropped].mean()), 5),
        "lost": round(float(dropped[sorted(alone)].mean()), 5),
        **by_edit,
    }


def folded_texts(records: list[Record]) -> list[str]:
    """The letters of each record."""
    return folded([str(each["text"]) for each in records])


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
