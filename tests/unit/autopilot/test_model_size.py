"""The autopilot: more text, read as often, never means a smaller model; all has its reason."""

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from endonym.autopilot.model_size import (
    Choices,
    Facts,
    about,
    choose_context,
    choose_dropout,
    choose_shape,
    choose_vocab,
    deeper,
    little_shape,
    useful,
)
from endonym.autopilot.resolve import training_choices
from endonym.model.config import MixerKeys, ModelConfig, ModelKeys
from endonym.model.families import resolve
from endonym.recipe.recipe import Recipe

SIZES = [10**power * digit for power in range(3, 11) for digit in (1, 3, 7)]


def facts_of(tokens: int, *, document_tokens: float = 300.0) -> Facts:
    return Facts(text_bytes=4 * tokens, unique_tokens=tokens, mean_document_tokens=document_tokens)


def shape_of(tokens: int, *, passes: float = 4, keys: ModelKeys | None = None) -> Choices:
    keys, facts = keys or ModelKeys(), facts_of(tokens)
    found = choose_shape(keys, facts, lambda dim, layers: round(passes * facts.positions))
    assert all(len(choice.reason.split()) >= 2 for choice in found.values())
    return found


def built(found: Choices, layers: int = 1, **keys: object) -> ModelConfig:
    """The model of a chosen width, which raises an error where it does not fit the heads."""
    given = {"dim": found["model.dim"].value, "layers": layers} | keys
    return resolve(ModelKeys.model_validate(given), vocab=300, context=32)


def is_rising(values: Sequence[float]) -> bool:
    return all(a <= b for a, b in pairwise(values))


def test_more_text_never_means_fewer_ids_or_a_smaller_model() -> None:
    limits = {2_500_000: 1024, 10_000_000: 2048, 50_000_000: 4096, 400_000_000: 8192}
    assert [choose_vocab(limit - 1).value for limit in limits] == list(limits.values())
    assert [choose_vocab(limit).value for limit in limits] == [2048, 4096, 8192, 32_768]
    shapes = [shape_of(size) for size in SIZES]
    for key in ("model.dim", "model.layers", "model.mixer.heads"):
        assert is_rising([shape[key].value for shape in shapes])
    words = Facts(8 * 10**6, 10**6, 1.0)  # Half of the tokens of an epoch are ends of documents.
    assert [useful(each, words) for each in (10**7, 10**9)] == [10**7, 16 * 10**6]
    assert (
        choose_dropout(words, 4 * 10**6)["model.dropout"].reason == "about 2.0 epochs: none needed"
    )
    said = ["about 9.9 epochs", "about 10 epochs", "about 11 epochs"]
    assert [about(each) for each in (9.94, 10, 10.6)] == said
    assert shapes[0]["model.dim"].value < shapes[-1]["model.dim"].value


def test_more_passes_never_mean_a_smaller_model_and_dropout_is_that_of_the_table() -> None:
    shapes = [shape_of(2_000_000, passes=passes) for passes in (0.5, 1, 2, 3, 6, 7, 16, 100)]
    for key in ("model.dim", "model.layers"):
        assert is_rising([shape[key].value for shape in shapes])
    passes = {
        0.5: 0.0,
        2: 0.0,
        2.01: 0.1,
        12: 0.1,
        12.01: 0.2,
        30: 0.2,
        30.01: 0.3,
        200: 0.3,
    }
    found = [shape_of(10**6, passes=each)["model.dropout"] for each in passes]
    assert [each.value for each in found] == list(passes.values())
    assert ["none needed" in each.reason for each in found] == [True, True, *[False] * 6]


def test_readings_beyond_the_eighth_teach_nothing_wider() -> None:
    four, eight, hundred = (shape_of(500_000, passes=passes) for passes in (4, 8, 100))
    assert four["model.dim"].value < eight["model.dim"].value == hundred["model.dim"].value


def test_the_width_is_explained_without_a_number_that_the_budget_contradicts() -> None:
    """`new` measures the tokens of the budget only after it chose the shape."""
    few, many = (shape_of(1_000_000, passes=passes)["model.dim"].reason for passes in (4, 30))
    assert not re.search(r"\d{3}", few + many)
    assert ("epochs" in few, "epochs" in many) == (False, True)


