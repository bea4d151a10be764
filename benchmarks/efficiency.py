"""A model of 5 and one of 25 million parameters in every program that runs them, on this machine.

    python benchmarks/efficiency.py --texts FOLDER [--sizes 5M 25M] [--again]

A cell is one size: a model is trained on the folder's texts for a short while, exported to
transformers and to GGUF files, and measured by `[[evaluate]] kind = "speed"`: each program in fresh
processes, by turns. Cells that are in benchmarks/results/efficiency.json are skipped unless --again
is given. Runs stand in --work, so that an interrupted training goes on. The plots of size against
bits per byte are written beside the figures, as efficiency-SIZE.svg.
"""

import argparse
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cells import RESULTS, Cells, busy_cores
from pages import markdown

import endonym
from endonym import device
from endonym.evaluate.speed import Efficiency, cells, measured_efficiency, notes
from endonym.evaluate.tables import aligned
from endonym.report.scores import efficiency_chart
from endonym.report.svg import draw_all

SHAPES = {
    "0.2M": {"dim": 64, "layers": 2, "heads": 1, "vocab": 1024, "tokens": 200_000},
    "5M": {"dim": 256, "layers": 4, "heads": 4, "vocab": 4096, "tokens": 1_500_000},
    "25M": {"dim": 512, "layers": 7, "heads": 8, "vocab": 4096, "tokens": 1_000_000},
}
"""Widths of the large ones are multiples of 256, as K-quants need; 0.2M is for trying the script.
Training is short: this is about programs, not about how good a model gets."""
RECIPE = """
[tokenizer]
vocab = {vocab}

[pack]
context = 1024

[model]
dim = {dim}
layers = {layers}
mixer.heads = {heads}

[[phase]]
name = "pretrain"
tokens = {tokens}

[[evaluate]]
kind = "bits"
baselines = false

[[evaluate]]
kind = "speed"

[[export]]
format = "huggingface"

[[export]]
format = "gguf"
quantize = ["F16", "BF16", "Q8_0", "Q5_K_M", "Q4_K_M"]
"""
STYLE = (
    "<style>text{font:12px system-ui;fill:#333}.grid{stroke:#ddd}.axis,.lead{stroke:#888}"
    ".dot{fill:#1b6ca8}</style>"
)
"""The page of a comparison has its own style sheet."""


def main() -> None:
    """Run the cells asked for, and print the table of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--language", default="tt")
    parser.add_argument("--sizes", nargs="+", default=["5M", "25M"], choices=list(SHAPES))
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "efficiency")
    parser.add_argument("--results", type=Path, default=RESULTS / "efficiency.json")
    parser.add_argument("--again", action="store_true")
    asked = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    kept = Cells(asked.results)
    for size in asked.sizes:
        if size not in kept or asked.again:
            noise = {"busy_cores_before": busy_cores()}
            kept.keep(size, measured(size, asked) | noise)
        rows = [Efficiency(**row) for row in kept[size]["rows"]]
        print(f"\n{size}: {kept[size]['parameters']:,} parameters, {kept[size]['language']}")
        print("\n".join([*aligned(cells(rows)), *notes(rows)]), flush=True)
        draw(rows, asked.results.with_name(f"{asked.results.stem}-{size}.svg"))


def measured(size: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Train, export and measure one size."""
    folder, store = asked.work / f"{asked.language}-{size}", asked.work / "store"
    if not (folder / "recipe.toml").is_file():
        path = endonym.new(folder, language=asked.language, texts=[asked.texts], store=store)
        text = path.read_text(encoding="utf-8").split("\n[tokenizer]")[0]
        path.write_text(f"{text}\n{RECIPE.format(**SHAPES[size])}", encoding="utf-8")
    run = endonym.make(endonym.Recipe.load(folder / "recipe.toml"), store=store)
    speed = [each for each in run.all("evaluation") if each.numbers["kind"] == "speed"][-1]
    model = run.artifact("model")
    assert model is not None
    return {
        "language": asked.language,
        "parameters": model.numbers["parameters"],
        "train_tokens": model.numbers["tokens"],
        "context": 1024,
        "sample": {key: speed.numbers[key] for key in ("documents", "bytes")},
        "processor": device.processor(),
        "rows": [asdict(row) for row in measured_efficiency(speed)],
    }


def page_table(size: str) -> str:
    """The table of a size, for docs/exports.md."""
    one = Cells(RESULTS / "efficiency.json")[size]
    heads, *rows = cells([Efficiency(**row) for row in one["rows"]])
    return markdown(heads, rows)


def draw(rows: list[Efficiency], path: Path) -> None:
    """Write the plot of size against bits per byte as a file of its own."""
    chart = efficiency_chart(rows)
    if chart is not None:
        (drawn,) = draw_all([chart], 720)
        opened = drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
        path.write_text(opened.replace("<title>", f"{STYLE}<title>", 1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
