"""Every row of the table of architectures beside its twin in `transformers`, on this machine.

    python benchmarks/architectures.py [--rows llama mamba2] [--formats fp32 bf16] [--again]

A cell is one row in one number format: training on a batch (forward, loss, backward) and
generating (one token after another from memory), ours and theirs in turns (A B A B …) in one
process, on the same weights and tokens. A growth cell is ours alone at lengths from 256 to 8192.
Cells that are in benchmarks/results/architectures.json are skipped unless --again is given. The
tables of docs/architectures.md are written from that file (tables.py).
"""

import argparse
import inspect
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from cells import RESULTS, Cells, busy_cores

from endonym import device
from endonym.export.huggingface import export_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.model.config import ModelKeys
from endonym.model.decoder import Decoder
from endonym.model.families import FAMILIES, resolve
from endonym.model.foreign.decoder import CACHE_ARGUMENTS
from endonym.model.init import new_decoder
from endonym.model.kernels.loss import summed_nats
from endonym.model.span import Span
from endonym.model.weights import narrow
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.train import train_tokenizer

VOCAB = 8192
PROMPT, GENERATED = 512, 64
LENGTHS = (256, 512, 1024, 2048, 4096, 8192)
ATTENTION = {"layers": 6, "mixer": {"heads": 8}, "rows": 4, "length": 1024}
SHAPES: dict[str, dict[str, Any]] = {
    "mistral": ATTENTION | {"mixer": {"heads": 8, "window": 512}},
    "moe": ATTENTION | {"ffn": {"experts": 8, "active": 2, "hidden": 768}},
    "mamba": {"layers": 1, "mixer": {"state": 16}, "rows": 1, "length": 256},
    "mamba2": {"layers": 1, "mixer": {}, "rows": 2, "length": 1024},
}
"""Where a row differs from six layers of eight heads; all are 512 wide."""
TARGETS = {"mamba": 5.0, "mamba2": 3.0}
FORMATS = {"fp32": torch.float32, "bf16": torch.bfloat16}
Step = Callable[[], object]


def main() -> None:
    """Run the cells asked for, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", default=list(FAMILIES))
    parser.add_argument("--formats", nargs="+", default=list(FORMATS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--results", type=Path, default=RESULTS / "architectures.json")
    parser.add_argument("--again", action="store_true")
    asked = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch.set_num_threads(device.cores())
    cells = Cells(asked.results)
    for row in asked.rows:
        for kind in asked.formats:
            for name, measure in (("beside", beside), ("growth", growth)):
                key = f"{row} {kind} {name}"
                if key not in cells or asked.again:
                    noise = {"busy_cores_before": busy_cores()}
                    cells.keep(key, measure(row, kind, asked.rounds) | noise)
                print(line(key, cells[key]), flush=True)


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


def twin(decoder: Decoder, kind: str) -> Any:
    """The same weights in `transformers`' own class."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = train_tokenizer(TokenizerConfig(kind="byte"), lambda: iter(["а"]))
    with tempfile.TemporaryDirectory() as folder:
        export_huggingface(LanguageModel(decoder, tokenizer), Path(folder))
        return AutoModelForCausalLM.from_pretrained(folder, dtype=FORMATS[kind])