def test_time_for_every_useful_reading_goes_into_depth_unless_the_budget_is_given() -> None:
    facts = facts_of(250_000)
    whole = 32 * facts.positions

    def layers(tokens_at_four: int, dim: int = 128) -> int | None:
        found = deeper(dim, 4, facts, lambda dim, layers: tokens_at_four * 4 // layers)
        return None if found is None else found.value

    budgets = (2 * whole - 4, 2 * whole, 3 * whole - 4, 3 * whole, 9 * whole)
    assert [layers(budget) for budget in budgets] == [None, 8, 8, 12, 12]
    assert layers(9 * whole, dim=192) is None
    fewer, more = (shape_of(250_000, passes=passes) for passes in (31, 100))
    assert fewer["model.layers"].value == more["model.layers"].value


def test_little_text_gets_a_larger_model_if_there_is_time_for_all_epochs() -> None:
    facts = facts_of(120_000)
    enough = 58 * facts.positions

    def little(facts: Facts, tokens: int) -> Choices | None:
        return little_shape(facts, lambda dim, layers: tokens * 12 * 128 // (layers * dim))

    found = little(facts, enough)
    assert found is not None
    assert [found[f"model.{key}"].value for key in ("dim", "layers")] == [128, 12]
    assert found["model.mixer.heads"].value == 2
    assert little(facts, enough - 1) is None


@pytest.mark.parametrize(
    ("positions", "is_little"),
    [(24_000, False), (61_000, True), (199_000, True), (202_000, False)],
)
def test_little_text_is_counted_in_tokens(positions: int, is_little: bool) -> None:
    facts = Facts(4 * positions, positions, 10.0, row_positions=positions)
    assert (little_shape(facts, lambda *_: 10**12) is not None) == is_little


def test_a_width_is_chosen_from_two_tokens_for_each_weight_of_its_blocks_on() -> None:
    tried = ((64, 2), (128, 4), (192, 4), (256, 4), (320, 6), (384, 8), (512, 8), (640, 10))
    facts = facts_of(10**9)
    for (dim, layers), (wide, deep) in pairwise((*tried, (768, 12))):
        enough = 2 * 12 * wide * wide * deep
        for tokens, chosen in ((enough - 1, (dim, layers)), (enough, (wide, deep))):
            found = choose_shape(ModelKeys(), facts, lambda *_, tokens=tokens: tokens)
            assert (found["model.dim"].value, found["model.layers"].value) == chosen
    short = choose_shape(ModelKeys(), facts, lambda dim, layers: 10**9 if dim < 200 else 0)
    assert (short["model.dim"].value, short["model.layers"].value) == (192, 4)


@pytest.mark.parametrize("dim", [None, 64, 100, 130, 200, 512])
def test_every_chosen_shape_can_be_built(dim: int | None) -> None:
    for layers in (None, 1, 9):
        for tokens in SIZES[::6]:
            found = shape_of(tokens, keys=ModelKeys(dim=dim, layers=layers))
            heads = {"heads": found["model.mixer.heads"].value}
            config = built(found, found["model.layers"].value, mixer=heads)
            assert config.dim == (dim or config.dim)
            assert config.layers == (layers or config.layers)


def test_heads_are_about_sixty_four_channels_wide() -> None:
    for dim, heads, width in ((512, 8, 64), (200, 2, 100), (130, 1, 130), (64, 1, 64)):
        found = shape_of(1000, keys=ModelKeys(dim=dim))["model.mixer.heads"]
        assert found == (heads, f"heads of {width} channels")


@pytest.mark.parametrize("heads", [1, 3, 5, 7, 12])
def test_a_width_is_chosen_that_the_given_heads_divide(heads: int) -> None:
    for tokens in SIZES[::6]:
        found = shape_of(tokens, keys=ModelKeys(mixer=MixerKeys(heads=heads)))
        (mixer,) = built(found, mixer={"heads": heads}).mixers
        assert mixer.model_dump()["heads"] == heads
        free = shape_of(tokens)["model.dim"].value
        assert free <= found["model.dim"].value < free + 2 * heads


def test_a_width_fits_the_heads_of_every_mixer_of_a_list() -> None:
    mixers = (MixerKeys(heads=3), MixerKeys(kind="mamba"), MixerKeys(heads=10))
    found = shape_of(10**6, keys=ModelKeys(mixer=mixers))
    assert found["model.dim"].value % 60 == 0
    assert len(built(found, 3, mixer=mixers).mixers) == 3
    mixers = (MixerKeys(heads=3), MixerKeys(kind="mamba2"))
    assert built(shape_of(1000, keys=ModelKeys(mixer=mixers)), 2, mixer=mixers).dim % 32 == 0


@pytest.mark.parametrize(
    ("dim", "kv_heads", "heads"),
    [(384, 3, 6), (640, 4, 8), (400, 2, 4), (96, 3, 3), (130, 2, 2)],
)
def test_each_key_value_head_serves_as_many_heads_as_every_other(
    dim: int, kv_heads: int, heads: int
) -> None:
    """The nearest counts below are 10 of 640 channels for four, and 5 of 400 channels for two."""
    keys = ModelKeys(dim=dim, mixer=MixerKeys(kv_heads=kv_heads))
    found = shape_of(1000, keys=keys)["model.mixer.heads"]
    assert found == (heads, f"heads of {dim // heads} channels")
    for tokens in SIZES[::4]:
        free = shape_of(tokens, keys=ModelKeys(mixer=MixerKeys(kv_heads=kv_heads)))
        mixer = {"kv_heads": kv_heads, "heads": free["model.mixer.heads"].value}
        assert built(free, mixer=mixer).mixers[0].kind == "attention"


def test_heads_are_chosen_for_each_attention_of_a_list_that_has_none() -> None:
    mixers = (MixerKeys(window=8), MixerKeys(kind="mamba"), MixerKeys(heads=4), MixerKeys())
    found = shape_of(1000, keys=ModelKeys(dim=512, mixer=mixers))
    heads = {key: choice.value for key, choice in found.items() if "heads" in key}
    assert heads == {"model.mixer.0.heads": 8, "model.mixer.3.heads": 8}


@pytest.mark.parametrize("family", ["mamba", "mamba2"])
def test_state_spaces_get_no_heads_and_twice_the_layers(family: str) -> None:
    for tokens in SIZES[::6]:
        found, usual = shape_of(tokens, keys=ModelKeys(family=family)), shape_of(tokens)
        assert not any("heads" in key for key in found)
        assert found["model.dim"].value == usual["model.dim"].value
        assert found["model.layers"].value == 2 * usual["model.layers"].value
        assert built(found, found["model.layers"].value, family=family).layers > 0


GIVEN = {
    "pack.context": 32,
    "model.dim": 48,
    "model.layers": 3,
    "model.mixer.heads": 3,
    "model.dropout": 0.05,
    "phase.0.steps": 40,
    "phase.0.batch_tokens": 256,
    "phase.0.optimizer": "adamw",
    "phase.0.lr": 4e-3,
    "phase.0.embedding_lr": 1e-3,
    "phase.0.warmup_steps": 0,
    "phase.0.schedule": "constant",
    "phase.0.weight_decay": 0.0,
    "phase.0.betas": [0.9, 0.95],
    "phase.0.eval_every_steps": 8,
    "phase.0.eval_tokens": 64,
}


def test_what_is_left_out_is_chosen_and_nothing_beside_it(
    tmp_path: Path, small_recipe: Callable[[Path], Path]
) -> None:
    recipe = Recipe.load(small_recipe(tmp_path))
    assert training_choices(recipe.with_values(GIVEN), facts_of(10**6), 400) == {}
    for key in GIVEN.keys() - {"phase.0.steps", "phase.0.optimizer"}:
        left = recipe.with_values({**GIVEN, key: None})
        assert list(training_choices(left, facts_of(10**6), 400)) == [key]


def test_choosing_needs_no_torch() -> None:
    program = "import sys, endonym.autopilot.resolve; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"False"


def test_rows_are_longer_for_long_documents_in_much_text_and_hold_every_window() -> None:
    def context(tokens: int, document: float, *windows: int) -> int:
        mixers = tuple(MixerKeys(window=each) for each in windows or (None,))
        keys = ModelKeys(mixer=mixers)
        return choose_context(facts_of(tokens, document_tokens=document), keys).value

    assert [context(10**8, each) for each in (400, 401)] == [256, 512]
    assert [context(each, 500) for each in (20_000_000, 20_000_001)] == [256, 512]
    assert [context(10**8, 500, each) for each in (300, 512, 600)] == [512, 512, 600]
    assert [context(10**6, 500, each) for each in (256, 300)] == [256, 300]
    assert context(10**6, 300, 64, 700) == 700


def test_an_epoch_has_a_position_for_the_end_of_each_document_or_those_of_its_rows() -> None:
    assert Facts(0, 1000, 10.0).positions == 1100
    assert Facts(0, 1000, 10.0, row_positions=2048).positions == 2048
