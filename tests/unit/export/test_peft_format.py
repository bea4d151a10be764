"""peft's names, patterns and settings; tests/parity/test_peft.py compares with peft itself."""

from typing import Any

import pytest
import torch
from laws.shapes import shape
from toys import lively_decoder

from endonym.errors import ExportError
from endonym.export.peft_format import changes_from, config_of, from_peft, tensors_of, to_peft
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
    assert f"{PREFIX}.lora_A.weight" in tensors_of(theirs)


def test_other_ranks_and_scales_are_patterns_that_are_read_again() -> None:
    config = shape("llama")
    changes = of(config, on=("query",))
    first = "blocks.0.mixer.query"
    odd = Change(torch.ones(3, 32), torch.ones(32, 3), 0.7)
    theirs = to_peft(config, changes | {first: odd})
    said = config_of(theirs, layers=2, base="base")
    assert {said["r"], *said["rank_pattern"].values()} == {2, 3}
    found = from_peft(config, changes_from(tensors_of(theirs), said, "here"))
    assert found[first].scale == pytest.approx(0.7)
    assert found[first].rank == 3
    assert found["blocks.1.mixer.query"].scale == 2.0


@pytest.mark.parametrize(
    ("family", "keys", "said"),
    [
        ("mamba", {}, "peft adapts no output of mamba"),
        ("mamba2", {}, "peft adapts no output of mamba2"),
        ("moe", {"on": ("router",)}, "router"),
        ("moe", {"on": ("down",), "dora": True}, "no DoRA for parameters of experts"),
        ("gpt2", {"on": ("query",), "dora": True}, "only some of query, key and value"),
    ],
)
def test_what_peft_cannot_hold_is_refused_by_name(
    family: str, keys: dict[str, Any], said: str
) -> None:
    config = shape(family)
    with pytest.raises(ExportError, match=said):
        to_peft(config, of(config, **keys))


def tensors(**others: torch.Tensor) -> dict[str, torch.Tensor]:
    pair = {"lora_A": torch.ones(2, 32), "lora_B": torch.ones(32, 2)}
    return {f"{PREFIX}.{name}.weight": each for name, each in (pair | others).items()}


CONFIG: dict[str, Any] = {"peft_type": "LORA", "r": 2, "lora_alpha": 4}


@pytest.mark.parametrize(
    ("found", "config", "said"),
    [
        (tensors(lora_C=torch.ones(1)), {}, "lora_C"),
        ({f"{PREFIX}.lora_A.weight": torch.ones(2, 32)}, {}, "no whole pair"),
        (tensors(lora_B=torch.ones(32, 3)), {}, r"\(32, 3\)"),
        (tensors(), {"r": 5}, "rank 2"),
        (tensors(), {"r": "many"}, "r = 'many'"),
        (tensors(), {"peft_type": "IA3"}, "IA3"),
        (tensors(), {"rank_pattern": {"(a+)+$": 2}}, "a pattern"),
        (tensors(), {"rank_pattern": [3]}, "rank_pattern"),
        (tensors(), {"r": 0}, "r = 0"),
    ],
)
def test_folders_that_are_wrong_are_refused(
    found: dict[str, torch.Tensor], config: dict[str, Any], said: str
) -> None:
    with pytest.raises(ExportError, match=said):
        changes_from(found, CONFIG | config, "adapter_config.json")


def test_a_module_that_is_not_adapted_here_is_named() -> None:
    theirs = {"model.embed_tokens": Change(torch.ones(1, 3), torch.ones(3, 1), 1.0)}
    with pytest.raises(ExportError, match=r"model\.embed_tokens"):
        from_peft(shape("llama"), theirs)