def beside(row: str, kind: str, rounds: int) -> dict[str, Any]:
    """Seconds of ours and theirs, training and generating."""
    shape = ATTENTION | SHAPES.get(row, {})
    decoder = made(row, shape["length"])
    theirs = twin(decoder, kind).train()
    if kind == "bf16":
        narrow(decoder)
    generator = torch.Generator().manual_seed(0)
    tokens_BT = torch.randint(VOCAB, (shape["rows"], shape["length"]), generator=generator)
    training = in_turns(
        lambda: train_ours(decoder.train(), tokens_BT),
        lambda: train_theirs(theirs.train(), tokens_BT),
        rounds,
    )
    prompt_BT = torch.randint(VOCAB, (1, min(PROMPT, shape["length"] // 2)), generator=generator)
    decoding = in_turns(
        lambda: generate_ours(decoder.eval(), prompt_BT),
        lambda: generate_theirs(theirs.eval(), prompt_BT),
        rounds,
    )
    found = {"tokens": tokens_BT.numel(), "generated": GENERATED}
    if row in TARGETS:
        found["mixer"] = mixers(decoder, theirs, tokens_BT, FORMATS[kind], rounds)
    return found | {"training": training, "decoding": decoding}


def mixers(
    decoder: Decoder, theirs: Any, tokens_BT: torch.Tensor, dtype: torch.dtype, rounds: int
) -> dict[str, Any]:
    """The mixer of one layer alone, forward and backward, without embedding and head."""
    x_BTD = torch.randn(*tokens_BT.shape, 512, dtype=dtype, requires_grad=True)
    mine, its = decoder.train().blocks[0].mixer, theirs.train().backbone.layers[0].mixer
    span = Span.after(0, tokens_BT)
    return in_turns(
        lambda: mine(x_BTD, span, None).sum().backward(),
        lambda: its(x_BTD).sum().backward(),
        rounds,
    )


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
    name = next(each for each in CACHE_ARGUMENTS if each in taken)
    for _ in range(GENERATED):
        said = model(new_BT, use_cache=True, logits_to_keep=1, **{name: cache})
        cache = said[name]
        new_BT = said.logits[:, -1].argmax(-1, keepdim=True)


def in_turns(ours: Step, theirs: Step, rounds: int) -> dict[str, Any]:
    """Seconds of both, in turns after one round to warm up; the ratio is of the medians."""
    ours(), theirs()
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(rounds):
        for name, step in (("ours", ours), ("theirs", theirs)):
            start = time.perf_counter()
            step()
            seconds[name].append(round(time.perf_counter() - start, 5))
    middle = {name: statistics.median(each) for name, each in seconds.items()}
    return {
        "ours_seconds": seconds["ours"],
        "theirs_seconds": seconds["theirs"],
        "ratio": round(middle["theirs"] / middle["ours"], 3),
        "ratio_of_best": round(min(seconds["theirs"]) / min(seconds["ours"]), 3),
    }


def growth(row: str, kind: str, rounds: int) -> dict[str, Any]:
    """Microseconds a token of training on one row of each length; one layer, a window of 512."""
    keys = {"family": row, "dim": 512, "layers": 1, "residual_init": "scaled"}
    if FAMILIES[row].mixer == "attention":
        window = {"window": 512} if FAMILIES[row].has_window else {}
        keys["mixer"] = {"heads": 8, **window}
    asked = ModelKeys.model_validate(keys)
    found: dict[str, float] = {}
    for length in LENGTHS:
        shape = resolve(asked, vocab=256, context=max(length, 512))
        decoder = new_decoder(shape, 0).train()
        if kind == "bf16":
            narrow(decoder)
        tokens_BT = torch.randint(256, (1, length), generator=torch.Generator().manual_seed(1))
        train_ours(decoder, tokens_BT)
        seconds = []
        for _ in range(max(2, rounds // 2)):
            start = time.perf_counter()
            train_ours(decoder, tokens_BT)
            seconds.append(time.perf_counter() - start)
        found[str(length)] = round(min(seconds) / length * 1e6, 2)
    return {"microseconds_a_token": found}


def line(key: str, cell: dict[str, Any]) -> str:
    """One cell as a person reads it."""
    if "training" not in cell:
        each = " ".join(f"{t}: {us:.0f}" for t, us in cell["microseconds_a_token"].items())
        return f"{key:<22} µs a token at length {each}"
    target = TARGETS.get(key.split()[0], 1.2)
    training, decoding = cell["training"], cell["decoding"]
    speed = cell["tokens"] / statistics.median(training["ours_seconds"])
    return (
        f"{key:<22} training {training['ratio']:6.2f}× (target {target}×), {speed:8.0f} tokens/s · "
        f"generating {decoding['ratio']:5.2f}×"
        + (f" · mixer alone {cell['mixer']['ratio']:.2f}×" if "mixer" in cell else "")
    )


if __name__ == "__main__":
    sys.exit(main())
