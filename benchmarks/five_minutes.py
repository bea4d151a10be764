"""What five minutes of training make of a text, next to a compressor and nanoGPT.

`endonym new` writes the recipe for five minutes of this machine, and `endonym run` makes the model;
both are what a user types. The cell has the sizes of what was read, bits per byte of the test text
with their 95 % interval, read by document and by block of a list, the compressor (PPMd, order 16)
that has read the same training text, the minutes that passed, and what `check` had promised.

nanoGPT reads the same shards with the same tokenizer, in a model with as many weights as its widths
allow, for a tenth more time, and with the documents of a list joined as ours are. Its learning rate
is chosen in short runs by dev text. With the best one it trains for the whole time, and is judged
as ours is. It has no dropout, which cost it bits even in a run of the whole time (docs/log.md).
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmark import MAKES_A_MODEL, Bench, Benchmark, Unavailable, Watch, main
from cells import Cell, Cells
from nanogpt import CONTEXT
from pages import interval, markdown
from peers import unpack
from runs import (
    Row,
    bits_rows,
    endonym,
    last_json,
    manifest,
    read_bytes,
    row_of,
    sets_of,
    totals,
    training_seconds,
)

from endonym import device
from endonym.corpus.corpus import Corpus
from endonym.recipe.recipe import Recipe

LANGUAGES = {"tt": "Tatar", "km": "Khmer", "ro": "Romanian"}
WITHOUT_SPACES = ("km",)
PEER_LANGUAGE = "tt"
"""nanoGPT is run on one text: to tune it takes as long as to train it."""
MINUTES, TINY_MINUTES = 5.0, 0.05
LONGER = 1.1
"""nanoGPT's time beside ours."""
TUNING_SHARE = 0.1
"""The time of a run that chooses, beside that of the run that is judged."""
RATES = (6e-3, 1.2e-2, 2.4e-2)
LAYERS, HEAD_WIDTH = 4, 48
"""Of nanoGPT; the number of heads is chosen."""
FLORES, SIB = "parallel/flores200_devtest.jsonl", "eval/sib200.jsonl.gz"
RO_STS, RO_STS_DEV = "eval/ro_sts_train.jsonl", "eval/ro_sts_dev.jsonl"
JUDGING_FILES = (FLORES, SIB, RO_STS, RO_STS_DEV)
"""What flores.py and probes.py judge these models by."""
TINY_RECIPE = """name = "tiny-{language}"
language = "{language}"

[[source]]
name = "texts"
path = "{texts}"
document = "line"

[tokenizer]
kind = "bpe"
vocab = 400

[pack]
context = 256

[model]
dim = 32
layers = 1
mixer.heads = 1

[[phase]]
tokens = 2_048
batch_tokens = 256
number_format = "fp32"

[[evaluate]]
kind = "bits"

[[export]]
format = "huggingface"
"""
FINISHED: dict[tuple[Path, tuple[str, ...]], dict[str, Any]] = {}
"""What `endonym run --json` said in this process, by the folder and the options."""
PROMISED = ("start", "training", "validations", "samples", "evaluation", "export")


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """Ours of every language first: other benchmarks use the models. nanoGPT takes ten minutes."""
    languages = ["tt"] if bench.tiny else list(LANGUAGES)
    ours = {f"{language} endonym": partial(our_cell, bench, language) for language in languages}
    return ours | {f"{PEER_LANGUAGE} nanoGPT": partial(peer_cell, bench, PEER_LANGUAGE)}


def minutes_of(bench: Bench) -> float:
    """How long each model is trained."""
    return TINY_MINUTES if bench.tiny else MINUTES


def work_folder(bench: Bench, language: str) -> Path:
    """The folder of the model of a language: its recipe, its run and their store.

    Other code has other folders, so what is reused was made by the code at hand.
    """
    folder = bench.kept_folder("five-minutes", BENCHMARK.code_hash()) / language
    folder.mkdir(exist_ok=True)
    return folder


def recipe_of(bench: Bench, language: str) -> Path:
    """The recipe that `new` writes for these minutes of this machine; written once.

    In tiny form it is a fixed one: `new` would measure the machine for a minute.
    """
    work, name = work_folder(bench, language), f"{language}-{minutes_of(bench):g}"
    path = work / name / "recipe.toml"
    if path.exists():
        return path
    if bench.tiny:
        path.parent.mkdir()
        (texts,) = bench.texts(language)
        path.write_text(TINY_RECIPE.format(language=language, texts=texts), encoding="utf-8")
        return path
    texts = [part for text in bench.texts(language) for part in ("--text", text)]
    bench.quiet(f"{language} endonym")
    endonym(work, "new", name, "--language", language, *texts, "--hours", minutes_of(bench) / 60)
    return path


