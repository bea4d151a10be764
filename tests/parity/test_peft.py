"""Adapters in the library peft: ours there, and its own here, give the same logits."""

import functools
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_folders import VOCAB, quiet_transformers, write_model
from laws.shapes import SHAPES, some_tokens
from torch import Tensor
from toys import lively_decoder

from endonym.disk import write_json
from endonym.errors import ExportError
from endonym.export.adapters import (
    in_peft,
    read_adapter,
    write_adapter,
)
from endonym.export.names import to_theirs
from endonym.export.shapes import config_json, row_of
from endonym.model.adapt_config import Adapt
from endonym.model.config import ModelConfig
from endonym.model.decoder import Decoder
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.foreign.weights import load_foreign
from endonym.model.lora import Change, copy_on, new_changes
from endonym.model.weights import save_tensors

peft = pytest.importorskip("peft")

CLOSE = 1e-4
ON: dict[str, tuple[str, ...]] = {
    "all": ("mixer", "ffn"),
    "some": ("query", "down"),
    "ssm": ("input", "select"),
    "ssm2": ("input",),
}


def lively_changes(decoder: AnyDecoder, adapt: Adapt) -> dict[str, Change]:
    """Changes as training may leave them."""
    generator = torch.Generator().manual_seed(4)

    def drawn(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator)

    return {
        name: Change(
            each.a,
            0.2 * drawn(each.b),
            each.scale,
            None if each.magnitude is None else each.magnitude * (1 + 0.1 * drawn(each.magnitude)),
        )
        for name, each in new_changes(decoder, adapt.resolved(), 1).items()
    }


@functools.cache
def cases() -> list[tuple[str, str, bool]]:
    """Every shape that transformers has, on all matrices and on some, LoRA and DoRA in turn; a
    family's plain shape in all ways.
    """
    found: list[tuple[str, str, bool]] = []
    for turn, (name, config) in enumerate(SHAPES.items()):
        try:
            row_of(config)
        except ExportError:
            continue
        decoder = lively_decoder(config)
        for n, (on, names) in enumerate(ON.items()):
            for dora in (False, True) if name.endswith("-plain") else ((turn + n) % 2 == 1,):
                try:
                    changes = new_changes(decoder, Adapt(rank=3, on=names, dora=dora).resolved(), 1)
                    in_peft(decoder, changes, "")
                except Exception:  # noqa: BLE001  # told by name in the unit tests
                    continue
                found.append((name, on, dora))
    return found


def opened(config: ModelConfig, decoder: Decoder, folder: Path) -> Any:
    """Our decoder as transformers opens it."""
    library = quiet_transformers()
    save_tensors(
        {name: each.float() for name, each in to_theirs(config, decoder.state_dict()).items()},
        folder / "model.safetensors",
    )
    write_json(folder / "config.json", config_json(config, 0))
    return library.AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()


def under_peft(base: Any, folder: Path, *, is_trainable: bool = False) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = peft.PeftModel.from_pretrained(base, str(folder), is_trainable=is_trainable)
        return found.eval()


def test_every_row_that_peft_can_adapt_is_tried() -> None:
    tried = {name.split("-")[0] for name, _, _ in cases()}
    assert tried == {
        *("qwen3", "llama", "mistral", "gpt2", "gptneox", "falcon", "mamba", "mamba2", "moe")
    }


@pytest.mark.parametrize(("name", "on", "dora"), cases())
@torch.no_grad()
def test_our_adapter_gives_the_same_logits_in_peft_and_comes_back(
    name: str, on: str, dora: bool, tmp_path: Path
) -> None:
    config = SHAPES[name]
    # With livelier weights a state space turns rounding into 1e-4, more on some processors.
    decoder, tokens = lively_decoder(config, seed=1, noise=0.1), some_tokens(2, 17)
    changes = lively_changes(decoder, Adapt(rank=3, on=ON[on], dora=dora))
    folder = tmp_path / "adapter"
    reason = write_adapter(folder, decoder, changes, base_name="ours")
    assert reason == ""
    ours = copy_on(decoder, changes).logits(tokens)
    theirs = under_peft(opened(config, decoder, tmp_path), folder)(tokens).logits
    assert (ours - decoder.logits(tokens)).abs().max() > 0.1
    assert (ours - theirs).abs().max() < CLOSE
    back = copy_on(decoder, read_adapter(folder, decoder)).logits(tokens)
    assert (ours - back).abs().max() < CLOSE


THEIRS: dict[str, tuple[str, dict[str, Any]]] = {
    "lora": ("llama-grouped", {"target_modules": ["q_proj", "v_proj", "down_proj"]}),
    "dora": ("qwen3-plain", {"target_modules": "all-linear", "use_dora": True}),
    "rslora": ("mistral-plain", {"target_modules": ["o_proj"], "use_rslora": True}),
    "joined": ("gpt2-plain", {"target_modules": ["c_attn", "c_fc"], "fan_in_fan_out": True}),
    "by group": ("falcon-one-norm-grouped", {"target_modules": ["query_key_value"]}),
    "joined dora": ("gptneox-plain", {"target_modules": ["query_key_value"], "use_dora": True}),
    "patterns": (
        "llama-plain",
        {
            "target_modules": ["q_proj", "up_proj"],
            "rank_pattern": {"layers.1.self_attn.q_proj": 5},
            "alpha_pattern": {"up_proj": 3},
        },
    ),
    "experts": (
        "moe-plain",
        {
            "target_modules": ["k_proj"],
            "target_parameters": ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"],
        },
    ),
    "one of the experts": (
        "moe-plain",
        {"target_modules": ["k_proj"], "target_parameters": ["mlp.experts.down_proj"]},
    ),
    "state space": ("mamba-plain", {"target_modules": ["in_proj", "x_proj"]}),
}


