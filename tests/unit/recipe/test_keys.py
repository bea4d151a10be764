"""Tables and keys of recipes as the configs have them, and suggestions for unknown keys."""

import pytest

from endonym.errors import did_you_mean, nearest, plain_word
from endonym.model.config import MixerKeys
from endonym.recipe.keys import (
    inner,
    meant,
    nearest_key,
    other_programs,
    tables,
)
from endonym.recipe.recipe import Recipe

NAMES, CONVERSIONS, WITHOUT_KEY = (
    other_programs()[name] for name in ("names", "conversions", "without_key")
)


def test_tables_stand_before_their_own_and_say_how_they_are_written() -> None:
    found = tables(Recipe)
    assert all(each.title and each.config.__doc__ for each in found.values())
    names = list(found)
    for name in names[1:]:
        assert names.index(name.rpartition(".")[0]) < names.index(name)
    top, phase, mixer = found[""], found["phase"], found["model.mixer"]
    assert top.header == "the top of the recipe"
    assert (phase.header, mixer.header) == ("[[phase]]", "[model.mixer]")
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
    assert nearest("yars", choices) == "layers", "six of ten letters are enough, if just"
    assert nearest("yars", choices, cutoff=0.61) is None
    assert nearest("dims", ["di", "dim", "dimm"]) == "dim"
    assert plain_word("Warmup Steps-x") == "warmup_steps_x"
    assert did_you_mean("Yars", choices) == "Did you mean `layers`?  "
    assert did_you_mean("katman", choices) == ""


UNKNOWN_KEYS = [
    ("phase", "step", "`steps`"),
    ("phase", "Learning-Rate", "`lr`"),
    ("phase", "batch_size", "`batch_tokens`"),
    ("model", "num_heads", "`mixer.heads`"),
    ("model", "bf16", "`number_format` in [[phase]]"),
    ("model", "kv_head", "`mixer.kv_heads`"),
    ("pack", "seed", "`seed` at the top of the recipe"),
    ("", "modle", "`model`"),
    ("clean", "сүзләр", None),
    ("", "learnig_rate", "`lr` in [[phase]]"),
    ("model", "num_haeds", "`mixer.heads`"),
    ("phase", "batchsize", "`batch_tokens`"),
]


@pytest.mark.parametrize(("table", "wrong", "suggested"), UNKNOWN_KEYS)
def test_an_unknown_key_is_met_with_a_known_one(table: str, wrong: str, suggested: str | None):
    assert nearest_key(Recipe, tables(Recipe)[table], wrong) == suggested


UNKNOWN_TABLES = [
    ("trian", ["learnig_rate", "epoch"], ("`lr` in [[phase]]", "`phase.lr`")),
    ("optim", ["name", "lr", "clip"], ("`name` in [[phase]]", "`phase.name`")),
    ("modle", ["lr"], ("`model`", "`model`")),
    ("lr", [], ("`lr` in [[phase]]", "`phase.lr`")),
    ("train", ["сүз"], ("`phase`", "`phase`")),
]


@pytest.mark.parametrize(("wrong", "held", "suggested"), UNKNOWN_TABLES)
def test_an_unknown_table_is_met_by_keys(wrong: str, held: list[str], suggested: tuple[str, str]):
    top = tables(Recipe)[""]
    plain = nearest_key(Recipe, top, wrong, inner_keys=held, is_dotted=False)
    found = [plain, nearest_key(Recipe, top, wrong, inner_keys=held, is_dotted=True)]
    assert tuple(found) == suggested


def test_a_name_may_mean_keys_of_several_tables_or_none() -> None:
    def found(*words: str) -> list[str]:
        return [f"{table.name}.{key}" for table, key in meant(Recipe, words)]

    assert found("phase", "pretrain", "lr") == found("lr") == ["phase.lr"]
    assert found("name") == [".name"]
    assert {"tokenizer.kind", "evaluate.kind"} <= set(found("kind"))
    assert found("optimizer", "lr") == found("сүзләр") == []


def test_what_a_person_knows_from_elsewhere_is_found() -> None:
    for other, ours in {
        "beta2": "phase.betas",
        "ssm_state_size": "model.mixer.state",
        "wandb": "track.to",
        "eval_strategy": "phase.eval_every_steps",
    }.items():
        assert [table.dotted(key) for table, key in meant(Recipe, [other])] == [ours]


def test_names_of_other_programs_lead_to_keys_that_there_are() -> None:
    keys = {key for table in tables(Recipe).values() for key in table.keys}
    assert set(NAMES.values()) <= keys
    assert all(plain_word(other) == other for other in NAMES)
    assert set(CONVERSIONS) <= set(NAMES)
    assert {"logging_steps", "hours"} <= set(WITHOUT_KEY)
    assert not set(WITHOUT_KEY) & (keys | set(NAMES))
