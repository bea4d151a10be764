"""Which matrices an adapter changes, and what it costs, by formula."""

from pathlib import Path

import pytest
from foreign_folders import write_model
from laws.shapes import SHAPES, shape
from pydantic import ValidationError
from toys import toy_decoder

from endonym.errors import ShapeError
from endonym.model import adapt_config
from endonym.model.adapt_config import (
    Adapt,
    adapted_matrices,
    adapter_parameters,
    matrices,
    names_meant,
    require_adaptable,
)
from endonym.model.config import ExpertsConfig
from endonym.model.count import flops_per_token, parameters, trained_parameters
from endonym.model.foreign.folder import ForeignConfig, foreign_config
from endonym.model.lora import linear_maps, matrix_of


def test_alpha_is_twice_the_rank_unless_it_is_said() -> None:
    assert Adapt().resolved().alpha == 32
    assert Adapt(rank=4).resolved().alpha == 8
    assert Adapt(rank=4, alpha=4).resolved().alpha == 4


@pytest.mark.parametrize("on", [(), ("query", "query"), (" ",)])
def test_each_name_stands_once_and_is_some(on: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        Adapt(on=on)


@pytest.mark.parametrize("name", SHAPES)
def test_the_formula_knows_every_linear_map_of_a_decoder(name: str) -> None:
    maps = linear_maps(toy_decoder(SHAPES[name]))
    for each in matrices(SHAPES[name]):
        *experts, outputs, inputs = matrix_of(maps[each.name]).shape
        assert (each.inputs, each.outputs) == (inputs, outputs), each.name
        assert each.copies == (experts[0] if experts else 1)


def test_groups_and_names_mean_matrices() -> None:
    names = [each.name for each in matrices(shape("moe"))]
    assert {each.split(".")[-1] for each in names_meant(names, ("mixer",))} == {
        *("query", "key", "value", "output")
    }
    assert {each.split(".")[-1] for each in names_meant(names, ("ffn",))} == {"gate", "up", "down"}
    assert len(names_meant(names, ("all",))) == len(names)
    assert names_meant(names, ("router",)) == ["blocks.0.ffn.router", "blocks.1.ffn.router"]
    assert names_meant(names, ("0.mixer.query", "down"))[0] == "blocks.0.mixer.query"


def test_groups_of_foreign_models_are_told_by_the_usual_names() -> None:
    names = ["model.layers.0.self_attn.q_proj", "model.layers.0.mlp.up_proj"]
    assert names_meant(names, ("mixer",)) == names[:1]
    assert names_meant(names, ("ffn",)) == names[1:]
    assert names_meant(names, ("q_proj", "ffn")) == names


def test_a_name_that_means_nothing_is_told_with_what_there_is() -> None:
    with pytest.raises(ShapeError, match="q_proj") as told:
        adapted_matrices(shape("qwen3"), Adapt(on=("q_proj",)).resolved())
    assert "query, key, value, output, gate, up, down" in told.value.do
    with pytest.raises(ShapeError, match="ffn"):
        adapted_matrices(shape("mamba"), Adapt(on=("ffn",), rank=2).resolved())


def test_a_rank_above_a_matrix_is_refused() -> None:
    with pytest.raises(ShapeError, match="rank = 33") as told:
        adapted_matrices(shape("qwen3"), Adapt(rank=33, on=("query",)).resolved())
    assert told.value.where == "adapt.rank"
    with pytest.raises(ShapeError, match=r"blocks\.0\.mixer\.key has 16 × 32 .* above 16"):
        adapted_matrices(shape("llama", "grouped"), Adapt(rank=17, on=("mixer",)).resolved())
    whole = adapted_matrices(shape("qwen3"), Adapt(rank=32, on=("query",)).resolved())
    assert {(each.inputs, each.outputs) for each in whole} == {(32, 32)}


def test_matrices_of_a_foreign_folder_are_told_by_its_headers(tmp_path: Path) -> None:
    write_model("qwen2", tmp_path)
    config = foreign_config(tmp_path)
    require_adaptable(config, Adapt(rank=16, on=("k_proj",)).resolved(), tmp_path)
    for rank, on in ((17, "k_proj"), (1, "lm_head"), (1, "embed_tokens"), (1, "norm")):
        with pytest.raises(ShapeError, match=rf"above 16|called {on}"):
            require_adaptable(config, Adapt(rank=rank, on=(on,)).resolved(), tmp_path)


def test_a_token_uses_the_adapters_of_the_experts_that_it_goes_to() -> None:
    config = shape("moe")
    (ffn,) = config.ffns
    assert isinstance(ffn, ExpertsConfig)
    assert ffn.active < ffn.experts
    for on, share in (("down", ffn.active / ffn.experts), ("query", 1), ("router", 1)):
        adapt = Adapt(rank=2, on=(on,)).resolved()
        assert adapt_config.active_parameters(config, adapt) == share * adapter_parameters(
            config, adapt
        )


def test_a_group_without_matrices_is_no_error_beside_one_that_has_some() -> None:
    """So the groups that stand there if nothing is said do for every family."""
    adapt = Adapt(rank=2).resolved()
    assert adapted_matrices(shape("mamba"), adapt) == adapted_matrices(
        shape("mamba"), Adapt(rank=2, on=("mixer",)).resolved()
    )


def test_the_adapters_of_a_foreign_model_are_counted_without_its_tables() -> None:
    sizes = {"family": "x", "vocab": 600, "context": 64, "dim": 32, "layers": 3}
    adapt = Adapt(rank=4).resolved()
    for tied, tables in ((True, 1), (False, 2)):
        total = tables * 600 * 32 + 30_720
        config = ForeignConfig(**sizes, tied=tied, parameters=total, transformers={})
        assert adapter_parameters(config, adapt) == 2 * 4 * 30_720 // 32


def test_operations_are_two_thirds_for_frozen_weights_and_the_adapter_on_top() -> None:
    config, adapt = shape("qwen3"), Adapt(rank=2, on=("query",)).resolved()
    frozen = flops_per_token(config) - flops_per_token(config, adapt=adapt)
    weights = parameters(config).blocks + parameters(config).embedding
    own = adapter_parameters(config, adapt)
    assert own == 2 * 2 * (32 + 32) == trained_parameters(config, adapt)
    assert frozen == pytest.approx(2 * weights - 6 * own, rel=0.02)
    assert trained_parameters(config, None) == parameters(config).total
