"""Which start is better with little text: nothing, or a published model of other languages.

"as it is": SmolLM2-135M-Instruct (English, 135 million parameters; `tests/real_model.py`).
"continued": the same after it has read as many tokens of the texts as stated, by the recipe that
`docs/continued.md` describes. "from scratch": the recipe that `endonym new` writes for one
minute and these texts. All are judged by the second half of FLORES-200 sentences, one in five of
the devtest, given the first half. No text that is trained on holds a sentence of FLORES-200.
"""

import bisect
import itertools
import json
import random
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from benchmark import MAKES_A_MODEL, TINY, TINY_TEXTS, Bench, Benchmark, Unavailable, Watch, main
from cells import Cell, Cells
from five_minutes import FLORES, model_of, work_folder
from pages import interval, markdown
from runs import endonym, last_json, manifest, read_bytes, sets_of, training_seconds

LANGUAGES = {"tt": "Tatar", "fr": "French"}
"""A language that the published model does not know, and one that it knows a little."""
STARTS = {
    "tt": ("as it is", "continued", "from scratch 0.1 MB", "from scratch 1 MB"),
    "fr": ("as it is", "from scratch 1 MB"),
}
"""In French the published model is ahead as it is: it need not be continued to show that."""
MEGABYTES = 1.0
"""Of texts to continue with."""
MINUTES = 1.0
CONTINUED_TOKENS, TINY_TOKENS = 32_768, 1_024
BATCH_TOKENS = 2_048
EVERY = 5
"""One in so many sentences of FLORES-200 is scored: the published model is slow on two cores."""
REAL_MODEL = Path(sys.prefix) / "real-model" / "plain"
CONTINUED = """name = "{name}"
language = "{language}"

[[source]]
name = "texts"
path = "{texts}"
document = "line"
repeatable = true

[model]
folder = "{folder}"

[pack]
context = 256

[[phase]]
tokens = {tokens}
batch_tokens = {batch_tokens}
eval_every_steps = {steps}
"""


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """A cell for each start.

    The tiny form of five_minutes.py has a model from scratch already.
    """
    every = {"tt": STARTS["tt"][:2]} if bench.tiny else STARTS
    return {
        f"{language} {start}": partial(start_cell, bench, language, start)
        for language, starts in every.items()
        for start in starts
    }


def start_cell(bench: Bench, language: str, start: str) -> Cell:
    """The cell of one start."""
    if start == "as it is":
        return published_cell(bench, language)
    if start == "continued":
        return continued_cell(bench, language)
    return new_cell(bench, language, float(start.split()[-2]))


def published_model(bench: Bench) -> Path:
    """The folder of the published model; in tiny form the export of a tiny model of ours."""
    if bench.tiny:
        folder = bench.kept_folder("starts", BENCHMARK.code_hash()) / "published"
        if not folder.exists():
            options = ["--to", "huggingface", "--out", folder]
            endonym(work_folder(bench, "tt"), "export", model_of(bench, "tt"), *options)
        return folder
    if not (REAL_MODEL / "config.json").is_file():
        raise Unavailable("no SmolLM2-135M: make the target .venv/real-model")
    return REAL_MODEL


def published_cell(bench: Bench, language: str) -> Cell:
    """The published model without any training."""
    work, model = bench.folder(f"starts-published-{language}"), str(published_model(bench))
    return judged(bench, work, model, language) | {"read_bytes": 0, "step_seconds": 0.0}


