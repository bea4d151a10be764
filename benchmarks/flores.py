"""FLORES-200: bits of the second half of a sentence, of five-minute models and published ones.

`endonym evaluate --flores` reads the second half of each of the 1,012 sentences after the first
half, as Goldfish does (Chang et al., arXiv:2408.10441), whose figures stand next to ours. The
models are those of five_minutes.py, whose training texts hold no sentence of FLORES-200.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial

from benchmark import MAKES_A_MODEL, Bench, Benchmark, Watch, main
from cells import Cell, Cells
from five_minutes import FLORES, LANGUAGES, WITHOUT_SPACES, finished_run, work_folder
from pages import interval, markdown
from runs import endonym, last_json, read_bytes

PUBLISHED = ("Goldfish 5 MB", "Goldfish 10 MB", "Goldfish 100 MB", "Goldfish 1 GB")
LARGE = ("XGLM-4.5B", "XGLM-7.5B", "MaLA-500", "BLOOM-7.1B")
TINY_SENTENCES = "Кояш чыкты. Кошлар сайрый башлады.\nБез урманга бардык, анда җиләк җыйдык.\n"


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """A cell for each language of the five-minute models."""
    languages = ["tt"] if bench.tiny else list(LANGUAGES)
    return {language: partial(flores_cell, bench, language) for language in languages}


def flores_cell(bench: Bench, language: str) -> Cell:
    """What `endonym evaluate --flores --json` says."""
    if bench.tiny:
        path = bench.folder("flores") / "sentences.txt"
        path.write_text(TINY_SENTENCES, encoding="utf-8")
        column, sentences = [], TINY_SENTENCES.splitlines()
    else:
        path, column = bench.file(FLORES).resolve(), ["--column", language]
        lines = path.read_text(encoding="utf-8").splitlines()
        sentences = [json.loads(line)[language] for line in lines]
    finished, work = finished_run(bench, language), work_folder(bench, language)
    options = ["--flores", path, *column, "--json"]
    evaluated = last_json(endonym(work, "evaluate", finished["run"], *options))
    words = None if language in WITHOUT_SPACES else sum(len(text.split()) for text in sentences)
    size = sum(len(text.encode()) for text in sentences)
    return evaluated | {
        "language": language,
        "read_bytes": read_bytes(work / "store", finished["stages"]),
        "words": words,
        "bytes": size,
    }


def scoreboard(cells: Cells) -> str:
    """Ours next to the published models, with the text that each has read. Lower is better."""
    rows: list[list[str]] = []
    for language, name in LANGUAGES.items():
        if (cell := cells.get(language)) is None:
            continue
        own = next(row for row in cell["scores"] if row["metric"] == "bits_per_text")
        bits = {row["model"]: row["bits"] for row in cell.get("published") or []}
        megabytes = f"{cell['read_bytes'] / 1e6:.1f}"
        large = min(((bits[model], model) for model in LARGE if model in bits), default=None)
        rows.append(
            [
                name,
                f"{own['n_documents']:,}",
                f"{cell['words']:,}" if cell["words"] else "–",
                f"{cell['bytes'] / 1e3:.0f}",
                megabytes,
                interval(own["value"], own["low"], own["high"], 1),
                *(f"{bits[model]:.1f}" if model in bits else "–" for model in PUBLISHED),
                f"{large[0]:.1f} ({large[1]})" if large else "–",
            ]
        )
    head = ["text", "sentences", "words", "kB", "MB read", "endonym, 5 minutes (95 %)"]
    return markdown([*head, *PUBLISHED, "best large model"], rows)


BENCHMARK = Benchmark(
    name="flores",
    code=(*MAKES_A_MODEL, "endonym.commands.evaluate", "endonym.evaluate.halves"),
    cells=cells,
    tables={("README.md", "flores"): scoreboard, ("docs/tasks.md", "flores"): scoreboard},
    watched={"scores/*/value": Watch("lower", 0.02, timed=True)},
)

if __name__ == "__main__":
    main(BENCHMARK)