def finished_run(bench: Bench, language: str, *options: str) -> dict[str, Any]:
    """What `endonym run --json` says of the model of a language; made if it is not there yet.

    Texts of other benchmarks are kept out of the training text.
    """
    work, recipe = work_folder(bench, language), recipe_of(bench, language)
    known = FINISHED.get((work, ())) or FINISHED.get((work, options))
    if known is None:
        held_out = [bench.data / name for name in JUDGING_FILES] if bench.data else []
        held_out = [str(path.resolve()) for path in held_out if path.exists()]
        sets = list(sets_of({"clean.decontaminate": held_out})) if held_out else []
        known = last_json(endonym(work, "run", recipe, *sets, *options, "--json", "-q"))
        FINISHED[work, options] = known
    return known


def model_of(bench: Bench, language: str) -> str:
    """The five-minute model of a language, as the first argument of `endonym`; made if need be."""
    return finished_run(bench, language)["run"]


def our_cell(bench: Bench, language: str) -> Cell:
    """One model made from nothing but its text, in an empty folder: so its time is whole.

    The clock starts when texts that have to be fetched are here.
    """
    bench.texts(language)
    started = time.time()
    shutil.rmtree(work_folder(bench, language))
    FINISHED.clear()
    recipe, work = recipe_of(bench, language), work_folder(bench, language)
    bench.quiet(f"{language} endonym")
    promised = last_json(endonym(work, "check", recipe, "--json"))["seconds_of"]
    finished = finished_run(bench, language)
    stages = {stage["name"].split()[0]: stage for stage in finished["stages"]}
    manifests = {name: manifest(work / "store", stage) for name, stage in stages.items()}
    model, shards = manifests["model"]["numbers"], manifests["shards"]["numbers"]
    seconds = {name: round(stage["seconds"], 1) for name, stage in stages.items()}
    return {
        "language": language,
        "training_minutes": minutes_of(bench),
        "splits": {split: totals(shards[split]) for split in ("train", "dev", "test")},
        "test_words_per_byte": words_per_byte(
            work / "store" / "corpus" / stages["corpus"]["id"], language
        ),
        "vocab": manifests["tokenizer"]["numbers"]["vocab"],
        **{name: model[name] for name in ("parameters", "tokens", "steps", "kept_step")},
        "epochs": round(model["epochs"], 2),
        "read_bytes": read_bytes(work / "store", finished["stages"]),
        "seconds": seconds,
        "step_seconds": training_seconds(work / "store", finished["stages"]),
        "threads": device.threads(),
        "promised_seconds": round(sum(promised.get(part, 0.0) for part in PROMISED), 1),
        "taken_seconds": round(
            sum(seconds.get(n, 0.0) for n in ("model", "evaluation", "export")), 1
        ),
        "rows": bits_rows(finished["scores"]),
        "elapsed_minutes": round((time.time() - started) / 60, 2),
    }


def words_per_byte(corpus: Path, language: str) -> float | None:
    """Words in a byte of test text; None for a language that is written without spaces."""
    if language in WITHOUT_SPACES:
        return None
    texts = [document.text for document in Corpus(corpus).documents("test")]
    return sum(len(text.split()) for text in texts) / sum(len(text.encode()) for text in texts)


def words(cell: Cell, n_bytes: int) -> str:
    """About how many thousand words so many bytes of test text have."""
    share = cell["test_words_per_byte"]
    return "–" if share is None else f"{share * n_bytes / 1e3:.1f}"


