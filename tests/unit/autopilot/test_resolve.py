"""What a recipe leaves open is chosen once, and the choice is kept."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from made_conversations import conversations, make_toy_examples, said
from plans import FACTS, resolved
from text_samples import KHMER
from toys import lively_decoder, toy_config, toy_tokenizer

from endonym import device
from endonym.autopilot import machine, resolve
from endonym.autopilot.model_size import Choice, Facts, choose_vocab
from endonym.autopilot.resolve import resolve_tokenizer, resolve_training, value_at
from endonym.autopilot.text_size import TextSize
from endonym.errors import RecipeError
from endonym.export.huggingface import export_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.recipe.recipe import Recipe
from endonym.store import Artifact


@pytest.fixture
def recipe(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Recipe:
    return Recipe.load(small_recipe(tmp_path / "project"))


def choices_of(recipe: Recipe, facts: Facts = FACTS) -> dict[str, Choice]:
    return resolve.training_choices(recipe, facts, 400)


def test_only_what_is_left_out_is_chosen(recipe: Recipe) -> None:
    found = choices_of(recipe)
    keys = ("betas", "embedding_lr", "weight_decay")
    assert set(found) == {f"phase.0.{key}" for key in keys}
    assert all(choice.reason for choice in found.values())
    bare = recipe.with_values({"phase.0.lr": None, "pack.context": None, "model.layers": None})
    more = set(choices_of(bare)) - set(found)
    assert more == {"phase.0.lr", "pack.context", "model.layers"}


@pytest.mark.parametrize(
    ("first", "second", "schedule"),
    [
        ({}, {}, "constant"),
        ({"lr": 3e-3}, {"lr": 3e-3}, "constant"),
        ({"lr": 3e-3}, {"lr": 1e-3}, "linear"),
        ({"final_lr": 0.1}, {}, "linear"),
        ({}, {"start": "scratch"}, "linear"),
        ({}, {"adapt": {}}, "linear"),
        ({}, {"objective": "chat", "data": "talks.jsonl"}, "linear"),
    ],
)
def test_the_rate_falls_only_before_what_learns_something_else(
    recipe: Recipe, first: dict[str, object], second: dict[str, object], schedule: str
) -> None:
    phases = [{"name": "web", "tokens": 9_000, **first}, {"name": "books", "tokens": 9_000}]
    phases[1] |= second
    (recipe.folder / "talks.jsonl").write_text("{}\n", encoding="utf-8")
    recipe = recipe.with_values({"phase": phases})
    found = choices_of(recipe)
    assert found["phase.0.schedule"].value == schedule
    assert found["phase.1.schedule"].value == "linear"
    is_last = schedule == "constant"
    assert ("phase.1.keep" in found, "phase.1.final_lr" in found) == (is_last, is_last)
    if is_last:
        assert found["phase.1.keep"].value == "average"
        more = recipe.with_values({"phase.1.tokens": 2_000_000})
        chosen = choices_of(more)
        assert "phase.1.keep" not in chosen


def test_a_large_shape_has_the_rates_that_others_publish(recipe: Recipe) -> None:
    large = {"model.dim": 768, "model.layers": 12, "model.mixer.heads": 12, "phase.0.lr": None}
    found = choices_of(recipe.with_values(large))
    assert found["phase.0.lr"].value == found["phase.0.embedding_lr"].value == 6e-4
    assert choices_of(recipe.with_values({"phase.0.lr": None}))["phase.0.lr"].value == 3e-3


def test_a_vocabulary_is_chosen_for_pairs_and_pieces_and_for_nothing_else(recipe: Recipe) -> None:
    size = TextSize(10**9, 3 * 10**8, 1.0, 100.0, ())  # three bytes a letter ask for no more ids
    assert resolve.vocab_choice(recipe, lambda: pytest.fail("measured in vain")) == {}
    chosen = {"tokenizer.vocab": choose_vocab(3 * 10**8)}
    for kind, wanted in (("bpe", chosen), ("unigram", chosen), ("char", {}), ("byte", {})):
        open_ = recipe.with_values({"tokenizer.kind": kind, "tokenizer.vocab": None})
        assert resolve.vocab_choice(open_, lambda: size) == wanted
    assert resolve_tokenizer(recipe, {}) == recipe.tokenizer
    assert resolve_tokenizer(recipe, {"tokenizer.vocab": Choice(777, "letters")}).vocab == 777


def test_values_are_read_and_written_by_dotted_keys(recipe: Recipe) -> None:
    assert value_at(recipe, "phase.0.lr") == 4e-3
    assert value_at(recipe, "model.mixer.heads") == 2
    assert value_at(recipe, "model.ffn.hidden") is None
    assert value_at(recipe.with_values({"model.ffn.hidden": 64}), "model.ffn.hidden") == 64


def test_the_number_format_is_measured_once_and_only_where_it_is_left_to_us(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = [{"fp32": 1e9, "bf16": 2e9}, {"fp32": 1e9, "bf16": 1e9}]
    monkeypatch.setattr(device, "probe_number_formats", lambda: rates.pop(0))
    monkeypatch.setattr(device, "attends_in_bf16", lambda: True)
    file = tmp_path / "machine.json"
    assert resolve.number_formats(recipe, file) == {}
    assert len(rates) == 2
    auto = recipe.with_values({"phase.0.number_format": "auto"})
    for _ in range(2):
        found = resolve.number_formats(auto, file)["phase.0.number_format"]
        assert found.value == "bf16"
        assert "2 GFLOP/s" in found.reason
    assert len(rates) == 1
    assert machine.saved_measurement(file, "matmul_per_second") == {"fp32": 1e9, "bf16": 2e9}


def test_the_number_format_of_a_gpu_does_not_ask_the_processor(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "probe_number_formats", lambda: pytest.fail("asked the processor"))
    auto = recipe.with_values({"phase.0.number_format": "auto"})
    for target, has_units, value, why in (
        ("cuda", True, "bf16", "this GPU has units for it"),
        ("cuda:1", False, "fp32", "this GPU has no units for bf16"),
        ("mps", True, "fp32", "never tried on mps"),
    ):

        def supported(including_emulation: bool = True, has_units: bool = has_units) -> bool:
            return has_units or including_emulation

        monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
        (choice,) = resolve.number_formats(auto, tmp_path / "machine.json", target).values()
        assert (choice.value, why in choice.reason) == (value, True)


def test_every_key_of_training_has_a_value_and_choices_win_only_where_the_recipe_is_open(
    recipe: Recipe,
) -> None:
    facts = Facts(1_000_000, 250_000, 30.0)
    found = resolve_training(recipe, choices_of(recipe, facts), facts, 400)
    (phase,) = found.phases
    assert (found.model.vocab, found.model.context) == (400, found.pack.context)
    assert phase.lr == recipe.phase[0].lr
    optional = {"adapt", "beta", "distill", "first_row", "keep_steps", "prune", "subword_dropout"}
    assert None not in phase.model_dump(exclude=optional).values()
    made = found.with_choices(
        {
            "phase.0.lr": Choice(1e-3, "tried"),
            "phase.0.micro_tokens": Choice(64, "fits"),
            "phase.0.compile": Choice("on", "pays"),
        }
    )
    assert (made.phases[0].lr, made.phases[0].execution.micro_tokens) == (1e-3, 64)
    assert made.phases[0].execution.compile is True
    assert found.phases[0].lr == recipe.phase[0].lr


def test_facts_are_those_of_the_shards_together_and_of_each_source(tmp_path: Path) -> None:
    train = {
        "роман": {"tokens": 9_000, "documents": 90, "bytes": 40_000},
        "мәкаль": {"tokens": 1_000, "documents": 110, "bytes": 6_000},
    }
    dev = {"роман": {"documents": 4, "tokens": 70}, "мәкаль": {"documents": 0, "tokens": 0}}
    facts = resolve.facts_of(Artifact(tmp_path, {"numbers": {"train": train, "dev": dev}}))
    whole = (facts.text_bytes, facts.unique_tokens, facts.mean_document_tokens)
    assert (*whole, facts.dev_tokens) == (46_000, 10_000, 50.0, 70)
    each = {name: (own.text_bytes, own.dev_documents) for name, own in facts.sources.items()}
    assert each == {"роман": (40_000, 4), "мәкаль": (6_000, 0)}


def test_conversations_are_learnt_or_held_out_and_counted_once(tmp_path: Path) -> None:
    records = [*conversations(40), *(said("Ничек?", each) for each in ("Әйбәт.", "Начар."))]
    made = make_toy_examples(tmp_path, [*records, "{"], val_share=0.25, context=256)
    manifest = {"numbers": made, "config": {"context": 256}}
    facts = resolve.facts_of_examples(Artifact(tmp_path, manifest))
    assert facts.dev_documents == made["held_out"] > 0
    assert facts.records == 42 - made["held_out"]
    assert "such as “Ничек?”: “Әйбәт.” and “Начар.”" in facts.several_answers
    train, dev = made["train"], made["dev"]
    assert (facts.text_bytes, facts.unique_tokens) == (train["bytes"], train["tokens"])
    assert facts.mean_document_tokens == train["tokens"] / facts.records
    assert (facts.positions, facts.dev_tokens) == (256 * train["rows"], 256 * dev["rows"])
    assert facts.dropped == made["dropped"] == {"bad_json": 1}


@pytest.fixture
def extended(tmp_path: Path) -> Recipe:
    """A recipe that goes on with a model, whose rows are thirty more than its tokenizer's ids."""
    tokenizer = toy_tokenizer("bpe")
    decoder = lively_decoder(toy_config(vocab=tokenizer.vocab + 30, context=64))
    export_huggingface(LanguageModel(decoder, tokenizer), tmp_path / "model")
    (tmp_path / "km.txt").write_text("\n".join(KHMER), encoding="utf-8")
    (tmp_path / "recipe.toml").write_text(
        'name = "a"\nlanguage = "km"\n[[source]]\nname = "km"\npath = "km.txt"\n'
        '[model]\nfolder = "model"\n[tokenizer]\nextend = 400\n[[phase]]\nsteps = 3\n',
        encoding="utf-8",
    )
    return Recipe.load(tmp_path / "recipe.toml")


