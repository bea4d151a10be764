"""Law 9, memory: what training keeps, by formula, is what autograd and the optimizer hold."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from laws.shapes import shape, some_tokens
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary
from toys import lively_decoder, toy_decoder, train_config

from endonym.data.batches import Batch
from endonym.model import memory
from endonym.model.adapt_config import Adapt, low_rank_numbers
from endonym.model.decoder import Decoder
from endonym.model.families import FAMILIES
from endonym.model.kernels import loss, state_space
from endonym.model.kernels.loss import summed_nats
from endonym.model.lora import adapted
from endonym.model.memory import fixed_bytes, kept_numbers, reading_bytes
from endonym.model.span import Span
from endonym.model.weights import PRECISE, narrow
from endonym.train.optimizer import Optimizer
from endonym.train.step import require_finite, take_step
from endonym.train.teacher import likely

ROWS, CONTEXT, DOCUMENT = 4, 128, 90
SIZES = {"dim": 128, "layers": 3}
WIDER = {"mamba": {"mixer": {"state": 16}}, "mamba2": {"mixer": {"state": 64, "head_width": 32}}}
WIDER |= {"moe": {"ffn": {"hidden": 64, "experts": 8, "active": 7}}}


def held(decoder: Decoder, document: int = DOCUMENT) -> int:
    """Bytes that one forward pass and its loss keep for the backward pass, weights aside.

    document: tokens of each document, as many as fit in a row.
    """
    weights = {parameter.untyped_storage().data_ptr() for parameter in decoder.parameters()}
    found: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            found[storage.data_ptr()] = tensor
        return tensor

    context = decoder.config.context
    tokens_BT = some_tokens(ROWS, context)
    span = Span.packed(torch.arange(context).expand(ROWS, -1) // document)
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        hidden_BTD, _ = decoder(tokens_BT, span)
        for made in span.memo.values():  # It lives as long as the pass.
            if isinstance(made, Tensor):
                keep(made)
        summed_nats(hidden_BTD.flatten(0, 1), decoder.readout, tokens_BT.flatten())
    return sum(tensor.untyped_storage().nbytes() for tensor in found.values())


@pytest.mark.parametrize("number_format", ["fp32", "bf16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_batch_keeps_is_within_a_tenth_of_the_formula(
    family: str, number_format: str
) -> None:
    config = shape(family, context=CONTEXT, **SIZES, **WIDER.get(family, {}))
    decoder = toy_decoder(config).train()
    if number_format == "bf16":
        narrow(decoder)
    promised = ROWS * CONTEXT * kept_numbers(config, number_format)
    promised *= 2 if number_format == "bf16" else 4
    assert promised == pytest.approx(held(decoder), rel=0.1)


@pytest.mark.parametrize("number_format", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("context", "document", "window"),
    [(512, 100, None), (512, 400, None), (1024, 500, 96), (512, 500, 160)],
    ids=["cut", "too long to cut", "cut by a window", "a window too wide to cut"],
)
def test_what_a_batch_keeps_follows_where_rows_are_cut(
    context: int, document: int, window: int | None, number_format: str
) -> None:
    """Rows that are not cut keep the scores of all keys, and the bar that hides some of them."""
    config = shape("qwen3", context=context, mixer={"window": window}, **SIZES)
    decoder = toy_decoder(config).train()
    if number_format == "bf16":
        narrow(decoder)
    promised = ROWS * context * kept_numbers(config, number_format, document)
    promised *= 2 if number_format == "bf16" else 4
    assert promised == pytest.approx(held(decoder, document), rel=0.1)


@pytest.mark.parametrize("number_format", ["fp32", "bf16"])
@pytest.mark.parametrize("family", ["qwen3", "falcon", "mamba2"])
def test_dropout_keeps_what_the_formula_adds_for_it(family: str, number_format: str) -> None:
    """The difference itself, since it is smaller than what the formula may be off by."""
    counted: list[float] = []
    kept: list[int] = []
    for dropout in (0.0, 0.2):
        given = {"dropout": dropout, "embedding_dropout": dropout}
        config = shape(family, context=CONTEXT, **SIZES, **WIDER.get(family, {}), **given)
        decoder = toy_decoder(config).train()
        if number_format == "bf16":
            narrow(decoder)
        bytes_ = ROWS * CONTEXT * (2 if number_format == "bf16" else 4)
        counted.append(bytes_ * kept_numbers(config, number_format))
        kept.append(held(decoder))
    assert counted[1] - counted[0] == pytest.approx(kept[1] - kept[0], rel=0.1)


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_gradients_and_optimizer_state_take_the_bytes_of_the_formula(family: str) -> None:
    config = shape(family)
    for number_format in ("fp32", "bf16"):
        decoder = toy_decoder(config).train()
        optimizer = Optimizer(decoder, train_config(lr=1e-3).but(number_format=number_format))
        tokens_BT = some_tokens(2, 16)
        batch = Batch(tokens_BT, tokens_BT, torch.zeros_like(tokens_BT))
        take_step(optimizer, batch, lr_scale=1.0, rows=2, refuses=require_finite(family))
        tensors = {id(each): each for each in [*decoder.parameters(), *optimizer.masters]}
        weights = sum(each.nbytes for each in tensors.values())
        optimizer_state = sum(each.nbytes for each in optimizer.state().values())
        precise = [p for name, p in decoder.named_parameters() if PRECISE.search(name)]
        extra = 4 * sum(each.numel() for each in precise) if number_format == "bf16" else 0
        assert fixed_bytes(config, number_format) == 2 * weights + optimizer_state - extra


@pytest.mark.parametrize("dora", [False, True], ids=["lora", "dora"])
@pytest.mark.parametrize("family", FAMILIES)
def test_of_an_adapted_model_only_the_adapter_has_gradients_and_state(
    family: str, *, dora: bool
) -> None:
    config, adapt = shape(family), Adapt(rank=3, dora=dora).resolved()
    for number_format in ("fp32", "bf16"):
        decoder = adapted(lively_decoder(config).train(), adapt, 1)
        phase = train_config(lr=1e-3).but(number_format=number_format, adapt=adapt)
        optimizer = Optimizer(decoder, phase)
        tokens_BT = some_tokens(4, 32)
        batch = Batch(tokens_BT, tokens_BT, torch.zeros_like(tokens_BT))
        take_step(optimizer, batch, lr_scale=1.0, rows=4, refuses=require_finite(family))
        frozen = [each for each in decoder.parameters() if not each.requires_grad]
        assert all(each.grad is None for each in frozen)
        base = sum(each.nbytes for each in frozen)
        tensors = {id(each): each for each in [*optimizer.parameters, *optimizer.masters]}
        own = sum(each.nbytes for each in tensors.values())
        # A gradient beside each number: of fp32 as wide as the masters.
        gradients = own
        state = sum(each.nbytes for each in optimizer.state().values())
        precise = [p for name, p in decoder.named_parameters() if PRECISE.search(name)]
        wide = [each.numel() * (2 if not each.requires_grad else 4) for each in precise]
        extra = sum(wide) if number_format == "bf16" else 0
        found = fixed_bytes(config, number_format, adapt=adapt)
        assert found == base + own + gradients + state - extra


ADAPTED = [
    (family, ("fp32", "bf16")[(family_turn + way_turn) % 2], way)
    for family_turn, family in enumerate(FAMILIES)
    for way_turn, way in enumerate(("plain", "dropout", "dora"))
]
"""Every family in every way, in either format in turn."""


@pytest.mark.parametrize(("family", "number_format", "way"), ADAPTED)
def test_what_a_batch_keeps_under_adapters_is_within_the_formula(
    family: str, number_format: str, way: str
) -> None:
    """An upper bound: frozen matrices need no inputs of theirs that nothing else keeps."""
    config = shape(family, context=CONTEXT, **SIZES, **WIDER.get(family, {}))
    given = {"plain": {}, "dropout": {"dropout": 0.1}, "dora": {"dora": True}}[way]
    adapt = Adapt(rank=16, **given).resolved()
    decoder = adapted(toy_decoder(config).train(), adapt, 1)
    if number_format == "bf16":
        narrow(decoder)
    numbers = kept_numbers(config, number_format) + low_rank_numbers(config, adapt)
    promised = ROWS * CONTEXT * numbers * (2 if number_format == "bf16" else 4)
    assert 0.7 * promised < held(decoder) < 1.1 * promised


class Peak(TorchDispatchMode):
    """The most bytes that some tensors, and those that are made within, hold at once."""

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        super().__init__()
        self.alive, self.bytes = WeakIdKeyDictionary(), 0
        for tensor in tensors:
            self.add(tensor)

    def add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()  # of a tensor and its views the same
        self.alive[storage] = storage.nbytes()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for each in tree_leaves(made):
            if isinstance(each, Tensor):
                self.add(each)
        self.bytes = max(self.bytes, sum(self.alive.values()))
        return made


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("vocab", [61, 4000], ids=["a block", "the logits"])
@pytest.mark.parametrize("family", ["qwen3", "gpt2", "falcon", "mamba2", "moe"])
def test_teachers_that_read_hold_no_more_than_the_formula_and_more_than_half(
    family: str, vocab: int, count: int
) -> None:
    """Whatever takes the most, a block or the logits.

    Not of the first Mamba, whose scan makes temporary tensors: they take a fifth more here.
    """
    config = shape(family, context=CONTEXT, vocab=vocab, **SIZES, **WIDER.get(family, {}))
    decoders = [
        lively_decoder(config, seed=n).requires_grad_(requires_grad=False) for n in range(count)
    ]
    tokens_BT = some_tokens(ROWS, CONTEXT)
    documents_BT = (torch.arange(CONTEXT) // DOCUMENT).expand(ROWS, -1)
    batch = Batch(tokens_BT, tokens_BT, documents_BT)
    with Peak(weight for each in decoders for weight in each.parameters()) as peak:
        likely(decoders, batch, None, vocab=vocab, top_k=4)
    promised = reading_bytes([config] * count, ROWS * CONTEXT, DOCUMENT)
    assert promised / 2 < peak.bytes < promised


def test_the_formula_knows_the_numbers_of_the_kernels() -> None:
    assert memory.sizes.CHUNK_LOGITS == loss.CHUNK_LOGITS
    assert memory.sizes.CPU_CHUNK == state_space.CPU_CHUNK


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from Linux's /proc")
def test_the_peak_that_the_system_counts_is_within_fifteen_percent_of_the_formula() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "memory.py"
    command = [sys.executable, str(script), "--in-this-process", "qwen3 128 256 fp32"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(said.splitlines()[-1])
    assert found["estimated_bytes"] == pytest.approx(found["measured_bytes"], rel=0.15)
