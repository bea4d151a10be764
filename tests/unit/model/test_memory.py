"""The memory of training by formula: what is fixed, what a micro-batch keeps, what shards save."""

from itertools import pairwise
from typing import Any

import pytest
from laws.shapes import shape

from endonym.model.adapt_config import Adapt, adapter_parameters, low_rank_numbers
from endonym.model.count import parameters
from endonym.model.foreign.folder import ForeignConfig
from endonym.model.memory import fixed_bytes, kept_numbers, training_bytes


def test_what_is_kept_beside_the_weights_is_counted_a_number_of_four_bytes_each() -> None:
    """Two moments, weights and gradients; an average one more, Muon's matrices one less."""
    config = shape("llama")
    counted = parameters(config)
    assert fixed_bytes(config, "fp32", is_averaged=True) == (16 + 4) * counted.total
    muon = fixed_bytes(config, "fp32", optimizer="muon")
    assert muon == 16 * counted.total - 4 * counted.blocks


@pytest.mark.parametrize(("number_format", "width"), [("fp32", 4), ("bf16", 2)])
@pytest.mark.parametrize("shard", ["gradients", "weights"])
def test_a_process_holds_its_part_and_what_it_gathers(shard: str, number_format: str, width: int):
    config, adapt = shape("qwen3", dim=64, layers=8, vocab=300), Adapt(rank=2).resolved()
    counted, trained = parameters(config), adapter_parameters(config, adapt)
    total, blocks = counted.total, counted.blocks
    gathered = total + blocks // 8 if shard == "gradients" else 2 * max(total - blocks, blocks // 8)
    keys: dict[str, Any] = {"shard": shard, "processes": 4}
    plain = fixed_bytes(config, number_format, **keys)
    assert plain == 16 * total // 4 + width * gathered
    assert fixed_bytes(config, number_format, optimizer="muon", **keys) == plain + 3 * blocks
    assert fixed_bytes(config, number_format, **{**keys, "processes": 8}) < plain
    for optimizer, states in (("adamw", 16), ("muon", 12)):
        found = fixed_bytes(config, number_format, optimizer=optimizer, adapt=adapt, **keys)
        assert found == max(4 * total, (4 * total + states * trained) // 4 + width * total)
    assert fixed_bytes(config, number_format, shard="weights", processes=10**6) >= 4 * total
    alone = fixed_bytes(config, number_format, shard=shard, processes=1)
    assert alone == fixed_bytes(config, number_format), "one has nothing to share out"


def test_a_batch_adds_what_it_keeps_and_a_head_or_a_block_on_the_way_back() -> None:
    config, adapt = shape("llama", layers=4), Adapt(rank=2).resolved()
    kept = [kept_numbers(config, "bf16", checkpointed_blocks=count) for count in range(5)]
    block = kept[0] - kept[1] + config.dim
    for again, most in ((0, 3 * 61), (3, 0.2 * block), (4, 1.2 * block)):
        found = [
            training_bytes(config, 100, "bf16", checkpointed_blocks=again, adapt=each)
            - fixed_bytes(config, "bf16", adapt=each)
            for each in (None, adapt)
        ]
        assert found[0] == pytest.approx(200 * (kept[again] + most), abs=2)
        assert found[1] - found[0] == 200 * (low_rank_numbers(config, adapt) * (4 - again) // 4)
    wide = shape("llama", vocab=1 << 17)
    head = training_bytes(wide, 500, "fp32") - fixed_bytes(wide, "fp32")
    assert head - 2000 * kept_numbers(wide, "fp32") == 4 * 3 * 128 << 17


def test_each_block_that_is_computed_again_keeps_its_input_alone() -> None:
    config = shape("llama", layers=4)
    kept = [kept_numbers(config, "fp32", checkpointed_blocks=count) for count in range(6)]
    steps = [before - after for before, after in pairwise(kept)]
    dropped = kept_numbers(shape("llama", layers=4, embedding_dropout=0.1), "fp32")
    assert dropped == kept[0] + config.dim
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