def test_more_text_gives_more_new_pieces_up_to_those_that_are_asked_for(extended: Recipe) -> None:
    before, sample = toy_tokenizer("bpe").vocab, ("\n".join(KHMER) * 2,)
    size = len(sample[0].encode())

    def added(times: int, extend: int = 400, share: float = 1.0) -> int:
        config = extended.tokenizer.model_copy(update={"extend": extend})
        text = TextSize(times * size, times * len(sample[0]), share, 50.0, sample)
        facts, tried = resolve.estimated_facts(extended, text, config)
        assert tried is not None, "by which conversations are counted"
        assert tried.vocab > before
        return (facts.vocab or 0) - before

    assert 0 < added(1) < 100
    assert added(3) == added(6, share=0.5) == 3 * added(1)
    assert added(1_000) == 400
    assert added(1, extend=4) == 4


def test_rows_beyond_the_ids_of_a_tokenizer_are_for_its_new_pieces(extended: Recipe) -> None:
    ids = toy_tokenizer("bpe").vocab
    rows = [resolve.shape_of(extended, ids + more, 32).vocab - ids for more in (4, 30, 31)]
    assert rows == [30, 30, 31]


def test_a_model_to_go_on_with_says_the_context_the_vocabulary_and_the_rates(extended: Recipe):
    kept, ids = extended.with_values({"tokenizer.extend": None}), toy_tokenizer("bpe").vocab
    more, same = choices_of(extended), choices_of(kept)
    assert more["pack.context"] == Choice(64, "the model has read no more at once")
    keys = ("phase.0.embedding_lr", "phase.0.lr")
    rates = [each[key].value for each in (more, same) for key in keys]
    assert rates == [4 * rates[1], rates[1], rates[1], rates[1]]
    assert resolve.vocab_choice(extended, lambda: pytest.fail("measured in vain")) == {}
    # The vocabulary of a tokenizer that is not made yet.
    byte = kept.with_values({"model.folder": None, "tokenizer.kind": "byte"})
    given = {"tokenizer.vocab": Choice(900, "letters")}
    asked = ((kept, {}), (extended, {}), (byte, {}), (byte, given))
    found = [resolve.likely_vocab(each, choices, FACTS) for each, choices in asked]
    assert found == [ids, ids + 400, 259, 900]


