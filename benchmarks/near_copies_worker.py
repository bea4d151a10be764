"""One contender of near_copies.py, in a process of its own and in the Python it needs.

    python benchmarks/near_copies_worker.py NAME LINES.jsonl FOLDER

Prints one line of JSON: the numbers of the lines that stay, seconds of clock and of processors, and
peak memory. endonym reads the lines as they are; the others read them folded (LINES.folded).
"""

import json
import os
import resource
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from peak import peak_bytes

WIDTH, SIMILARITY, PERMUTATIONS = 6, 0.8, 128
RECALL_WEIGHTS = (0.02, 0.98)
"""What false and missed pairs weigh when datasketch chooses its bands."""


def main() -> None:
    """Run the contender and print what it did."""
    name, lines, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    started, used = time.perf_counter(), processors()
    kept = CONTENDERS[name](lines, folder)
    print(
        json.dumps(
            {
                "kept": kept,
                "seconds": round(time.perf_counter() - started, 3),
                "processor_seconds": round(processors() - used, 3),
                "peak_megabytes": round(peak_bytes() / 1e6, 1),
            }
        )
    )
    shutil.rmtree(folder, ignore_errors=True)


def processors() -> float:
    """Seconds of all processors, of this process and of those it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def folded_lines(path: Path) -> list[str]:
    """The lines, folded before: only their letters are left."""
    return path.with_suffix(".folded").read_text(encoding="utf-8").split("\n")


def runs(text: str) -> set[str]:
    """The runs of six letters of a folded line."""
    return {text[n : n + WIDTH] for n in range(len(text) - WIDTH + 1)} or {text}


def endonym(path: Path, folder: Path, similarity: float = SIMILARITY) -> list[int]:
    """What the corpus stage does with dedup; only near copies, if the lines are a list."""
    from endonym.copies.keys import write_keys
    from endonym.copies.removal import removal_by_keys
    from endonym.copies.tables import Tables
    from endonym.formats.config import Clean

    kinds = ("near",) if path.suffix == ".jsonl" else ("exact", "near", "paragraphs")
    count = sum(1 for _ in path.open("rb"))

    def texts(numbers: Iterable[int]) -> Iterator[str]:
        chosen = set(map(int, numbers))
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                if number in chosen:
                    yield json.loads(line)["text"]

    with Tables(folder / "work") as tables:
        clean, keys = Clean(dedup=kinds, near_similarity=similarity), tables.folder / "keys"
        keys.mkdir()
        write_keys(texts(range(count)), clean, keys / "all")
        found = removal_by_keys(tables, keys, texts, similarity)
    gone = set(found.exact.documents.tolist()) | set(found.near.documents.tolist())
    return [number for number in range(count) if number not in gone]


def datasketch(path: Path, _: Path) -> list[int]:
    """The usual loop: a line stays if the index holds no similar one."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=SIMILARITY, num_perm=PERMUTATIONS)
    kept: list[int] = []
    encoded = ([run.encode() for run in runs(text)] for text in folded_lines(path))
    for number, sketch in enumerate(MinHash.generator(encoded, num_perm=PERMUTATIONS)):
        if not index.query(sketch):
            index.insert(number, sketch, check_duplication=False)
            kept.append(number)
    return kept


def datasketch_exact(path: Path, _: Path) -> list[int]:
    """The same with bands for recall, and an exact comparison of each candidate."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=SIMILARITY, num_perm=PERMUTATIONS, weights=RECALL_WEIGHTS)
    kept: list[int] = []
    sets = [runs(text) for text in folded_lines(path)]
    encoded = ([run.encode() for run in own] for own in sets)
    for number, sketch in enumerate(MinHash.generator(encoded, num_perm=PERMUTATIONS)):
        own = sets[number]
        candidates = (sets[candidate] for candidate in index.query(sketch))
        if not any(len(own & other) >= SIMILARITY * len(own | other) for other in candidates):
            index.insert(number, sketch, check_duplication=False)
            kept.append(number)
    return kept


def rensa(path: Path, _: Path) -> list[int]:
    """rensa's own deduplicator, with its check of the estimated similarity."""
    from rensa import RMinHashDeduplicator

    found = RMinHashDeduplicator(
        threshold=SIMILARITY, num_perm=PERMUTATIONS, use_lsh=True
    ).add_pairs((str(n), list(runs(text))) for n, text in enumerate(folded_lines(path)))
    return [number for number, is_new in enumerate(found) if is_new]


CONTENDERS = {
    "endonym": endonym,
    "endonym, 0.75": partial(endonym, similarity=0.75),
    "datasketch": datasketch,
    "datasketch, exact": datasketch_exact,
    "rensa": rensa,
}

if __name__ == "__main__":
    main()
