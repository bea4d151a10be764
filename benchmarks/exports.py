"""Exports of three architectures, compared with the model by the program that runs them.

A cell "exports" trains a model of 2 × 256 on Tatar (120,000 tokens; it need not be good), exports
it to transformers and to GGUF, and compares: ids of 10,000 lines, the likeliest id at 4,096
positions, bits per byte. The lines are held-out ones first, then others of the corpus: for ids it
does not matter whether a line was trained on. "runtimes" measures one model of 5 million
parameters and its exports, each in the program that runs it, in fresh processes, by turns.
"""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmark import MAKES_A_MODEL, Bench, Benchmark, Watch, main
from cells import Cell, Cells
from pages import markdown
from runs import endonym, last_json

from endonym import device
from endonym.data.shards import TokenShards
from endonym.evaluate.speed import Efficiency, measured_efficiency
from endonym.evaluate.speed import cells as efficiency_columns
from endonym.export.card import Card
from endonym.export.config import Export
from endonym.export.formats import MAKING
from endonym.export.verify import LINES, verify_export
from endonym.generate.language_model import LanguageModel
from endonym.model.families import FAMILIES
from endonym.pipeline.evaluation import held_out_documents
from endonym.store import Store

MEASURED = ("gpt2", "qwen3", "mamba2")
"""The tests export all architectures, also those with experts and the first Mamba."""
GGUF = ("F16", "Q8_0", "Q5_K_M", "Q4_K_M")
KEYS = {
    "mamba2": ["mixer.head_width = 64", "mixer.state = 64"],
}
"""What a row needs beyond its defaults; rows of all matrices are multiples of 256."""
RUNTIMES = """
[[evaluate]]
kind = "bits"
baselines = false

[[evaluate]]
kind = "speed"

[[export]]
format = "huggingface"

[[export]]
format = "gguf"
quantize = ["F16", "Q8_0", "Q4_K_M"]
"""


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """A cell for each of these architectures, and one of the programs that run exports."""
    if bench.tiny:
        return {"tiny exports qwen3": partial(export_cell, bench, "qwen3")}
    every = {f"exports {row}": partial(export_cell, bench, row) for row in MEASURED}
    return every | {"runtimes 5M": partial(runtimes_cell, bench)}


def recipe_of(bench: Bench, row: str, *, model: list[str], tokens: int, context: int) -> str:
    """A recipe of Tatar; rows share all before the model."""
    sources = [
        f'[[source]]\nname = "texts-{number}"\npath = "{text}"\ndocument = "line"\n'
        for number, text in enumerate(bench.texts("tt"))
    ]
    keys = [f'family = "{row}"', *model, *KEYS.get(row, [])]
    if FAMILIES[row].mixer == "attention":
        keys.append("mixer.heads = 4")
    parts = [
        f'name = "{row}"\nlanguage = "tt"\n',
        *sources,
        '[clean]\nnormalize = ["nfc"]\nmin_chars = 3\n\n[split]\nval_share = 0.05\n',
        f'[tokenizer]\nkind = "bpe"\nvocab = {300 if bench.tiny else 4000}\n',
        f"[pack]\ncontext = {context}\n",
        "[model]\n" + "\n".join(keys) + "\n",
        f'[[phase]]\nname = "pretrain"\ntokens = {tokens}\nbatch_tokens = 2048\nlr = 2e-3\n'
        + ('number_format = "fp32"\n' if bench.tiny else ""),
    ]
    return "\n".join(parts)


def export_cell(bench: Bench, row: str) -> Cell:
    """Train, export, verify."""
    work = bench.kept_folder("exports", BENCHMARK.code_hash())
    model_keys = ["dim = 256", "layers = 2"]
    recipe = work / f"{row}.toml"
    tokens = 2048 if bench.tiny else 120_000
    text = recipe_of(bench, row, model=model_keys, tokens=tokens, context=256)
    recipe.write_text(text, encoding="utf-8")
    finished = last_json(endonym(work, "run", recipe.name, "--json", "-q"))
    ids = {stage["name"].split()[0]: stage["id"] for stage in finished["stages"]}
    model = LanguageModel.load(work / "store" / "model" / ids["model"])
    texts = lines_of(work / "store" / "shards" / ids["shards"], model)
    started, checks = time.perf_counter(), list[dict[str, Any]]()
    quantize = GGUF[:1] if bench.tiny else GGUF
    for export in (Export(format="huggingface"), Export(format="gguf", quantize=quantize)):
        with tempfile.TemporaryDirectory(dir=work) as folder:
            card = Card(recipe.stem, "tt")
            MAKING[export.format].write(export, model, Path(folder), card=card)
            checks += [asdict(check) for check in verify_export(Path(folder), model, texts)]
    named = [named_check(check, recipe.stem) for check in checks]
    return {
        "export_seconds": round(time.perf_counter() - started, 1),
        "vocab": model.tokenizer.vocab,
        "lines": min(LINES, sum(len(text.splitlines()) for text in texts)),
        "bytes": sum(len(text.encode()) for text in texts),
        "checks": named,
        "checks_failed": sum(not check["ok"] for check in named),
        "bits_ratio": {
            check["format"]: 1 + check["value"]
            for check in named
            if check["check"] == "bits_per_byte"
        },
    }