def peer_cell(bench: Bench, language: str) -> Cell:
    """nanoGPT: every training by dev text; the last one is that of the whole time, and judged."""
    if bench.peers is None or not (bench.peers / "nanoGPT.tar.gz").is_file():
        raise Unavailable("no nanoGPT.tar.gz: give its folder with --peers")
    finished = finished_run(bench, language)
    bench.quiet(f"{language} nanoGPT")
    ids = {stage["name"].split()[0]: stage["id"] for stage in finished["stages"]}
    store = work_folder(bench, language) / "store"
    shards = {
        kind: str(next((store / kind).glob(f"{ids[kind]}*"))) for kind in ("shards", "tokenizer")
    }
    recipe = Recipe.load(recipe_of(bench, language))
    model = manifest(store, {"id": ids["model"]})["numbers"]
    vocab = manifest(store, {"id": ids["tokenizer"]})["numbers"]["vocab"]
    fixed = {
        "shape": nanogpt_shape(model["parameters"], vocab),
        "dropout": 0.0,
        "join": list(recipe.pack.join),
        "joined": bool(recipe.pack.join),
    }
    minutes = minutes_of(bench) * LONGER
    short = minutes * TUNING_SHARE
    short_runs = [trained(bench, shards, fixed, lr=lr, minutes=short) for lr in RATES]
    rate = min(short_runs, key=lambda cell: cell["tried"]["dev"])["tried"]["lr"]
    whole = trained(bench, shards, fixed, lr=rate, minutes=minutes)
    tried = [cell["tried"] for cell in (*short_runs, whole)]
    return whole | {"language": language, "shape": fixed["shape"], "tried": tried}


def nanogpt_shape(weights: int, vocab: int) -> dict[str, int]:
    """The shape whose number of weights is nearest to a number."""

    def weights_of(heads: int) -> int:
        dim = heads * HEAD_WIDTH
        blocks = LAYERS * (12 * dim + 2) * dim
        return blocks + (vocab + CONTEXT + 1) * dim  # embeddings, positions and the last norm

    heads = min(range(1, 17), key=lambda heads: abs(weights_of(heads) - weights))
    return {"layers": LAYERS, "dim": heads * HEAD_WIDTH, "heads": heads}


def dev_row(rows: Sequence[Row]) -> Row:
    """The headline of dev text: by block where it has lists."""
    found = (row_of(rows, text=text, split="dev") for text in ("block", "document"))
    return next(row for row in found if row is not None)


def trained(
    bench: Bench, shards: Mapping[str, str], fixed: Mapping[str, Any], *, lr: float, minutes: float
) -> Cell:
    """What nanogpt.py says of a training, in a process of its own.

    Under "tried" it has its learning rate, its minutes and its bits of dev text, which are read as
    the front page reads test text. shards: the folders of these and of the tokenizer. fixed: what
    all trainings share.
    """
    assert bench.peers is not None
    with tempfile.TemporaryDirectory() as folder:
        unpack(bench.peers, Path(folder))
        settings = {
            **shards,
            **fixed,
            "peers": folder,
            "threads": device.threads(),
            "compiled": not bench.tiny,
            "beta": 0.99,
            "lr": lr,
            "seconds": 60 * minutes,
        }
        program = Path(__file__).with_name("nanogpt.py")
        device.wait_briefly()  # nanoGPT's threads, too, so that all wait alike.
        command = [sys.executable, str(program), json.dumps(settings)]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    cell = last_json(output)
    dev = dev_row(cell["rows"])["value"]
    return cell | {"tried": {"lr": lr, "minutes": round(minutes, 3), "dev": dev}}


def score(cell: Cell, model: str, text: str) -> Row | None:
    """The headline of a model on test text."""
    return row_of(cell["rows"], model=model, text=text)


def readings(cell: Cell) -> list[str]:
    """How the test text is read: by document, and by block where it has lists."""
    return [text for text in ("document", "block") if score(cell, "model", text)]


def scores(cells: Cells) -> str:
    """Every text: what was read, what was measured, and the models next to each other."""
    rows: list[list[str]] = []
    for language, name in LANGUAGES.items():
        if f"{language} endonym" not in cells:
            continue
        cell = cells[f"{language} endonym"]
        peer = cells.get(f"{language} nanoGPT")
        for text in readings(cell):
            ours = score(cell, "model", text)
            theirs = score(peer, "model", text) if peer else None
            assert ours is not None
            rows.append(
                [
                    name,
                    text,
                    f"{ours['n_documents']:,}",
                    words(cell, ours["n_bytes"]),
                    f"{ours['n_bytes'] / 1e3:.0f}",
                    *(baseline(cell, model, text) for model in ("unigram", "bigram")),
                    compressed(cell, text),
                    f"{theirs['value']:.3f}" if theirs else "–",
                    interval(ours["value"], ours["low"], ours["high"]),
                ]
            )
    head = ["text", "read by", "texts tested", "thousand words", "kB", "unigram", "bigram"]
    return markdown([*head, "compressor", "nanoGPT", "endonym (95 %)"], rows, labels=2)


