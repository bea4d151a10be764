"""Tables and keys of recipes as the configs have them, and suggestions for unknown keys."""

import pytest

from endonym.config import Config
from endonym.model.config import MixerKeys
from endonym.recipe.keys import (
    inner,
    meant,
    nearest,
    nearest_key,
    other_programs,
    plain_word,
    table_named,
    tables,
)
from endonym.recipe.recipe import Recipe

NAMES, CONVERSIONS, WITHOUT_KEY = (
    other_programs()[name] for name in ("names", "conversions", "without_key")
)


def test_every_table_is_a_config_with_a_docstring() -> None:
    for table in tables(Recipe):
        assert issubclass(table.config, Config)
        assert table.title
        assert table.config.__doc__


def test_tables_stand_before_their_own_and_have_names_of_their_own() -> None:
    names = [table.name for table in tables(Recipe)]
    assert names[0] == ""
    assert len(set(names)) == len(names)
    for name in names[1:]:
        above = name.rpartition(".")[0]
        assert names.index(above) < names.index(name)
    assert {"source", "model.mixer", "model.ffn", "phase"} <= set(names)


def test_a_table_is_found_by_its_dotted_name_and_says_how_it_is_written() -> None:
    found = {name: table_named(Recipe, name) for name in ("", "phase", "model.mixer", "modle")}
    top, phase, mixer = found[""], found["phase"], found["model.mixer"]
    assert found["modle"] is None
    assert top is not None
    assert phase is not None
    assert mixer is not None
    assert (top.header, top.location) == ("the top of the recipe", "at the top of the recipe")
    assert (phase.header, phase.location) == ("[[phase]]", "in [[phase]]")
    assert mixer.header == "[model.mixer]"
    assert {"heads", "kv_heads", "window"} <= set(mixer.keys)
    assert (top.config, mixer.config) == (Recipe, MixerKeys)


def test_the_config_of_a_key_is_found_inside_its_type() -> None:
    assert inner(MixerKeys) == (MixerKeys, False)
    assert inner(MixerKeys | None) == (MixerKeys, False)
    assert inner(tuple[MixerKeys, ...]) == (MixerKeys, True)
    assert inner(int | str | None) == (None, False)
    assert inner(tuple[str, ...]) == (None, False)


def test_the_nearest_word_is_near_or_there_is_none() -> None:
    choices = ["layers", "dim", "warmup_steps"]
    assert nearest("Layer", choices) == "layers"
    assert nearest("warmup-step", choices) == "warmup_steps"
    assert nearest("katman", choices) is None
    assert nearest("lay", choices, cutoff=0.9) is None
    assert plain_word("Warmup Steps-x") == "warmup_steps_x"


@pytest.mark.parametrize(
    ("table", "wrong", "suggested"),
    [
        ("phase", "step", "`steps`"),
        ("phase", "learning_rate", "`lr`"),
        ("phase", "Learning-Rate", "`lr`"),
        ("phase", "batch_size", "`batch_tokens`"),
        ("phase", "gradient_accumulation", "`micro_tokens`"),
        ("model", "num_heads", "`mixer.heads`"),
        ("model", "bf16", "`number_format` in [[phase]]"),
        ("model", "num_attention_heads", "`mixer.heads`"),
        ("model", "kv_head", "`mixer.kv_heads`"),
        ("model", "vocab_size", "`vocab` in [tokenizer]"),
        ("pack", "seed", "`seed` at the top of the recipe"),
        ("", "modle", "`model`"),
        ("clean", "сүзләр", None),
        ("", "learnig_rate", "`lr` in [[phase]]"),
        ("phase", "learnig_rate", "`lr`"),
        ("model", "num_haeds", "`mixer.heads`"),
        ("phase", "batchsize", "`batch_tokens`"),
        ("", "optimizr", "`optimizer` in [[phase]]"),
    ],
)
def test_an_unknown_key_is_met_with_one_of_this_table_or_of_another(
    table: str, wrong: str, suggested: str | None
) -> None:
    found = table_named(Recipe, table)
    assert found is not None
    assert nearest_key(Recipe, found, wrong) == suggested


@pytest.mark.parametrize(
    ("wrong", "held", "suggested"),
    [
        ("train", ["lr"], ("`lr` in [[phase]]", "`phase.lr`")),
        ("trian", ["learnig_rate", "epoch"], ("`lr` in [[phase]]", "`phase.lr`")),
        ("optim", ["name", "lr", "clip"], ("`name` in [[phase]]", "`phase.name`")),
        ("modle", ["lr"], ("`model`", "`model`")),
        ("lr", [], ("`lr` in [[phase]]", "`phase.lr`")),
        ("train", ["сүз"], ("`phase`", "`phase`")),
    ],
)
def test_an_unknown_table_is_met_with_the_one_that_has_its_keys(
    wrong: str, held: list[str], suggested: tuple[str, str]
) -> None:
    top = table_named(Recipe, "")
    assert top is not None
    found = [nearest_key(Recipe, top, wrong, held=held, is_dotted=each) for each in (False, True)]
    assert tuple(found) == suggested


def test_a_name_may_mean_keys_of_several_tables_or_none() -> None:
    def found(*words: str) -> list[str]:
        return [f"{table.name}.{key}" for table, key in meant(Recipe, words)]

    assert found("phase", "pretrain", "lr") == found("lr") == ["phase.lr"]
    assert found("name") == [".name"]
    assert {"tokenizer.kind", "evaluate.kind"} <= set(found("kind"))
    assert found("optimizer", "lr") == found("сүзләр") == []


def test_what_needs_no_key_is_no_other_name_and_no_key() -> None:
    keys = {key for table in tables(Recipe) for key in table.keys}
    assert not set(WITHOUT_KEY) & (keys | set(NAMES))


@pytest.mark.parametrize(
    ("other", "ours"),
    [
        ("adam_beta2", "phase.betas"),
        ("beta2", "phase.betas"),
        ("d_state", "model.mixer.state"),
        ("ssm_state_size", "model.mixer.state"),
        ("batch", "phase.batch_tokens"),
        ("wandb", "track.to"),
        ("report_to", "track.to"),
        ("eval_strategy", "phase.eval_every_steps"),
    ],
)
def test_what_a_person_knows_from_elsewhere_is_found(other: str, ours: str) -> None:
    assert [table.dotted(key) for table, key in meant(Recipe, [other])] == [ours]


def test_conversions_are_of_names_that_lead_to_a_key() -> None:
    assert set(CONVERSIONS) <= set(NAMES)
    assert {"logging_steps", "hours"} <= set(WITHOUT_KEY)


def test_names_of_other_programs_lead_to_keys_that_there_are() -> None:
    keys = {key for table in tables(Recipe) for key in table.keys}
    for other, ours in NAMES.items():
        assert ours in keys, other
        assert plain_word(other) == other