def made_by_peft(base: Any, folder: Path, settings: dict[str, Any]) -> Any:
    """An adapter of peft in which every number counts, saved."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = peft.LoraConfig(r=4, lora_alpha=6, task_type="CAUSAL_LM", **settings)
        with torch.random.fork_rng():  # peft draws its matrices
            torch.manual_seed(6)
            model = peft.get_peft_model(base, config)
    generator = torch.Generator().manual_seed(6)
    for name, each in model.named_parameters():
        if "lora_" in name:
            each += 0.1 * torch.randn(each.shape, generator=generator)
    model.save_pretrained(folder)
    return model.eval()


@pytest.mark.parametrize("kind", THEIRS)
@torch.no_grad()
def test_an_adapter_that_peft_made_gives_the_same_logits_here(kind: str, tmp_path: Path) -> None:
    name, settings = THEIRS[kind]
    decoder, tokens = lively_decoder(SHAPES[name], seed=1), some_tokens(2, 17)
    model = made_by_peft(opened(SHAPES[name], decoder, tmp_path), tmp_path / "made", settings)
    changes = read_adapter(tmp_path / "made", decoder)
    ours = copy_on(decoder, changes).logits(tokens)
    assert (ours - model(tokens).logits).abs().max() < CLOSE
    again = tmp_path / "again"
    assert write_adapter(again, decoder, changes, base_name="") == ""
    theirs = under_peft(opened(SHAPES[name], decoder, tmp_path), again)(tokens).logits
    assert (ours - theirs).abs().max() < CLOSE


@pytest.mark.parametrize("kind", ["gemma3", "qwen2", "bloom"])
@pytest.mark.parametrize("dora", [False, True])
@torch.no_grad()
def test_so_it_is_with_models_that_transformers_computes(
    kind: str, dora: bool, tmp_path: Path
) -> None:
    network = write_model(kind, tmp_path)
    decoder, tokens = load_foreign(tmp_path).eval(), some_tokens(1, 13, vocab=VOCAB)
    changes = lively_changes(decoder, Adapt(rank=3, dora=dora))
    folder = tmp_path / "adapter"
    assert write_adapter(folder, decoder, changes, base_name="") == ""
    ours = copy_on(decoder, changes).logits(tokens)
    theirs = under_peft(network, folder)(tokens).logits
    assert (ours - theirs).abs().max() < CLOSE * ours.abs().max()


REFUSED = {
    "bias": "bias",
    "modules_to_save": "modules_to_save",
    "peft_type": "peft_type",
    "init_lora_weights": "changes the base",
    "layer_replication": "layer_replication",
    "a_key_of_tomorrow": "a_key_of_tomorrow",
}


@pytest.mark.parametrize("key", REFUSED)
@torch.no_grad()
def test_what_is_not_supported_is_refused_by_name(key: str, tmp_path: Path) -> None:
    values = {"modules_to_save": ["lm_head"], "layer_replication": [[0, 1]]}
    value = values.get(key, "all" if key == "bias" else "PISSA")
    decoder = lively_decoder(SHAPES["llama-plain"], seed=1)
    base = opened(SHAPES["llama-plain"], decoder, tmp_path)
    made_by_peft(base, tmp_path / "made", {"target_modules": ["q_proj"]})
    path = tmp_path / "made" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {key: value}), "utf-8")
    with pytest.raises(ExportError, match=REFUSED[key]):
        read_adapter(tmp_path / "made", decoder)


def test_the_gradients_of_dora_are_those_of_peft(tmp_path: Path) -> None:
    """The norm of a row counts as a constant (arXiv:2402.09353, section 4.3), in peft as here."""
    config = SHAPES["llama-plain"]
    decoder, tokens = lively_decoder(config, seed=1), some_tokens(2, 17)
    adapt = Adapt(rank=3, on=("query", "down"), dora=True)
    changes = lively_changes(decoder, adapt)
    folder = tmp_path / "adapter"
    write_adapter(folder, decoder, changes, base_name="ours")
    theirs = under_peft(opened(config, decoder, tmp_path), folder, is_trainable=True)
    ours = copy_on(decoder, changes)
    weights = torch.randn((*tokens.shape, config.vocab), generator=torch.Generator().manual_seed(2))
    for logits in (ours.logits(tokens), theirs(tokens).logits):
        (logits * weights).sum().backward()
    found, parts = dict(theirs.named_parameters()), ("lora_A", "lora_B", "lora_magnitude_vector")
    for layer in range(config.layers):
        for our, their in (("mixer.query", "self_attn.q_proj"), ("ffn.down", "mlp.down_proj")):
            low_rank = ours.get_submodule(f"blocks.{layer}.{our}.adapters.default")
            for part in parts:
                mine = getattr(low_rank, "magnitude" if part == parts[-1] else part).grad
                name = f"base_model.model.model.layers.{layer}.{their}.{part}.default.weight"
                assert float(mine.abs().max()) > 1e-3
                torch.testing.assert_close(mine, found[name].grad, rtol=1e-3, atol=1e-4)
