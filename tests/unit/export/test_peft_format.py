"""peft's names, patterns and settings; tests/parity/test_peft.py compares with peft itself."""

from typing import Any

import pytest
import torch
from laws.shapes import shape
from toys import lively_decoder

from endonym.errors import ExportError
from endonym.export import peft_format
from endonym.export.peft_format import changes_from, config_of, from_peft, to_peft, with_rows
from endonym.model.adapt_config import Adapt
from endonym.model.config import ModelConfig
from endonym.model.lora import Change, new_changes

PREFIX = "base_model.model.model.layers.0.self_attn.q_proj"


def of(config: ModelConfig, **keys: Any) -> dict[str, Change]:
    return new_changes(lively_decoder(config), Adapt(**({"rank": 2} | keys)).resolved(), 1)


def test_names_are_short_where_all_layers_are_alike() -> None:
    config = shape("llama")
    theirs = to_peft(config, of(config, on=("query", "0.ffn.down")))
    said = config_of(theirs, layers=2, base="base")
    assert said["target_modules"] == ["model.layers.0.mlp.down_proj", "self_attn.q_proj"]
    assert (said["r"], said["lora_alpha"], said["peft_type"]) == (2, 4, "LORA")
    assert f"{PREFIX}.lora_A.weight" in peft_format.tensors_of(theirs)


def test_other_ranks_and_scales_are_patterns_that_are_read_again() -> None:
    config = shape("llama")
    changes = of(config, on=("query",))
    first = "blocks.0.mixer.query"
    odd = Change(torch.ones(3, 32), torch.ones(32, 3), 0.7)
    theirs = to_peft(config, changes | {first: odd})
    said = config_of(theirs, layers=2, base="base")
    assert {said["r"], *said["rank_pattern"].values()} == {2, 3}
    found = from_peft(config, changes_from(peft_format.tensors_of(theirs), said, "here"))
    assert found[first].scale == pytest.approx(0.7)
    assert found[first].rank == 3
    assert found["blocks.1.mixer.query"].scale == 2.0


NOT_IN_PEFT = [
    ("mamba", {}, "peft adapts no output of mamba"),
    ("mamba2", {}, "peft adapts no output of mamba2"),
    ("moe", {"on": ("router",)}, "router"),
    ("moe", {"on": ("down",), "dora": True}, "no DoRA for parameters of experts"),
    ("gpt2", {"on": ("query",), "dora": True}, "only some of query, key and value"),
]


@pytest.mark.parametrize(("family", "keys", "said"), NOT_IN_PEFT)
def test_what_peft_cannot_hold_is_refused_by_name(family: str, keys: dict[str, Any], said: str):
    config = shape(family)
    with pytest.raises(ExportError, match=said):
        to_peft(config, of(config, **keys))


def tensors(**others: torch.Tensor) -> dict[str, torch.Tensor]:
    pair = {"lora_A": torch.ones(2, 32), "lora_B": torch.ones(32, 2)}
    return {f"{PREFIX}.{name}.weight": each for name, each in (pair | others).items()}


CONFIG: dict[str, Any] = {"peft_type": "LORA", "r": 2, "lora_alpha": 4}


WRONG_FOLDERS = [
    (tensors(lora_C=torch.ones(1)), {}, "lora_C"),
    ({f"{PREFIX}.lora_A.weight": torch.ones(2, 32)}, {}, "no whole pair"),
    (tensors(lora_B=torch.ones(32, 3)), {}, r"\(32, 3\)"),
    (tensors(), {"r": 5}, "rank 2"),
    (tensors(), {"r": "many"}, "r = 'many'"),
    (tensors(), {"peft_type": "IA3"}, "IA3"),
    (tensors(), {"rank_pattern": {"(a+)+$": 2}}, "rank_pattern"),
    (tensors(), {"rank_pattern": [3]}, "rank_pattern"),
    (tensors(), {"r": 0}, "r = 0"),
    (tensors(), {"r": 2.5}, r"r = 2\.5"),
    (tensors(), {"rank_pattern": {"q_proj": 2.5}}, "rank_pattern"),
    (tensors(), {"rank_pattern": {r"\d+" * 20: 2}}, "rank_pattern"),
    (tensors(), {"alpha_pattern": {r"\d+\.\.+\.+q": 2}}, "alpha_pattern"),
    (tensors(), {"target_parameters": 5}, "target_parameters = 5"),
    (tensors(), {"use_rslora": "no"}, "use_rslora = 'no'"),
    (tensors(), {"use_dora": True}, "use_dora, but no lora_magnitude_vector"),
    (tensors(lora_magnitude_vector=torch.ones(32)), {}, "no use_dora, but a"),
    (tensors(lora_magnitude_vector=torch.ones(())), {"use_dora": True}, r"\(\) magnitudes"),
    (tensors(lora_A=torch.ones(2)), {}, r"\(2,\) and"),
    (tensors() | {f"{PREFIX}.lora_A": torch.zeros(2, 32)}, {}, "lora_A of .* twice"),
    ({}, {}, "no tensors"),
    ({PREFIX.replace("0", "0" * 300) + ".lora_A": torch.ones(2, 32)}, {}, "no part of"),
]


