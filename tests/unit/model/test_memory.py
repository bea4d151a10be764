"""The memory of training by formula: what is fixed, what a micro-batch keeps, what shards save."""

from itertools import pairwise

import pytest
from laws.shapes import shape

from endonym.model.count import parameters
from endonym.model.foreign.folder import ForeignConfig
from endonym.model.memory import fixed_bytes, kept_numbers


def test_what_is_kept_beside_the_weights_is_counted_a_number_of_four_bytes_each() -> None:
    """Two moments, weights and gradients; an average one more, Muon's matrices one less."""
    config = shape("llama")
    counted = parameters(config)
    assert fixed_bytes(config, "fp32", is_averaged=True) == (16 + 4) * counted.total
    muon = fixed_bytes(config, "fp32", optimizer="muon")
    assert muon == 16 * counted.total - 4 * counted.blocks


def test_one_process_has_nothing_to_share_out() -> None:
    config = shape("llama")
    for shard in ("gradients", "weights"):
        for number_format in ("fp32", "bf16"):
            alone = fixed_bytes(config, number_format, shard=shard, processes=1)
            assert alone == fixed_bytes(config, number_format)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("number_format", ["fp32", "bf16"])
def test_more_processes_and_more_shards_take_less(number_format: str, optimizer: str):
    config = shape("qwen3", dim=64, layers=8, vocab=300)
    whole = 4 * parameters(config).total
    found = {
        shard: [
            fixed_bytes(config, number_format, optimizer=optimizer, shard=shard, processes=count)
            for count in (2, 4, 8, 1000)
        ]
        for shard in ("gradients", "weights")
    }
    for sizes in found.values():
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[2] < fixed_bytes(config, number_format, optimizer=optimizer)
        assert sizes[-1] >= whole
    pairs = zip(found["weights"], found["gradients"], strict=True)
    assert all(weights <= gradients for weights, gradients in pairs)


def test_each_block_that_is_computed_again_keeps_its_input_alone() -> None:
    config = shape("llama", layers=4)
    kept = [kept_numbers(config, "fp32", checkpointed_blocks=count) for count in range(6)]
    steps = [before - after for before, after in pairwise(kept)]
    assert steps[0] > 0
    assert steps == [steps[0]] * 4 + [0]
    assert kept[4] - kept_numbers(config.model_copy(update={"layers": 0}), "fp32") == 4 * config.dim


def test_a_foreign_model_computes_all_blocks_again_or_none() -> None:
    sizes = {"vocab": 600, "context": 64, "dim": 32, "layers": 3, "parameters": 10**5}
    config = ForeignConfig(family="gemma3_text", tied=True, transformers={}, **sizes)
    kept = [kept_numbers(config, "bf16", checkpointed_blocks=count) for count in (0, 1, 3)]
    assert kept == [(4 + 3 * 34) * 32, (4 + 3) * 32, (4 + 3) * 32]


def test_short_documents_keep_fewer_scores_than_rows_that_are_read_whole() -> None:
    config = shape("qwen3", context=512)
    short, whole = (kept_numbers(config, "bf16", longest) for longest in (100, None))
    assert short < whole
