"""Law 11: an adapter starts as the identity; merged, saved and loaded it is what was trained.

Over every family in every variant, LoRA and DoRA, and over models that transformers computes.
"""

from pathlib import Path

import pytest
import torch
from foreign_folders import KINDS, VOCAB, write_model
from laws.shapes import SHAPES, lively, shape, some_tokens
from torch import Tensor
from toys import lively_decoder, train_config

from endonym.data.batches import Batch
from endonym.export.adapters import read_adapter, write_adapter
from endonym.model.adapt_config import Adapt, adapter_parameters
from endonym.model.families import FAMILIES
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.foreign.weights import load_foreign
from endonym.model.lora import adapted, changes_of, copy_on, merge_changes, new_changes
from endonym.train.optimizer import Optimizer
from endonym.train.step import require_finite, take_step

WAYS = {"lora": Adapt(rank=3, on=("all",)), "dora": Adapt(rank=3, on=("all",), dora=True)}
SHAPED = [
    (name, way)
    for shape_turn, name in enumerate(SHAPES)
    for way_turn, way in enumerate(WAYS)
    if name.endswith("-plain") or (shape_turn + way_turn) % 2
]
"""Every family in both ways, its variants in either in turn."""
FOREIGN = ("gemma3", "qwen2", "mixtral", "bloom", "falcon_mamba", "llama")


def stirred(decoder: AnyDecoder, way: str, seed: int = 3) -> AnyDecoder:
    """A copy with an adapter, each number of which has another value, as if it were trained."""
    made = copy_on(decoder, new_changes(decoder, WAYS[way].resolved(), seed))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, each in made.named_parameters():
            if ".adapters." in name:
                each += 0.1 * torch.randn(each.shape, generator=generator).to(each.dtype)
    return made


def gap(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


@torch.no_grad()
def require_law(decoder: AnyDecoder, way: str, tokens: Tensor, folder: Path, close: float) -> None:
    plain, names = decoder.logits(tokens), [name for name, _ in decoder.named_parameters()]
    new = copy_on(decoder, new_changes(decoder, WAYS[way].resolved(), 1))
    assert torch.equal(new.logits(tokens), plain)
    trained = stirred(decoder, way)
    wanted, changes = trained.logits(tokens), changes_of(trained)
    assert gap(wanted, plain) > 0.01
    write_adapter(folder, decoder, changes, base_name="base")
    beside = copy_on(decoder, read_adapter(folder, decoder))
    assert gap(beside.logits(tokens), wanted) < close
    assert torch.equal(decoder.logits(tokens), plain)  # copies share weights, not adapters
    merge_changes(decoder, changes)
    assert [name for name, _ in decoder.named_parameters()] == names
    assert gap(decoder.logits(tokens), wanted) < close


@pytest.mark.parametrize(("name", "way"), SHAPED)
def test_an_adapter_is_the_same_attached_merged_saved_and_loaded(
    name: str, way: str, tmp_path: Path
) -> None:
    require_law(lively(SHAPES[name]), way, some_tokens(2, 17), tmp_path, 1e-5)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", FOREIGN)
def test_so_it_is_with_models_that_transformers_computes(
    kind: str, way: str, tmp_path: Path
) -> None:
    assert kind in KINDS
    write_model(kind, tmp_path / "base")
    decoder = load_foreign(tmp_path / "base").eval()
    require_law(decoder, way, some_tokens(2, 11, vocab=VOCAB), tmp_path / "adapter", 1e-4)


@pytest.mark.parametrize("number_format", ["fp32", "bf16"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", [*FAMILIES, "hybrid"])
def test_only_the_adapter_learns_and_all_of_it(family: str, way: str, number_format: str) -> None:
    """Law 10: B has a gradient in the first step, A and magnitudes in the second at the latest."""
    which = ("mamba2", "hybrid") if family == "hybrid" else (family, "plain")
    config = shape(*which)
    decoder = adapted(lively_decoder(config).train(), WAYS[way].resolved(), 5)
    base = {n: e.detach().clone() for n, e in decoder.named_parameters() if not e.requires_grad}
    phase = train_config(lr=1e-2, number_format=number_format)
    optimizer = Optimizer(decoder, phase)
    assert sum(each.numel() for each in optimizer.masters) == adapter_parameters(
        config, WAYS[way].resolved()
    )
    before = {name: each.clone() for name, each in optimizer.weights().items()}
    tokens_BT = some_tokens(8, 32)
    batch = Batch(tokens_BT, tokens_BT.roll(-1, 1), torch.zeros_like(tokens_BT))
    nats = [
        take_step(optimizer, batch, lr_scale=1.0, rows=8, refuses=require_finite("")).nats
        for _ in range(4)
    ]
    assert min(nats[1:]) < nats[0]
    assert not [n for n, each in optimizer.weights().items() if torch.equal(each, before[n])]
    for name, each in decoder.named_parameters():
        if not each.requires_grad:
            assert each.grad is None
            rounded = base[name].to(each.dtype)
            assert torch.equal(each, rounded), name