@pytest.mark.parametrize(("found", "config", "said"), WRONG_FOLDERS)
def test_folders_that_are_wrong_are_refused(
    found: dict[str, torch.Tensor], config: dict[str, Any], said: str
) -> None:
    with pytest.raises(ExportError, match=said):
        changes_from(found, CONFIG | config, "adapter_config.json")


@pytest.mark.parametrize(
    "pattern", [r"model\.layers\.\d+\.self_attn\.q_proj", "^.*layers.0.self_attn.q_proj$", "q_proj"]
)
def test_usual_patterns_of_layers_are_read(pattern: str) -> None:
    config = CONFIG | {"r": 7, "rank_pattern": {pattern: 2}, "alpha_pattern": {pattern: 6}}
    (change,) = changes_from(tensors(), config, "here").values()
    assert (change.rank, change.scale) == (2, 3.0)
    config = CONFIG | {"use_rslora": True, "rank_pattern": {"q": 7, "self_attn": 7, "proj": 7}}
    (change,) = changes_from(tensors(), config, "here").values()
    assert (change.rank, change.scale) == (2, 4 / 2**0.5), "those patterns are of no module's end"


@pytest.mark.parametrize("rows", [64, 128])
@pytest.mark.parametrize("magnitude", [False, True])
def test_a_joined_matrix_of_another_size_is_refused(rows: int, magnitude: bool) -> None:
    """A shorter one could not be reordered, and a longer one would be cut without a word."""
    norms = torch.ones(rows) if magnitude else None
    change = Change(torch.ones(2, 32), torch.ones(rows, 2), 1.0, norms)
    name = "gpt_neox.layers.0.attention.query_key_value"
    with pytest.raises(ExportError, match=f"{rows} rows does not fit .*, which have 96"):
        from_peft(shape("gptneox"), {name: change})


def test_gates_and_ups_of_another_size_are_refused() -> None:
    config = shape("moe")
    ((name, change),) = to_peft(config, of(config, on=("0.ffn.gate", "0.ffn.up"))).items()
    assert len(from_peft(config, {name: change})) == 2
    assert config_of({name: change}, layers=2, base="base", dropout=0.1)["lora_dropout"] == 0
    longer = torch.cat([change.b, change.b], dim=-2)
    with pytest.raises(ExportError, match=r"does not fit blocks\.0\.ffn\.gate"):
        from_peft(config, {name: Change(change.a, longer, change.scale)})


def test_experts_of_another_module_are_not_taken_for_ours() -> None:
    change = Change(torch.ones(4, 2, 48), torch.ones(4, 32, 2), 1.0)
    with pytest.raises(ExportError, match="which endonym does not adapt"):
        from_peft(shape("moe"), {"model.foo.0.bar.experts.down_proj": change})


def test_a_module_that_is_not_adapted_here_is_named() -> None:
    theirs = {"model.embed_tokens": Change(torch.ones(1, 3), torch.ones(3, 1), 1.0)}
    with pytest.raises(ExportError, match=r"model\.embed_tokens"):
        from_peft(shape("llama"), theirs)


def joined(changes: list[Change | None], outputs: list[int]) -> Change:
    names = ["query", "key", "value"][: len(changes)]
    known = {name: each for name, each in zip(names, changes, strict=True) if each}
    return peft_format.side_by_side(
        names, known, dict(zip(names, outputs, strict=True)), where="here"
    )


def change(outputs: int, rank: int, scale: float, *, dora: bool = False, seed: int = 0) -> Change:
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(rank, 5, generator=generator)
    b = torch.randn(outputs, rank, generator=generator)
    return Change(a, b, scale, torch.rand(outputs, generator=generator) + 1 if dora else None)


@pytest.mark.parametrize("dora", [False, True])
def test_together_they_change_what_each_changed(*, dora: bool) -> None:
    one, other = change(3, 2, 2.0, dora=dora), change(4, 1, 0.5, dora=dora, seed=1)
    matrix = torch.randn(7, 5)
    both = joined([one, other], [3, 4])
    wanted = torch.cat([one.of(matrix[:3]), other.of(matrix[3:])])
    assert torch.allclose(both.of(matrix), wanted, atol=1e-5)
    assert both.rank == 3


def test_one_that_stays_as_it_is_has_zeros() -> None:
    one, matrix = change(3, 2, 2.0), torch.randn(9, 5)
    both = joined([None, one, None], [2, 3, 4])
    assert torch.equal(both.of(matrix)[:2], matrix[:2])
    assert torch.allclose(both.of(matrix)[2:5], one.of(matrix[2:5]))
    assert both.rank == 2


def test_parts_of_one_change_are_put_together_without_more_rank() -> None:
    whole = change(7, 2, 2.0, dora=True)
    parts = [with_rows(whole, each) for each in torch.arange(7).split([3, 4])]
    again = joined(parts, [3, 4])
    assert again.rank == 2
    assert torch.equal(again.b, whole.b)
    assert again.magnitude is not None
    order = torch.tensor([6, 5, 4, 3, 2, 1, 0])
    turned, matrix = with_rows(whole, order), torch.randn(7, 5)
    assert torch.allclose(turned.of(matrix[order]), whole.of(matrix)[order], atol=1e-5)


def test_dora_on_some_of_one_matrix_is_refused() -> None:
    with pytest.raises(ExportError, match="only some of query and key"):
        joined([change(3, 2, 1.0, dora=True), None], [3, 4])
