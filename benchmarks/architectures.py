"""Every architecture: its cost by formula, and the speed of four next to `transformers`.

"next to": training on a batch (forward, loss, backward) and generating (one token after another
from the cache), ours and theirs in turns (A B A B …) in one process, on the same weights and
tokens, with the attention that is fastest for `transformers`. "growth": ours alone, microseconds a
token of training on one document of 256 to 4,096 tokens.
"""

import inspect
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from benchmark import Bench, Benchmark, Watch, main
from cells import Cell, Cells
from pages import markdown

from endonym import device
from endonym.export.huggingface import export_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.log import number, size
from endonym.model.config import ModelConfig, ModelKeys
from endonym.model.count import cache_bytes, flops_per_token, parameters
from endonym.model.decoder import Decoder
from endonym.model.families import FAMILIES, resolve
from endonym.model.foreign.decoder import CACHE_ARGUMENTS
from endonym.model.init import new_decoder
from endonym.model.kernels.loss import summed_nats
from endonym.model.memory import training_bytes
from endonym.model.span import Span
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.train import train_tokenizer

VOCAB, CONTEXT = 8192, 1024
PROMPT, GENERATED = 256, 32
LENGTHS = (256, 1024, 4096)
ROUNDS = 3
ATTENTION: dict[str, Any] = {"layers": 6, "mixer": {"heads": 8}, "rows": 2, "length": 1024}
SHAPES: dict[str, dict[str, Any]] = {
    "mistral": ATTENTION | {"mixer": {"heads": 8, "window": 512}},
    "moe": ATTENTION | {"ffn": {"experts": 8, "active": 2, "hidden": 768}},
    "mamba": {"layers": 1, "mixer": {"state": 16}, "rows": 1, "length": 256},
    "mamba2": {"layers": 1, "mixer": {}, "rows": 2, "length": 1024},
}
"""Where a row differs from six layers of eight heads; all are 512 wide."""
TWINS = ("qwen3", "mamba", "mamba2", "moe")
"""Rows that are timed next to `transformers`: one of each kind of mixer, and one with experts."""
TINY_ROWS = ("qwen3", "mamba2")
Step = Callable[[], object]


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """Each row of the table of architectures next to transformers, then how its cost grows."""
    torch.set_num_threads(device.threads())
    if bench.tiny:
        return {f"tiny {row} growth": partial(growth_cell, row, (64,)) for row in TINY_ROWS}
    next_to = {f"{row} next to transformers": partial(speed_cell, bench, row) for row in TWINS}
    growth = {f"{row} growth": partial(growth_cell, row, LENGTHS) for row in FAMILIES}
    return next_to | growth


def made(row: str, length: int) -> Decoder:
    """A decoder of a row, with weights in which every part counts."""
    shape = ATTENTION | SHAPES.get(row, {})
    keys = {key: value for key, value in shape.items() if key not in ("rows", "length")}
    config = resolve(
        ModelKeys.model_validate({"family": row, "dim": 512, "residual_init": "scaled", **keys}),
        vocab=VOCAB,
        context=length,
    )
    return new_decoder(config, 0)


def twin(decoder: Decoder, attention: str) -> Any:
    """The same weights in `transformers`' own class."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = train_tokenizer(TokenizerConfig(kind="byte"), lambda: iter(["а"]))
    with tempfile.TemporaryDirectory() as folder:
        export_huggingface(LanguageModel(decoder, tokenizer), Path(folder))
        return AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation=attention
        )


def speed_cell(bench: Bench, row: str) -> Cell:
    """Seconds of ours and theirs, training and generating, in fp32; its faster attention."""
    bench.quiet(row)
    shape = ATTENTION | SHAPES.get(row, {})
    decoder = made(row, shape["length"])
    generator = torch.Generator().manual_seed(0)
    tokens_BT = torch.randint(VOCAB, (shape["rows"], shape["length"]), generator=generator)
    prompt_BT = torch.randint(VOCAB, (1, min(PROMPT, shape["length"] // 2)), generator=generator)
    ways: dict[str, Any] = {}
    for attention in ("sdpa", "eager") if FAMILIES[row].mixer == "attention" else ("eager",):
        theirs = twin(decoder, attention)
        ways[attention] = {
            "training": in_turns(
                lambda: train_ours(decoder.train(), tokens_BT),
                lambda: train_theirs(theirs.train(), tokens_BT),  # noqa: B023 - called at once
            ),
            "generating": in_turns(
                lambda: generate_ours(decoder.eval(), prompt_BT),
                lambda: generate_theirs(theirs.eval(), prompt_BT),  # noqa: B023 - as above
            ),
        }
    best = {
        kind: min((ways[attention][kind] for attention in ways), key=lambda way: way["ratio"])
        for kind in ("training", "generating")
    }
    threads = torch.get_num_threads()
    return best | {"tokens": tokens_BT.numel(), "generated": GENERATED, "threads": threads}


def train_ours(decoder: Decoder, tokens_BT: torch.Tensor) -> None:
    """Forward, loss and backward."""
    decoder.zero_grad(set_to_none=True)
    hidden_BTD, penalty = decoder(tokens_BT[:, :-1])
    targets_N = tokens_BT[:, 1:].flatten()
    nats = summed_nats(hidden_BTD.flatten(0, 1), decoder.readout, targets_N)
    (nats / len(targets_N) + penalty).backward()


def train_theirs(model: Any, tokens_BT: torch.Tensor) -> None:
    """The same, by its own loss."""
    model.zero_grad(set_to_none=True)
    model(tokens_BT, labels=tokens_BT, use_cache=False).loss.backward()


@torch.inference_mode()
def generate_ours(decoder: Decoder, prompt_BT: torch.Tensor) -> None:
    """The likeliest token, again and again; the prompt's own pass is part of it."""
    cache = decoder.empty_cache(1, prompt_BT.shape[1] + GENERATED)
    new_BT, past = prompt_BT, 0
    for _ in range(GENERATED):
        hidden_BTD, _ = decoder(new_BT, Span.after(past, new_BT), cache)
        past += new_BT.shape[1]
        new_BT = decoder.readout.logits(hidden_BTD[:, -1]).argmax(-1, keepdim=True)