def continued_cell(bench: Bench, language: str) -> Cell:
    """The published model after some tokens of the language."""
    bench.quiet(f"{language} continued")
    name = f"starts-continued-{language}"
    work, folder = bench.folder(name), published_model(bench)
    tokens = TINY_TOKENS if bench.tiny else CONTINUED_TOKENS
    texts = texts_of(bench, language, MEGABYTES, work)
    text = CONTINUED.format(
        name=name,
        language=language,
        texts=texts,
        folder=folder,
        tokens=tokens,
        batch_tokens=BATCH_TOKENS,
        steps=max(1, tokens // BATCH_TOKENS),
    )
    text += 'number_format = "fp32"\n' if bench.tiny else ""
    (work / "recipe.toml").write_text(text, encoding="utf-8")
    return trained(bench, work, "recipe.toml", language)


def new_cell(bench: Bench, language: str, megabytes: float) -> Cell:
    """A model from scratch, of some of the texts."""
    bench.quiet(f"{language} from scratch")
    work = bench.folder(f"starts-new-{language}-{megabytes:g}")
    texts = texts_of(bench, language, megabytes, work)
    options = ["--language", language, "--text", texts, "--hours", MINUTES / 60]
    endonym(work, "new", "new", *options)
    return trained(bench, work, "new/recipe.toml", language)


def trained(bench: Bench, work: Path, recipe: str, language: str) -> Cell:
    """Run a recipe in its own folder and judge its model."""
    finished = last_json(endonym(work, "run", recipe, *kept_out(bench), "--json", "-q"))
    stages = {stage["name"].split()[0]: stage for stage in finished["stages"]}
    model = manifest(work / "store", stages["model"])["numbers"]
    return judged(bench, work, finished["run"], language) | {
        "parameters": model["parameters"],
        "tokens": model["tokens"],
        "read_bytes": read_bytes(work / "store", finished["stages"]),
        "step_seconds": training_seconds(work / "store", finished["stages"]),
    }


def kept_out(bench: Bench) -> list[str]:
    """Options of `run` that keep the sentences of FLORES-200 out of the training text."""
    if bench.tiny:
        return []
    return list(sets_of({"clean.decontaminate": [str(bench.file(FLORES).resolve())]}))


def texts_of(bench: Bench, language: str, megabytes: float, folder: Path) -> Path:
    """A file with so many megabytes of lines, drawn at random."""
    lines = bench.lines(language)
    random.Random(0).shuffle(lines)
    sizes = itertools.accumulate(len(line.encode()) for line in lines)
    count = bisect.bisect_left([*sizes], 1e6 * megabytes) + 1
    path = folder / "texts.txt"
    path.write_text("\n".join(lines[:count]) + "\n", encoding="utf-8")
    return path


def judged(bench: Bench, work: Path, model: str, language: str) -> Cell:
    """What `endonym evaluate --flores --json` says of a model."""
    sentences = sentences_of(bench, language)
    path = work / f"{language}.txt"
    path.write_text("\n".join(sentences) + "\n", encoding="utf-8")
    output = endonym(work, "evaluate", model, "--flores", path, "--json")
    evaluated = last_json(output)
    words = sum(len(text.split()) for text in sentences)
    return evaluated | {"language": language, "words": words, "bytes": path.stat().st_size}


def sentences_of(bench: Bench, language: str) -> list[str]:
    """The sentences that judge."""
    if bench.tiny:
        return (TINY_TEXTS / TINY[language]).read_text(encoding="utf-8").splitlines()[:4]
    lines = bench.file(FLORES).read_text(encoding="utf-8").splitlines()
    return [json.loads(line)[language] for line in lines[::EVERY]]


def table(cells: Cells) -> str:
    """Each start, with the text that it read, its minutes of training, and its bits."""
    rows: list[list[str]] = []
    for language, name in LANGUAGES.items():
        for start in STARTS[language]:
            if (cell := cells.get(f"{language} {start}")) is None:
                continue
            row = next(row for row in cell["scores"] if row["metric"] == "bits_per_text")
            rows.append(
                [
                    name,
                    start,
                    f"{cell['read_bytes'] / 1e6:.2f}",
                    f"{cell['step_seconds'] / 60:.1f}",
                    f"{row['n_documents']:,}",
                    f"{cell['words']:,}",
                    interval(row["value"], row["low"], row["high"], 1),
                ]
            )
    head = ["language", "start", "MB read", "minutes of training", "sentences", "words"]
    return markdown([*head, "bits per half sentence (95 %)"], rows, labels=2)


BENCHMARK = Benchmark(
    name="starts",
    code=(*MAKES_A_MODEL, "endonym.commands.evaluate", "endonym.evaluate.halves"),
    cells=cells,
    tables={("README.md", "starts"): table, ("docs/continued.md", "starts"): table},
    watched={"scores/*/value": Watch("lower", 0.03, timed=True)},
)

if __name__ == "__main__":
    main(BENCHMARK)