def baseline(cell: Cell, model: str, text: str) -> str:
    """The figure of a model that only counts."""
    row = score(cell, model, text)
    return f"{row['value']:.3f}" if row else "–"


def compressed(cell: Cell, text: str) -> str:
    """The figure of the compressor. Where it has read a sample of the texts, with ours of these."""
    compressor, ours = score(cell, "compressor", text), score(cell, "model_on_sample", text)
    if compressor is None:
        return "–"
    return f"{compressor['value']:.3f}" + (f" (endonym {ours['value']:.3f})" if ours else "")


def front_page(cells: Cells) -> str:
    """A row for each text: what was read and measured, and the three figures."""
    rows: list[list[str]] = []
    for language, name in LANGUAGES.items():
        if f"{language} endonym" not in cells:
            continue
        cell = cells[f"{language} endonym"]
        text = readings(cell)[-1]
        ours, compressor = score(cell, "model", text), score(cell, "compressor", text)
        peer = cells.get(f"{language} nanoGPT")
        theirs = score(peer, "model", text) if peer else None
        assert ours is not None
        rows.append(
            [
                name,
                f"{cell['read_bytes'] / 1e6:.1f}",
                f"{ours['n_documents']:,}",
                words(cell, ours["n_bytes"]),
                f"{ours['n_bytes'] / 1e3:.0f}",
                f"{cell['elapsed_minutes']:.0f}",
                f"{compressor['value']:.3f}" if compressor else "–",
                f"{theirs['value']:.3f}" if theirs else "–",
                interval(ours["value"], ours["low"], ours["high"]),
            ]
        )
    head = ["text", "MB read", "texts tested", "thousand words", "kB", "minutes", "compressor"]
    return markdown([*head, "nanoGPT", "endonym (95 %)"], rows)


def costs(cells: Cells) -> str:
    """What was trained, for how long, and what `check` had promised."""
    head = ["text", "MB", "words of vocabulary", "M weights", "M tokens", "epochs", "cores"]
    head += ["training, s", "all, min", "training to export, s", "promised, s"]
    rows = [
        [
            name,
            f"{cell['splits']['train']['bytes'] / 1e6:.1f}",
            f"{cell['vocab']:,}",
            f"{cell['parameters'] / 1e6:.2f}",
            f"{cell['tokens'] / 1e6:.1f}",
            f"{cell['epochs']:.1f}",
            str(cell["machine"]["cores"]),
            f"{cell['step_seconds']:.0f}",
            f"{cell['elapsed_minutes']:.0f}",
            f"{cell['taken_seconds']:.0f}",
            f"{cell['promised_seconds']:.0f}",
        ]
        for language, name in LANGUAGES.items()
        if (key := f"{language} endonym") in cells and (cell := cells[key])
    ]
    return markdown(head, rows)


def peers(cells: Cells) -> str:
    """Every training of nanoGPT by dev text. The last one is judged."""
    rows: list[list[str]] = []
    for language, name in LANGUAGES.items():
        if (key := f"{language} nanoGPT") not in cells:
            continue
        cell, ours = cells[key], cells[f"{language} endonym"]
        sizes = [f"{each['parameters'] / 1e6:.2f}" for each in (ours, cell)]
        for way in cell["tried"]:
            numbers = (f"{way['lr']:g}", f"{way['minutes']:.1f}", f"{way['dev']:.3f}")
            rows.append([name, *sizes, *numbers])
    head = ["text", "M weights, endonym", "M weights, nanoGPT", "learning rate"]
    return markdown([*head, "minutes", "dev"], rows)


BENCHMARK = Benchmark(
    name="five-minutes",
    code=MAKES_A_MODEL,
    cells=cells,
    tables={
        ("README.md", "five minutes"): front_page,
        ("docs/results.md", "five minutes"): scores,
        ("docs/results.md", "five minutes, cost"): costs,
        ("docs/results.md", "five minutes, nanoGPT"): peers,
    },
    watched={
        "rows/0/value": Watch("lower", 0.01, timed=True),
        "elapsed_minutes": Watch("lower", 0.3, timed=True),
    },
)

if __name__ == "__main__":
    main(BENCHMARK)