def test_a_phase_is_as_long_as_the_texts_that_it_reads(recipe: Recipe) -> None:
    """Of two sources, each as much text as all are."""
    shares = {"tatar": 0.5, "romanian": 0.5}
    keys = {"phase.0.steps": None, "phase.0.epochs": 1.0, "phase.0.sources": shares}
    (phase,) = resolved(recipe.with_values(keys)).phases
    assert phase.steps == pytest.approx(2 * FACTS.positions / 256, abs=1)


def test_the_last_step_is_kept_where_a_source_has_no_dev_text(recipe: Recipe) -> None:
    name = recipe.source[0].name
    shared = recipe.with_values({"phase.0.sources": {name: 1.0}})
    for dev_documents, kept in ((None, "best"), (3, "best"), (0, "last")):
        own = Facts(1_000_000, 250_000, 30.0, dev_documents=dev_documents)
        facts = replace(own, dev_documents=None, sources={name: own})
        for each, wanted in ((shared, kept), (recipe, "best")):
            choices = choices_of(each, facts)
            assert resolve_training(each, choices, facts, 400).phases[0].keep == wanted
            assert ("phase.0.keep" in choices) == (wanted == "last")
    asked = shared.with_values({"phase.0.keep": "average"})
    choices = choices_of(asked, facts)
    assert resolve_training(asked, choices, facts, 400).phases[0].keep == "average"
    with pytest.raises(RecipeError, match="is held out"):
        resolve_training(shared.with_values({"phase.0.keep": "best"}), choices, facts, 400)


