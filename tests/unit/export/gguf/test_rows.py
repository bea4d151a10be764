"""Architectures of llama.cpp as data: every tensor has a name, every refusal a reason."""

import pytest
from laws.shapes import SHAPES, shape

from endonym.errors import ExportError
from endonym.export.gguf.rows import ROWS, architecture_of, limits_of
from endonym.model.config import ModelConfig

FITTING = [name for name, config in SHAPES.items() if any(not r.misfit(config) for r in ROWS)]


def test_every_family_has_an_architecture() -> None:
    found = {name.partition("-")[0] for name in FITTING if name.endswith("-plain")}
    assert found == {name.partition("-")[0] for name in SHAPES}


def test_a_refusal_names_the_key_and_what_to_do() -> None:
    with pytest.raises(ExportError, match="does not support logit_cap") as caught:
        architecture_of(shape("qwen3", "capped"))
    assert 'format = "gguf"' in caught.value.do


def test_a_window_without_norms_of_heads_is_refused_alone() -> None:
    with pytest.raises(ExportError, match=r"support mixer\.window = 5"):
        architecture_of(shape("gpt2", mixer={"window": 5}))


@pytest.mark.parametrize(("family", "said"), [("gptneox", 1), ("gpt2", 0), ("qwen3", 0)])
def test_the_other_form_of_gelu_is_said(family: str, said: int) -> None:
    config: ModelConfig = shape(family)
    assert len(limits_of(config)) == said
