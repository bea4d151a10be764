"""How much of a batch is held at once, and how many blocks are computed again, to fit."""

import pytest
from toys import train_config

from endonym.autopilot.memory import choose_memory
from endonym.autopilot.model_size import Choices
from endonym.errors import OutOfMemory
from endonym.model.config import ModelConfig, ModelKeys
from endonym.model.count import parameters
from endonym.model.families import resolve
from endonym.train.config import USEFUL_TOKENS, Phase, TrainConfig, resolve_phase
from endonym.train.memory_budget import phase_bytes

SHAPE = resolve(
    ModelKeys.model_validate(
        {"family": "qwen3", "dim": 256, "layers": 8, "mixer": {"heads": 4}, "ffn": {"hidden": 768}}
    ),
    vocab=4096,
    context=512,
)


LARGE = {"lr": 1e-3, "batch_tokens": 65_536, "number_format": "bf16"}


def config(**keys: object) -> TrainConfig:
    return train_config(context=512, **(LARGE | keys))


def chosen(shape: ModelConfig, free: int, **keys: object) -> Choices:
    """What is chosen for a phase that says these keys."""
    phase = Phase.model_validate({"steps": 1, "number_format": "fp32", "lr": 1e-3} | keys)
    resolved = resolve_phase(phase, context=shape.context, positions=1000)
    return choose_memory(shape, phase, resolved, free_bytes=free)


def needed(tokens: int, *, checkpointed_blocks: int = 0) -> int:
    """Free memory in which so many tokens just fit."""
    found = phase_bytes(SHAPE, config(micro_tokens=tokens, recompute=checkpointed_blocks))
    return int(found * 1.15) + 1


def values(free: int, **keys: object) -> dict[str, object]:
    return {key: each.value for key, each in chosen(SHAPE, free, **(LARGE | keys)).items()}


def test_what_fits_is_taken_in_whole_rows_up_to_what_is_useful() -> None:
    ample, tight = needed(10**9, checkpointed_blocks=0) * 4, needed(5120, checkpointed_blocks=0)
    assert values(ample) == {"micro_tokens": USEFUL_TOKENS, "recompute": 0}
    assert values(tight) == {"micro_tokens": 5120, "recompute": 0}
    assert values(tight - 2) == {"micro_tokens": 4608, "recompute": 0}
    reasons = [chosen(SHAPE, free, **LARGE)["micro_tokens"].reason for free in (ample, tight)]
    assert "no faster" in reasons[0]
    assert "would not fit" in reasons[1]


def test_blocks_are_computed_again_before_parts_get_too_small_to_be_fast() -> None:
    assert values(needed(2048, checkpointed_blocks=0)) == {"micro_tokens": 2048, "recompute": 0}
    for blocks in (1, 4, 7):
        tight = needed(2048, checkpointed_blocks=blocks)
        assert values(tight) == {"micro_tokens": 2048, "recompute": blocks}
        assert values(tight - 2)["recompute"] == blocks + 1
    assert values(needed(2048, checkpointed_blocks=8) - 2) == {"micro_tokens": 1536, "recompute": 8}
    assert values(needed(512, checkpointed_blocks=8))["micro_tokens"] == 512
    with pytest.raises(OutOfMemory, match="with one row of 512 tokens") as caught:
        values(needed(512, checkpointed_blocks=8) - 2)
    assert "model.dim" in caught.value.do


def test_what_the_recipe_says_is_kept() -> None:
    tight = needed(2048, checkpointed_blocks=0) - 2
    assert values(tight, recompute=0) == {"micro_tokens": 1536}
    assert values(needed(8192, checkpointed_blocks=3), micro_tokens=8192) == {"recompute": 3}
    assert values(10, micro_tokens=8192, recompute=0) == {}
    assert values(1 << 50) == {"micro_tokens": USEFUL_TOKENS, "recompute": 0}


def test_a_small_batch_needs_no_more_than_itself() -> None:
    small = {**LARGE, "batch_tokens": 1024}
    free = int(phase_bytes(SHAPE, config(**small, micro_tokens=1024)) * 1.15) + 1
    found = chosen(SHAPE, free, **small)
    assert (found["micro_tokens"].value, found["recompute"].value) == (1024, 0)


def test_averages_and_muon_change_what_a_phase_takes() -> None:
    plain = phase_bytes(SHAPE, config())
    averaged, muon = (config(**keys) for keys in ({"average": "ema"}, {"optimizer": "muon"}))
    assert phase_bytes(SHAPE, averaged) > plain > phase_bytes(SHAPE, muon)


def held_by_one_of(monkeypatch: pytest.MonkeyPatch, processes: int, **keys: object) -> float:
    """Bytes a parameter that one of so many processes needs, but for what a row keeps."""
    variables = {"RANK": 0, "WORLD_SIZE": processes, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": processes}
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    shape = resolve(ModelKeys(dim=1024, layers=32, mixer={"heads": 16}), vocab=4096, context=8)
    one_row = train_config(context=8, batch_tokens=8, micro_tokens=8, **keys)
    return phase_bytes(shape, one_row) / parameters(shape).total


def test_what_shards_hold_is_shared_by_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    for processes, weights, gradients in ((2, 8, 12), (4, 4, 8), (16, 4, 5)):
        for shard, bytes_each in (("none", 16), ("weights", weights), ("gradients", gradients)):
            found = held_by_one_of(monkeypatch, processes, shard=shard)
            assert found == pytest.approx(bytes_each, abs=0.4), (processes, shard)
    assert held_by_one_of(monkeypatch, 1, shard="weights") == pytest.approx(16, abs=0.1)


def test_a_model_too_large_for_one_process_fits_in_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = resolve(ModelKeys(dim=1024, layers=32, mixer={"heads": 16}), vocab=4096, context=256)
    free = 8 * parameters(shape).total
    assert held_by_one_of(monkeypatch, 8) > 8
    with pytest.raises(OutOfMemory):
        chosen(shape, free, batch_tokens=2048)
    choices = chosen(shape, free, batch_tokens=2048, shard="weights")
    assert 0 <= choices["recompute"].value <= 32
