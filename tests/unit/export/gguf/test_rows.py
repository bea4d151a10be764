"""Architectures of llama.cpp as data: every tensor has a name, every refusal a reason."""

import re

import pytest
from laws.shapes import SHAPES, shape

from endonym.errors import ExportError
from endonym.export.gguf.rows import ROWS, architecture_of, limits_of
from endonym.model.config import ModelConfig
from endonym.model.decoder import on_meta

FITTING = [name for name, config in SHAPES.items() if any(not r.misfit(config) for r in ROWS)]


def test_every_family_has_an_architecture() -> None:
    found = {name.partition("-")[0] for name in FITTING if name.endswith("-plain")}
    assert found == {name.partition("-")[0] for name in SHAPES}


@pytest.mark.parametrize("name", FITTING)
def test_every_tensor_has_a_name_of_its_own(name: str) -> None:
    config = SHAPES[name]
    row = architecture_of(config)
    known = row.names(config)
    ours = {re.sub(r"\.\d+\.", ".*.", each) for each in on_meta(config).state_dict()}
    if row.joined:
        ours = {each for each in ours if not re.search(r"\.(query|key|value)\.", each)}
    assert ours <= set(known)
    assert len({known[each] for each in ours}) == len(ours)


@pytest.mark.parametrize("name", FITTING)
def test_the_keys_have_the_model_s_own_sizes(name: str) -> None:
    config = SHAPES[name]
    keys = architecture_of(config).metadata(config, config.mixers[0], config.ffns[0])
    assert (keys["block_count"], keys["embedding_length"]) == (config.layers, config.dim)
    assert (keys["context_length"], keys["vocab_size"]) == (config.context, config.vocab)


def test_a_refusal_names_the_key_and_what_to_do() -> None:
    with pytest.raises(ExportError, match="does not support logit_cap") as caught:
        architecture_of(shape("qwen3", "capped"))
    assert 'format = "gguf"' in caught.value.do


@pytest.mark.parametrize(("family", "said"), [("gptneox", 1), ("gpt2", 0), ("qwen3", 0)])
def test_the_other_form_of_gelu_is_said(family: str, said: int) -> None:
    config: ModelConfig = shape(family)
    assert len(limits_of(config)) == said
