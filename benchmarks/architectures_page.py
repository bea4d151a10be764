"""The tables of docs/architectures.md, from formulas and the results in benchmarks/results."""

import json
import statistics
from typing import Any

from architectures import ATTENTION, LENGTHS, SHAPES, VOCAB
from cells import RESULTS, Cells
from pages import markdown

from endonym.log import number, size
from endonym.model.config import ModelConfig, ModelKeys
from endonym.model.count import cache_bytes, flops_per_token, parameters
from endonym.model.families import FAMILIES, resolve
from endonym.model.memory import training_bytes

CONTEXT = 1024


def shape(row: str) -> ModelConfig:
    """The shape that costs are given for: 512 wide, 6 layers; 12 of those without feed-forward."""
    said = ATTENTION | SHAPES.get(row, {})
    keys: dict[str, Any] = {"family": row, "dim": 512, "layers": 6, "mixer": said["mixer"]}
    if "ffn" in said:
        keys["ffn"] = said["ffn"]
    if FAMILIES[row].ffn == "none":
        keys["layers"] = 12
    return resolve(ModelKeys.model_validate(keys), vocab=VOCAB, context=CONTEXT)


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


def speed() -> str:
    """Ratios to `transformers`, and tokens a second."""
    cells = Cells(RESULTS / "architectures.json")
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


def growth() -> str:
    """Microseconds a token at each length."""
    cells = Cells(RESULTS / "architectures.json")
    head = ["row", *map(number, LENGTHS)]
    rows = [
        [f"`{row}`", *(f"{found[str(length)]:.0f}" for length in LENGTHS)]
        for row in FAMILIES
        for found in [cells[f"{row} bf16 growth"]["microseconds_a_token"]]
    ]
    return markdown(head, rows)


def tatar() -> str:
    """Held-out bits per byte of the study's runs, the best first."""
    study = json.loads((RESULTS / "architectures-tatar.json").read_text(encoding="utf-8"))
    head = ["run", "parameters", "bits per byte", "95 %", "to the best, paired 95 %", "tokens/s"]
    rows: list[list[str]] = []
    for index, run in enumerate(study["runs"]):
        bits, gap = run["score"], run["difference"] if index else None
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


TABLES = {"cost": cost, "speed": speed, "growth": growth, "tatar": tatar}
