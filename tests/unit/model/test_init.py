"""Initial weights."""

import math

import pytest
import torch
from laws.shapes import SHAPES, shape
from unlearnt import is_unlearnt

from endonym.model.config import ModelConfig
from endonym.model.decoder import Decoder, on_meta
from endonym.model.families import FAMILIES
from endonym.model.init import TABLE, initialise, new_decoder, rule_of

WIDE = 128


def measured(family: str, variant: str = "plain", vocab: int = 3000) -> dict[str, torch.Tensor]:
    """The parameters of a new decoder of 128 channels."""
    config = shape(family, variant, vocab=vocab, context=200, dim=WIDE)
    return dict(new_decoder(config, 7).named_parameters())


def deviation(tensor: torch.Tensor) -> float:
    return tensor.detach().double().pow(2).mean().sqrt().item()


@pytest.mark.parametrize("family", FAMILIES)
def test_what_closes_a_branch_starts_at_zero(family: str) -> None:
    found = measured(family)
    closing = [name for name in found if name.endswith(("mixer.output.weight", "down.weight"))]
    assert len(closing) == (4 if FAMILIES[family].mixer == "attention" else 2)
    assert all((found[name] == 0).all() for name in closing)


@pytest.mark.parametrize("family", FAMILIES)
def test_norms_and_skips_start_at_one_and_shifts_at_zero(family: str) -> None:
    for name, tensor in measured(family).items():
        if name.endswith((".bias", "balance")) and "step" not in name:
            assert (tensor == 0).all(), name
        elif "norm" in name or name.endswith("skip"):
            assert (tensor == 1).all(), name


def test_a_learnt_balance_of_experts_starts_at_zero() -> None:
    found = measured("moe", "biased-choice")
    assert [found[f"blocks.{layer}.ffn.balance"].tolist() for layer in (0, 1)] == [[0.0] * 5] * 2


def test_branches_that_start_scaled_shrink_with_the_number_of_layers() -> None:
    found = measured("qwen3", "scaled")
    inputs = {"blocks.0.mixer.output.weight": WIDE, "blocks.1.ffn.down.weight": 512}
    for name, width in inputs.items():
        assert found[name].shape[1] == width
        assert deviation(found[name]) == pytest.approx((2 * 2 * width) ** -0.5, rel=0.03), name


@pytest.mark.parametrize(
    ("family", "name"), [("mamba", "mixer.step.bias"), ("mamba2", "mixer.step_bias")]
)
def test_steps_start_log_uniform_between_a_thousandth_and_a_tenth(family: str, name: str) -> None:
    config = shape(family, vocab=30, dim=4096, mixer={"state": 1})
    parameter = torch.empty(dict(on_meta(config).named_parameters())[f"blocks.0.{name}"].shape)
    rule_of(f"blocks.0.{name}")(parameter, config, torch.Generator().manual_seed(1))
    logs = torch.nn.functional.softplus(parameter.double()).log()
    low, high = math.log(0.001), math.log(0.1)
    assert low <= logs.min().item() + 1e-4
    assert logs.max().item() <= high + 1e-4
    assert logs.mean().item() == pytest.approx((low + high) / 2, abs=0.25)
    assert logs.std().item() == pytest.approx((high - low) / math.sqrt(12), rel=0.12)


def test_decays_start_at_one_two_three_along_the_state_or_the_heads() -> None:
    mamba = measured("mamba")["blocks.0.mixer.A_log"].exp()
    assert mamba.shape == (2 * WIDE, 4)
    torch.testing.assert_close(mamba, torch.tensor([1.0, 2.0, 3.0, 4.0]).expand(2 * WIDE, 4))
    mamba2 = measured("mamba2")["blocks.0.mixer.A_log"].exp()
    assert mamba2.tolist() == pytest.approx(list(range(1, 17)))


@pytest.mark.parametrize("family", FAMILIES)
def test_matrices_start_with_one_over_the_root_of_their_inputs(family: str) -> None:
    found = measured(family)
    endings = ("query.weight", "key.weight", "value.weight", "mixer.input.weight", "select.weight")
    endings += ("step.weight", "convolution.weight", "gate.weight", "up.weight", "router.weight")
    names = [name for name in found if name.endswith(endings)]
    assert len(names) == {"mamba": 8, "mamba2": 4, "moe": 12}.get(family, len(names))
    assert len(names) >= (8 if FAMILIES[family].mixer == "attention" else 4)
    for name in names:
        wanted = found[name].shape[-1] ** -0.5
        few = 0.1 if found[name].numel() < 10_000 else 0.03
        assert deviation(found[name]) == pytest.approx(wanted, rel=few), name


@pytest.mark.parametrize("family", FAMILIES)
def test_tables_start_with_three_tenths_of_the_root_of_the_width(family: str) -> None:
    found = measured(family)
    tables = [name for name in found if name in ("embedding.weight", "positions.weight")]
    for name in tables:
        assert deviation(found[name]) == pytest.approx(0.3 / WIDE**0.5, rel=0.03), name


def test_an_untied_head_starts_as_wide_as_its_table() -> None:
    found = measured("llama", "untied", vocab=100)
    for name in ("embedding.weight", "head.weight"):
        assert deviation(found[name]) == pytest.approx(0.3 / WIDE**0.5, rel=0.03), name


def test_a_tied_table_of_few_ids_starts_narrower() -> None:
    found = measured("llama", vocab=100)
    assert deviation(found["embedding.weight"]) == pytest.approx(math.log(5) / WIDE, rel=0.03)


def test_every_rule_is_for_some_parameter() -> None:
    names = {name for config in SHAPES.values() for name, _ in on_meta(config).named_parameters()}
    assert {rule_of(name) for name in names} == {rule for _, rule in TABLE}


def test_only_a_key_bias_without_rotation_and_what_a_window_of_one_asks_cannot_learn() -> None:
    found = {
        (name, parameter.partition("mixer.")[2])
        for name, config in SHAPES.items()
        for parameter, _ in on_meta(config).named_parameters()
        if is_unlearnt(parameter, config)
    }
    gpt2 = {(name, "key.bias") for name in SHAPES if name.startswith("gpt2")}
    own = {("mistral-self", f"{part}.weight") for part in ("query", "key")}
    assert found == gpt2 | own


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES.keys())
def test_nothing_is_left_of_what_was_there_before(config: ModelConfig) -> None:
    before = Decoder(config)
    with torch.no_grad():
        for parameter in before.parameters():
            parameter.fill_(torch.nan)
    fresh = new_decoder(config, 3).state_dict()
    for name, tensor in initialise(before, 3).state_dict().items():
        assert torch.equal(tensor, fresh[name]), name


def test_a_parameter_depends_on_seed_name_and_shape_alone() -> None:
    small, deep = (new_decoder(shape("llama", layers=layers), 5) for layers in (2, 3))
    other = new_decoder(shape("llama", layers=2), 6)
    for name, tensor in small.state_dict().items():
        assert torch.equal(tensor, deep.state_dict()[name]), name
    name = "blocks.1.mixer.query.weight"
    assert not torch.equal(small.state_dict()[name], other.state_dict()[name])
    first = small.state_dict()["blocks.0.mixer.query.weight"]
    assert not torch.equal(first, small.state_dict()[name])
