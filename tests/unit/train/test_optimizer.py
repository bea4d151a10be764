"""AdamW and Muon over fp32 masters: which learns what, by which numbers, and how it is clipped."""

import math

import pytest
import torch
from clipping import clipped_by_torch, gradients_of, norm_of
from reference.optimizing import OptimizerState, slow_adamw, slow_muon
from torch.nn import functional as F
from toys import toy_config, toy_decoder, train_config

from endonym.data.batches import Batch
from endonym.model.decoder import Decoder
from endonym.model.families import FAMILIES as ROWS
from endonym.train.config import TrainConfig
from endonym.train.optimizer import Optimizer, embedding_and_head_names
from endonym.train.step import take_step

FAMILIES = ("qwen3", "gpt2")
TABLE_NAMES = {"embedding.weight", "positions.weight", "head.weight"}
PHASE = train_config(lr=1e-2, embedding_lr=4e-2, weight_decay=0.5, clip=1e9)


MUON = PHASE.but(**{"optimizer": "muon", "normalise": True, "cautious": True})


def batch_of(rows: int = 4, *, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    tokens_BT = torch.randint(0, 40, (rows, 17), generator=generator)
    inputs_BT = tokens_BT[:, :-1].contiguous()
    return Batch(inputs_BT, tokens_BT[:, 1:].contiguous(), torch.zeros_like(inputs_BT))


def plain_adamw(decoder: Decoder) -> torch.optim.AdamW:
    """torch's own, given by name which parameters decay and which learn faster."""
    named = dict(decoder.named_parameters())
    embeddings_and_head = [p for name, p in named.items() if name in TABLE_NAMES]
    matrices = [p for n, p in named.items() if p.ndim == 2 and n not in TABLE_NAMES]
    vectors = [p for p in named.values() if p.ndim == 1]
    assert len(embeddings_and_head) + len(matrices) + len(vectors) == len(named)
    groups = [
        {"params": matrices, "lr": 1e-2, "weight_decay": 0.5},
        {"params": embeddings_and_head, "lr": 4e-2, "weight_decay": 0.0},
        {"params": vectors, "lr": 1e-2, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8, foreach=False, fused=False)


@pytest.mark.parametrize("family", FAMILIES)
def test_five_steps_equal_plain_adamw(family: str) -> None:
    ours, theirs = toy_decoder(toy_config(family)), toy_decoder(toy_config(family))
    optimizer, plain = Optimizer(ours, PHASE), plain_adamw(theirs)
    peaks = [group["lr"] for group in plain.param_groups]
    # Where a gradient is near zero, AdamW makes a whole step of its rounding.
    clear = [torch.ones_like(each, dtype=torch.bool) for each in theirs.parameters()]
    for number, lr_scale in enumerate((0.5, 1.0, 0.75, 0.5, 0.25)):
        batch = batch_of(seed=number)
        take_step(optimizer, batch, lr_scale=lr_scale, rows=2)
        logits_BTV = theirs.logits(batch.tokens_BT)
        F.cross_entropy(logits_BTV.flatten(0, 1), batch.targets_BT.flatten()).backward()
        for group, peak in zip(plain.param_groups, peaks, strict=True):
            group["lr"] = peak * lr_scale
        for each, is_clear in zip(theirs.parameters(), clear, strict=True):
            size = each.grad.abs()
            is_clear &= (size == 0) | (size > 1e-4 * size.max())
        plain.step()
        plain.zero_grad()
    pairs = zip(ours.named_parameters(), theirs.parameters(), clear, strict=True)
    for (name, one), two, is_clear in pairs:
        if not name.endswith("mixer.key.bias"):  # its gradient is noise around zero, by proof
            assert is_clear.float().mean() > 0.9, name
            torch.testing.assert_close(one[is_clear], two[is_clear], rtol=1e-4, atol=2e-5, msg=name)


def test_in_bf16_the_masters_stay_fp32_and_the_model_is_their_rounding() -> None:
    decoder = toy_decoder()
    before = {name: p.detach().clone() for name, p in decoder.named_parameters()}
    optimizer = Optimizer(decoder, PHASE.but(number_format="bf16"))
    assert all(torch.equal(optimizer.weights()[name], before[name]) for name in before)
    for number in range(3):
        take_step(optimizer, batch_of(seed=number), lr_scale=1.0, rows=3)
        for name, parameter in decoder.named_parameters():
            master = optimizer.weights()[name]
            assert (parameter.dtype, master.dtype) == (torch.bfloat16, torch.float32)
            assert torch.equal(parameter, master.to(torch.bfloat16)), name
            assert parameter.grad is None
    assert any(not torch.equal(value, before[n]) for n, value in optimizer.weights().items())


def test_steps_too_small_for_bf16_still_add_up_in_the_masters() -> None:
    decoder = toy_decoder()
    optimizer = Optimizer(decoder, train_config(lr=1e-4, weight_decay=0.0, number_format="bf16"))
    scale = dict(decoder.named_parameters())["norm.weight"]
    for _ in range(5):
        for parameter in decoder.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.collect()
        optimizer.step(1.0)
    # AdamW under a level gradient moves by lr each time; bf16 near 1 has steps of 1/256.
    master = optimizer.weights()["norm.weight"]
    assert master.tolist() == pytest.approx([1 - 5e-4] * 16, abs=1e-7)
    assert scale.tolist() == [1.0] * 16


def test_gradients_of_micro_batches_add_up_in_fp32() -> None:
    decoder = toy_decoder()
    optimizer = Optimizer(decoder, PHASE.but(number_format="bf16"))
    for value in (1.0, 2**-9, 2**-9):
        for parameter in decoder.parameters():
            parameter.grad = torch.full_like(parameter, value)
        optimizer.collect()
    for master in optimizer.masters:
        assert master.grad.flatten()[0] == 1 + 2**-8


@pytest.mark.parametrize("family", ROWS)
def test_muon_steps_the_matrices_of_blocks_and_adamw_all_else(family: str) -> None:
    decoder = toy_decoder(toy_config(family))
    optimizer = Optimizer(decoder, MUON)
    take_step(optimizer, batch_of(), lr_scale=1.0, rows=4)
    kinds: dict[str, set[str]] = {"momentum": set(), "row_squares": set()}
    for name in optimizer.state():
        parameter, _, kind = name.rpartition(".")
        kinds.setdefault(kind, set()).add(parameter)
    by_muon, by_adamw = kinds["momentum"], kinds["exp_avg"]
    assert (by_muon, by_adamw) == (kinds["row_squares"], kinds["exp_avg_sq"])
    assert by_muon.isdisjoint(by_adamw)
    assert by_muon | by_adamw == {name for name, _ in decoder.named_parameters()}
    taps = ("A_log", "convolution.weight")
    matrices = {name for name, each in decoder.blocks.named_parameters() if each.ndim > 1}
    assert by_muon == {f"blocks.{name}" for name in matrices if not name.endswith(taps)}
    assert len(by_muon) >= 4


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_constant_pull_does_not_follow_the_learning_rate(optimizer: str) -> None:
    keys = {"optimizer": optimizer, "decay_schedule": "constant"}
    decoder = toy_decoder()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.fill_(2.0)
    trained = Optimizer(decoder, PHASE.but(**keys))
    for number, lr_scale in enumerate((0.25, 1.0, 0.01)):
        for parameter in decoder.parameters():
            parameter.grad = torch.zeros_like(parameter)
        trained.step(lr_scale)
        found = dict(decoder.named_parameters())["blocks.0.mixer.query.weight"]
        assert found.flatten()[0].item() == pytest.approx(2 * (1 - 1e-2 * 0.5) ** (number + 1))


def test_adamw_with_caution_is_the_slow_one() -> None:
    decoder = toy_decoder()
    phase = PHASE.but(**{"cautious": True, "betas": (0.8, 0.9)})
    optimizer = Optimizer(decoder, phase)
    name = "blocks.0.ffn.up.weight"
    weights, optimizer_state = optimizer.weights()[name].double(), {}
    generator = torch.Generator().manual_seed(3)
    for step in range(1, 6):
        for parameter in decoder.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        gradient = dict(decoder.named_parameters())[name].grad
        keys = {"step": step, "lr": 1e-2 / step, "decay": 0.5, "betas": (0.8, 0.9)}
        weights = slow_adamw(weights, gradient.double(), optimizer_state, cautious=True, **keys)
        optimizer.step(1 / step)
        torch.testing.assert_close(optimizer.weights()[name], weights.float(), rtol=0, atol=1e-6)


NAME = "blocks.0.ffn.up.weight"
SAID = PHASE.but(optimizer="muon", betas=(0.5, 0.8))
SAME = (("momentum", 0.6), ("momentum", 0.0), ("cautious", True))
USUAL_MUON = {"momentum": 0.95, "row_memory": None, "cautious": False}
"""What Muon does where the phase says nothing."""


@pytest.mark.parametrize(
    ("said", "done"),
    [
        *(({key: value}, {key: value}) for key, value in SAME),
        *(({}, {}), ({"normalise": True}, {"row_memory": 0.8})),
    ],
    ids=lambda each: "-".join(each) or "nothing",
)
def test_muon_steps_with_what_the_phase_says(said: dict[str, object], done: dict[str, object]):
    decoder = toy_decoder()
    optimizer = Optimizer(decoder, SAID.but(**said))
    weights, optimizer_state = optimizer.weights()[NAME].double().clone(), OptimizerState()
    generator = torch.Generator().manual_seed(3)
    for number in range(1, 5):
        for parameter in decoder.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        gradient = dict(decoder.named_parameters())[NAME].grad
        keys = {**USUAL_MUON, **done}
        lr = 1e-2 / number
        weights = slow_muon(weights, gradient.double(), optimizer_state, lr=lr, decay=0.5, **keys)
        optimizer.step(1 / number)
        torch.testing.assert_close(optimizer.weights()[NAME], weights.float(), rtol=0, atol=2e-6)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_where_no_betas_are_said_adamw_forgets_as_is_usual(optimizer: str) -> None:
    decoder = toy_decoder()
    trained = Optimizer(decoder, train_config(lr=1e-2, optimizer=optimizer))
    for parameter in decoder.parameters():
        parameter.grad = torch.full_like(parameter, 2.0)
    trained.step(1.0)
    state = trained.state()
    assert state["norm.weight.exp_avg"].tolist() == pytest.approx([0.1 * 2] * 16)
    assert state["norm.weight.exp_avg_sq"].tolist() == pytest.approx([0.05 * 4] * 16)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", ROWS)
def test_embeddings_positions_and_the_head_are_tables(family: str, tied: bool) -> None:
    decoder = toy_decoder(toy_config(family).model_copy(update={"tied": tied}))
    names = {name for name, _ in decoder.named_parameters()}
    embeddings_and_head = {"embedding.weight", "positions.weight", "head.weight"} & names
    assert embedding_and_head_names(decoder) == embeddings_and_head
    assert ("head.weight" in embeddings_and_head) is not tied
    optimizer = Optimizer(decoder, SAID.but(**{"optimizer": "adamw"}))
    before = {name: weight.clone() for name, weight in optimizer.weights().items()}
    for parameter in decoder.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step(1.0)
    for name in embeddings_and_head:  # AdamW's first step is as long as its rate; no table decays
        moved = before[name] - optimizer.weights()[name]
        torch.testing.assert_close(moved, torch.full_like(moved, 4e-2), rtol=1e-4, atol=1e-6)


FACTORS = (0.01, 0.999, 1.001, 1.5, 1000.0)
"""The gradient's norm as a multiple of the largest that is allowed."""


def uneven_gradients(optimizer: Optimizer, norm: float) -> None:
    """Gradients of this norm over all: that of each tensor is twice that of the one before it."""
    generator = torch.Generator().manual_seed(1)
    drawn = [torch.randn(m.shape, generator=generator) for m in optimizer.masters]
    drawn = [each / each.norm() * 2.0 ** (index % 5) for index, each in enumerate(drawn)]
    total = math.sqrt(sum(float(each.double().square().sum()) for each in drawn))
    for master, each in zip(optimizer.masters, drawn, strict=True):
        master.grad = each * (norm / total)


@pytest.mark.parametrize("largest", [0.25, 8.0])
@pytest.mark.parametrize("factor", FACTORS)
def test_gradients_are_clipped_as_torch_clips_them(factor: float, largest: float) -> None:
    optimizer = Optimizer(toy_decoder(), PHASE)
    uneven_gradients(optimizer, factor * largest)
    before = gradients_of(optimizer)
    expected, norm = clipped_by_torch(before, largest)
    assert float(optimizer.clip(largest)) == pytest.approx(norm, rel=1e-6)
    found = gradients_of(optimizer)
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-6, atol=0)
    if factor < 1:
        assert all(torch.equal(one, two) for one, two in zip(found, before, strict=True))
    else:
        assert norm_of(found) == pytest.approx(largest, rel=1e-5)


def test_many_small_gradients_are_clipped_together() -> None:
    optimizer = Optimizer(toy_decoder(), PHASE)
    count = len(optimizer.masters)
    for master in optimizer.masters:
        master.grad = torch.full_like(master, 0.9 / math.sqrt(master.numel()))
    assert float(optimizer.clip(1.0)) == pytest.approx(0.9 * math.sqrt(count))
    norms = [float(each.norm()) for each in gradients_of(optimizer)]
    assert norms == pytest.approx([1 / math.sqrt(count)] * count, rel=1e-5)


@pytest.mark.parametrize("phase", [PHASE, MUON])
def test_state_that_is_no_number_is_found_as_weights_are(phase: TrainConfig) -> None:
    decoder = toy_decoder()
    optimizer = Optimizer(decoder, phase)
    take_step(optimizer, batch_of(), lr_scale=1.0, rows=4)
    assert optimizer.is_finite()
    for held in (optimizer.weights(), optimizer.state()):
        for each in held.values():
            kept = each.flatten()[0].clone()
            each.view(-1)[0] = math.inf
            assert not optimizer.is_finite()
            each.view(-1)[0] = kept
    assert optimizer.is_finite()