def lines_of(shards: Path, model: LanguageModel) -> list[str]:
    """Held-out documents, and others until there are enough lines."""
    texts = held_out_documents(shards, model.tokenizer)
    count = sum(len(text.splitlines()) for text in texts)
    train = TokenShards(shards, "train")
    for number in range(len(train)):
        if count >= LINES:
            break
        texts.append(model.tokenizer.decode(train.document(number).ids.tolist()))
        count += len(texts[-1].splitlines())
    return texts


def named_check(check: dict[str, Any], stem: str) -> dict[str, Any]:
    """A check under the name of its format."""
    file = check["file"].removesuffix(".gguf").removeprefix(f"{stem}-")
    kept = {key: check[key] for key in ("check", "ok", "value", "unit", "runtime", "example")}
    return {"format": file if file in GGUF else "transformers", **kept}


def runtimes_cell(bench: Bench) -> Cell:
    """One model and its exports, in endonym, transformers and llama.cpp."""
    bench.quiet("runtimes")
    work = bench.folder("exports runtimes")
    recipe = work / "runtimes.toml"
    keys = ["dim = 256", "layers = 4"]
    text = recipe_of(bench, "qwen3", model=keys, tokens=200_000, context=1024)
    recipe.write_text(f"{text}{RUNTIMES}".replace('"qwen3"', '"runtimes"', 1), encoding="utf-8")
    finished = last_json(endonym(work, "run", recipe.name, "--json", "-q"))
    (stage,) = [
        stage for stage in finished["stages"] if stage["name"].startswith("evaluation speed")
    ]
    speed = Store(work / "store").find("evaluation", stage["id"])
    assert speed is not None, "the run has just finished"
    rows = [asdict(row) for row in measured_efficiency(speed)]
    return {"rows": rows, "context": 1024, "threads": device.threads()}


def value_of(cell: Cell, form: str, check: str) -> float:
    """One figure of a cell."""
    wanted = (form, check)
    return next(c["value"] for c in cell["checks"] if (c["format"], c["check"]) == wanted)


def comparisons(cells: Cells) -> str:
    """A row for each architecture: what differs in each format."""
    rows: list[list[str]] = []
    for family in MEASURED:
        if (cell := cells.get(f"exports {family}")) is None:
            continue
        forms = ("transformers", *GGUF)
        differ = sum(value_of(cell, form, "ids") for form in forms)
        rises = [f"{100 * value_of(cell, form, 'bits_per_byte'):+.2f} %" for form in forms]
        agree = f"{100 * value_of(cell, 'F16', 'likeliest'):.2f} %"
        rows.append([family, f"{differ:.0f} of {cell['lines']:,}", agree, *rises])
    return markdown(["row", "lines that differ", "F16 agrees", "transformers", *GGUF], rows)


def runtimes(cells: Cells) -> str:
    """Size, memory and speed in each program."""
    if (cell := cells.get("runtimes 5M")) is None:
        return ""
    head, *rows = efficiency_columns([Efficiency(**row) for row in cell["rows"]])
    return markdown(head, rows)


BENCHMARK = Benchmark(
    name="exports",
    code=(*MAKES_A_MODEL, "endonym.evaluate.runtimes", "endonym.evaluate.speed"),
    cells=cells,
    tables={
        ("docs/exports.md", "exports"): comparisons,
        ("docs/exports.md", "runtimes"): runtimes,
    },
    watched={
        "checks_failed": Watch("lower", 0.0, bound=0),
        "bits_ratio/*": Watch("lower", 0.005),
        "rows/*/*_tokens_per_second": Watch("higher", 0.2, timed=True),
    },
)

if __name__ == "__main__":
    main(BENCHMARK)