def test_the_mean_of_weights_needs_no_dev_text(recipe: Recipe) -> None:
    """It stays where the second phase goes on at the rate of the first one."""
    share = {"tokens": 9_000, "sources": {recipe.source[0].name: 1.0}}
    both = recipe.with_values({"phase": [{"name": "web", **share}, {"name": "books", **share}]})
    own = Facts(1_000_000, 250_000, 30.0, dev_documents=0)
    facts = replace(own, dev_documents=None, sources={recipe.source[0].name: own})
    found = choices_of(both, facts)
    assert [found[f"phase.{n}.keep"].value for n in (0, 1)] == ["last", "average"]


def test_what_was_read_before_is_counted_in_epochs_of_what_a_phase_reads(recipe: Recipe) -> None:
    name = recipe.source[0].name
    phases = [{"name": "web"}, {"name": "books", "sources": {name: 1.0}}]
    both = recipe.with_values({"phase": [{**each, "tokens": 20_000} for each in phases]})
    for tokens, are_new in ((250_000, True), (15_000, False)):
        facts = Facts(10**6, 250_000, 30.0, sources={name: Facts(10**6, tokens, 30.0)})
        found = {key: choice.value for key, choice in choices_of(both, facts).items()}
        first, second = (found[f"phase.{n}.embedding_lr"] / found[f"phase.{n}.lr"] for n in (0, 1))
        assert first == 8
        assert (second == 8) == are_new


def test_open_epochs_respect_what_all_phases_may_read(recipe: Recipe) -> None:
    name = recipe.source[0].name
    whole = recipe.with_values({"phase.0.steps": None, "source.0.repeatable": 2})
    own = Facts(1_000_000, 250_000, 30.0)
    facts = replace(own, sources={name: own})
    first = choices_of(whole, facts)["phase.0.epochs"]
    assert first == Choice(2.0, "as often as its sources may be read")
    begun = whole.with_values({"phase.0.epochs": 1.6})
    phases = [begun.phase[0], whole.phase[0].model_copy(update={"name": "more"})]
    two = begun.model_copy(update={"phase": tuple(phases)})
    choices = choices_of(two, facts)
    assert choices["phase.1.epochs"].value == pytest.approx(0.4, abs=0.005)
    resolve_training(two, choices, facts, 400)
    some = [begun.phase[0].model_copy(update={"name": n, "epochs": 0.7}) for n in ("one", "two")]
    three = begun.model_copy(update={"phase": (*some, phases[1])})
    found = choices_of(three, facts)["phase.2.epochs"].value
    assert found == pytest.approx(0.6, abs=0.01)
    phases[1] = phases[1].model_copy(update={"start": "scratch"})
    two = begun.model_copy(update={"phase": tuple(phases)})
    anew, alone = choices_of(two, facts), choices_of(whole, facts)
    assert anew["phase.1.epochs"].value == 2.0
    assert anew["phase.1.embedding_lr"] == alone["phase.0.embedding_lr"], "nothing was read before"
    # The end of each document is a token of an epoch: both phases read no more than two.
    lengths = (("one", 1.5), ("two", 0.5))
    some = [begun.phase[0].model_copy(update={"name": n, "epochs": each}) for n, each in lengths]
    two = begun.model_copy(update={"phase": tuple(some)})
    found = choices_of(two, replace(own, mean_document_tokens=1.0))
    assert found["phase.1.embedding_lr"] == found["phase.0.embedding_lr"]


def test_no_choice_of_a_phase_outlives_the_estimate_that_it_was_made_from(recipe: Recipe) -> None:
    estimated = {"phase.0.keep": Choice("average", "few"), "tokenizer.vocab": Choice(400, "small")}
    facts = Facts(1_000_000, 250_000, 30.0)
    found = resolve.counted_choices(estimated, recipe, facts, 400, device="cpu")
    assert "phase.0.keep" not in found
    assert found["tokenizer.vocab"] == estimated["tokenizer.vocab"]
    assert "phase.0.weight_decay" in found
