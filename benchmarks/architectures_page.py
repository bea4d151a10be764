"""Writes the tables of docs/architectures.md from the formulas and the committed results.

    python benchmarks/architectures_page.py

What stands between `<!-- table NAME -->` and `<!-- end -->` is replaced; the rest is prose.
"""

import json
import re
import statistics
from pathlib import Path
from typing import Any

from architectures import ATTENTION, LENGTHS, SHAPES, VOCAB

from endonym.log import number, size
from endonym.model.config import ModelConfig
from endonym.model.count import cache_bytes, flops_per_token, parameters
from endonym.model.families import FAMILIES, resolve
from endonym.model.keys import ModelKeys
from endonym.model.memory import training_bytes

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architectures.md"
RESULTS = ROOT / "benchmarks" / "results"
CONTEXT = 1024


def main() -> None:
    """Replace every table of the page."""
    text = PAGE.read_text(encoding="utf-8")
    cells = json.loads((RESULTS / "architectures.json").read_text(encoding="utf-8"))
    study = json.loads((RESULTS / "architectures-tatar.json").read_text(encoding="utf-8"))
    tables = {"cost": cost(), "speed": speed(cells), "growth": growth(cells), "tatar": tatar(study)}
    for name, table in tables.items():
        pattern = rf"(<!-- table {name} -->\n).*?(<!-- end -->)"
        text = re.sub(pattern, rf"\g<1>{table}\g<2>", text, flags=re.DOTALL)
    PAGE.write_text(text, encoding="utf-8")


def shape(row: str) -> ModelConfig:
    """The shape that costs are told for: 512 wide, 6 layers; 12 of those without feed-forward."""
    said = ATTENTION | SHAPES.get(row, {})
    keys: dict[str, Any] = {"family": row, "dim": 512, "layers": 6, "mixer": said["mixer"]}
    if "ffn" in said:
        keys["ffn"] = said["ffn"]
    if FAMILIES[row].ffn == "none":
        keys["layers"] = 12
    return resolve(ModelKeys.model_validate(keys), vocab=VOCAB, context=CONTEXT)


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table; all columns but the first are numbers."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def cost() -> str:
    """Parameters, operations and memory, by formula."""
    head = ["row", "parameters", "active", "FLOPs a token", "cache a token", "cache at 1 024"]
    head += ["training memory, bf16"]
    rows: list[list[str]] = []
    for row in FAMILIES:
        config = shape(row)
        count = parameters(config)
        grown = cache_bytes(config, 4 * CONTEXT, 2) - cache_bytes(config, 2 * CONTEXT, 2)
        rows.append(
            [
                f"`{row}`",
                number(count.total),
                number(count.active),
                f"{flops_per_token(config) / 1e6:.0f} M",
                size(grown // (2 * CONTEXT)) if grown else "0",
                size(cache_bytes(config, CONTEXT, 2)),
                size(training_bytes(config, 8192, "bf16")),
            ]
        )
    return markdown(head, rows)


def speed(cells: dict[str, Any]) -> str:
    """Ratios to `transformers`, and tokens a second."""
    head = ["row", "training fp32", "training bf16", "tokens/s, bf16", "generating fp32"]
    head += ["generating bf16"]
    rows: list[list[str]] = []
    for row in FAMILIES:
        wide, narrow = (cells[f"{row} {kind} beside"] for kind in ("fp32", "bf16"))
        seconds = statistics.median(narrow["training"]["ours_seconds"])
        rows.append(
            [
                f"`{row}`",
                f"{wide['training']['ratio']:.2f}×",
                f"{narrow['training']['ratio']:.2f}×",
                number(round(narrow["tokens"] / seconds)),
                f"{wide['decoding']['ratio']:.2f}×",
                f"{narrow['decoding']['ratio']:.2f}×",
            ]
        )
    return markdown(head, rows)


def growth(cells: dict[str, Any]) -> str:
    """Microseconds a token at each length."""
    head = ["row", *map(number, LENGTHS)]
    rows = [
        [f"`{row}`", *(f"{found[str(length)]:.0f}" for length in LENGTHS)]
        for row in FAMILIES
        for found in [cells[f"{row} bf16 growth"]["microseconds_a_token"]]
    ]
    return markdown(head, rows)


def tatar(study: dict[str, Any]) -> str:
    """Held-out bits per byte of the study's runs, the best first."""
    head = ["run", "parameters", "bits per byte", "95 %", "to the best, paired 95 %", "tokens/s"]
    rows: list[list[str]] = []
    for place, run in enumerate(study["runs"]):
        bits, gap = run["score"], run["difference"] if place else None
        rows.append(
            [
                f"`{run['name'].partition('@')[2] or run['family']}`",
                number(run["parameters"]),
                f"{bits['value']:.4f}",
                f"{bits['low']:.4f}–{bits['high']:.4f}",
                f"{gap['value']:+.4f} ({gap['low']:+.4f} to {gap['high']:+.4f})" if gap else "best",
                number(round(run["tokens_per_second"])),
            ]
        )
    return markdown(head, rows)


if __name__ == "__main__":
    main()