@torch.inference_mode()
def generate_theirs(model: Any, prompt_BT: torch.Tensor) -> None:
    """The same loop around its own memory."""
    new_BT, cache = prompt_BT, None
    taken = inspect.signature(model.forward).parameters
    name = next(argument for argument in CACHE_ARGUMENTS if argument in taken)
    for _ in range(GENERATED):
        output = model(new_BT, use_cache=True, logits_to_keep=1, **{name: cache})
        cache = output[name]
        new_BT = output.logits[:, -1].argmax(-1, keepdim=True)


def in_turns(ours: Step, theirs: Step) -> dict[str, Any]:
    """Seconds of both, in turns after one round to warm up; the ratio is of the medians."""
    ours(), theirs()
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(ROUNDS):
        for name, step in (("ours", ours), ("theirs", theirs)):
            start = time.perf_counter()
            step()
            seconds[name].append(round(time.perf_counter() - start, 5))
    medians = {name: statistics.median(turns) for name, turns in seconds.items()}
    return {
        "ours_seconds": seconds["ours"],
        "theirs_seconds": seconds["theirs"],
        "ratio": round(medians["theirs"] / medians["ours"], 3),
    }


def growth_cell(row: str, lengths: tuple[int, ...]) -> Cell:
    """Microseconds a token of training on one row of each length; one layer, a window of 512."""
    keys: dict[str, Any] = {"family": row, "dim": 512, "layers": 1, "residual_init": "scaled"}
    if FAMILIES[row].mixer == "attention":
        window = {"window": 512} if FAMILIES[row].has_window else {}
        keys["mixer"] = {"heads": 8, **window}
    model_keys = ModelKeys.model_validate(keys)
    microseconds: dict[str, float] = {}
    for length in lengths:
        decoder = new_decoder(resolve(model_keys, vocab=256, context=max(length, 512)), 0).train()
        tokens_BT = torch.randint(256, (1, length), generator=torch.Generator().manual_seed(1))
        train_ours(decoder, tokens_BT)
        seconds: list[float] = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            train_ours(decoder, tokens_BT)
            seconds.append(time.perf_counter() - start)
        microseconds[str(length)] = round(min(seconds) / length * 1e6, 2)
    return {"microseconds_a_token": microseconds, "threads": torch.get_num_threads()}


def shape_of(row: str) -> ModelConfig:
    """The shape that costs are given for: 512 wide, 6 layers; 12 of those without feed-forward."""
    shape = ATTENTION | SHAPES.get(row, {})
    keys: dict[str, Any] = {"family": row, "dim": 512, "layers": 6, "mixer": shape["mixer"]}
    if "ffn" in shape:
        keys["ffn"] = shape["ffn"]
    if FAMILIES[row].ffn == "none":
        keys["layers"] = 12
    return resolve(ModelKeys.model_validate(keys), vocab=VOCAB, context=CONTEXT)


def costs(cells: Cells) -> str:
    """Parameters, operations and memory, by formula."""
    del cells
    rows: list[list[str]] = []
    for row in FAMILIES:
        config = shape_of(row)
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
    head = ["row", "parameters", "active", "FLOPs a token", "cache a token", "cache at 1 024"]
    return markdown([*head, "training memory, bf16"], rows)


def speeds(cells: Cells) -> str:
    """Ratios to `transformers`, and tokens a second."""
    rows: list[list[str]] = []
    for row in TWINS:
        if (cell := cells.get(f"{row} next to transformers")) is None:
            continue
        seconds = statistics.median(cell["training"]["ours_seconds"])
        tokens = number(round(cell["tokens"] / seconds))
        ratios = [f"{cell[kind]['ratio']:.2f}×" for kind in ("training", "generating")]
        rows.append([f"`{row}`", *ratios, tokens, str(cell["threads"])])
    return markdown(["row", "training", "generating", "tokens a second, training", "cores"], rows)


def growths(cells: Cells) -> str:
    """Microseconds a token at each length."""
    rows = [
        [f"`{row}`", *(f"{microseconds[str(length)]:.0f}" for length in LENGTHS)]
        for row in FAMILIES
        if (cell := cells.get(f"{row} growth"))
        if (microseconds := cell["microseconds_a_token"])
    ]
    return markdown(["row", *map(number, LENGTHS)], rows)


BENCHMARK = Benchmark(
    name="architectures",
    code=("endonym.model", "endonym.export.huggingface", "endonym.device"),
    cells=cells,
    tables={
        ("docs/architectures.md", "cost"): costs,
        ("docs/architectures.md", "speed"): speeds,
        ("docs/architectures.md", "growth"): growths,
    },
    watched={
        "*/ratio": Watch("higher", 0.15, timed=True),
        "microseconds_a_token/*": Watch("lower", 0.3, timed=True),
    },
)

if __name__ == "__main__":
    main(BENCHMARK)
