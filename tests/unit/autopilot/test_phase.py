"""What is chosen for a phase: by how often text is read, by width, device, memory and examples."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
import zstandard
from made_conversations import conversations, make_toy_examples, pairs, said, write_lines
from toys import train_config

from endonym.autopilot.likely_examples import estimated_examples
from endonym.autopilot.model_size import Choice, Choices, Facts
from endonym.autopilot.phase import (
    SQUARE_HALF_LIFE_TOKENS,
    betas,
    budget_of,
    choose_answers,
    choose_memory,
    choose_phase,
)
from endonym.errors import OutOfMemory
from endonym.model.adapt_config import Adapt
from endonym.model.config import ModelConfig, ModelKeys
from endonym.model.count import parameters
from endonym.model.families import resolve
from endonym.recipe.recipe import Recipe
from endonym.train.config import USEFUL_TOKENS, Phase, TrainConfig, resolve_phase
from endonym.train.memory_budget import phase_bytes


def facts_of(tokens: int) -> Facts:
    return Facts(text_bytes=4 * tokens, unique_tokens=tokens, mean_document_tokens=300.0)


MUCH = facts_of(10**8)


def chosen(
    tokens: int = 10**8, keys: dict[str, object] | None = None, **given: object
) -> dict[str, object]:
    """The values that are chosen for a phase with these keys, each of which has a reason."""
    phase = Phase.model_validate(keys or {})
    found = choose_phase(phase, facts_of(tokens), 256, **given)
    assert all(len(each.reason.split()) >= 2 for each in found.values())
    return {key: each.value for key, each in found.items()}


def rates(found: dict[str, object]) -> tuple[object, object]:
    return found["lr"], found["embedding_lr"]


def test_weight_decay_is_that_of_the_table_up_to_each_limit() -> None:
    epochs = {0.5: 0.1, 2: 0.1, 2.01: 0.3, 6: 0.3, 6.01: 0.6, 30: 0.6, 30.01: 2.0}
    found = [chosen(10**6, {"epochs": each})["weight_decay"] for each in epochs]
    assert found == list(epochs.values())


def test_text_that_is_read_once_or_twice_is_learnt_with_muon() -> None:
    found = [chosen(10**6, {"epochs": epochs}) for epochs in (0.5, 2, 2.1, 11)]
    assert ["optimizer" in each for each in found] == [True, True, False, False]
    assert [rates(each) for each in found] == [(6e-3, 4.8e-2)] * 2 + [(3e-3, 1.2e-2)] * 2
    assert [each["batch_tokens"] for each in found] == [4096, 4096, 2048, 2048]
    once = Phase(epochs=0.5)
    assert "0.5 epochs" in choose_phase(once, facts_of(10**6), 256)["optimizer"].reason


def test_passes_of_earlier_phases_count_and_steps_are_of_the_batch_that_is_chosen() -> None:
    found = ["optimizer" in chosen(10**6, {"epochs": 1}, read=read) for read in (0, 1, 1.1)]
    assert found == [True, True, False]
    for unique, is_muon in ((210_000, True), (200_000, False)):
        choices = choose_phase(Phase(steps=100), facts_of(unique), 256)
        assert ("optimizer" in choices) is is_muon
        assert ("1.9 epochs" in choices["weight_decay"].reason) is is_muon


def test_the_end_of_each_document_is_a_token_of_an_epoch() -> None:
    """Of documents of one token half of all tokens are ends."""
    words, epoch = Facts(8 * 10**6, 10**6, 1.0), 2 * 10**6
    for more, is_new in ((0, True), (1, False)):
        phase = Phase(tokens=2 * epoch + more)
        found = choose_phase(phase, words, 256, place="last")
        assert ("optimizer" in found, "keep" in found) == (is_new, is_new)
        assert found["weight_decay"].reason == "about 2.0 epochs"
        plain = choose_phase(Phase(tokens=epoch, optimizer="adamw"), words, 256, read=1 + more / 9)
        assert (plain["embedding_lr"].value == 8 * plain["lr"].value) is is_new
    assert budget_of([Phase(epochs=3)], words) == 3 * epoch
    assert choose_phase(Phase(epochs=11), words, 256)["weight_decay"].reason == "about 11 epochs"


def test_muon_is_not_chosen_where_its_step_is_dear_or_it_was_not_tried() -> None:
    once = {"epochs": 1}
    for given, is_muon in (
        ({"dim": 256}, True),
        ({"dim": 512}, False),
        ({"dim": 2048, "device": "cuda"}, True),
        ({"tokens": 16_000}, False),
        ({"has_experts": True}, False),
        ({"goes_on": True}, False),
        ({"dim": 256, "keys": {**once, "batch_tokens": 2048}}, False),
    ):
        assert ("optimizer" in chosen(**({"keys": once} | given))) is is_muon, given
    assert rates(chosen(keys=once, goes_on=True)) == (1e-4, 1e-4)


def test_a_pretrained_model_has_a_third_of_the_rate_of_its_width_and_more_for_new_rows() -> None:
    once = {"epochs": 1}
    for dim, rate in ((96, 1e-3), (256, 1e-3), (1024, 2.5e-4), (512, 5e-4)):
        assert rates(chosen(keys=once, dim=dim, goes_on=True)) == (rate, rate)
    new = {"dim": 1024, "goes_on": True, "has_new_vocabulary": True}
    assert rates(chosen(keys=once, **new)) == (2.5e-4, 1e-3)
    assert chosen(keys=once | {"lr": 2e-4}, **new)["embedding_lr"] == 8e-4


def test_rates_that_are_given_keep_their_proportion_to_those_of_tables() -> None:
    for given, times in (({}, 8), ({"optimizer": "adamw"}, 8), ({"epochs": 9}, 4)):
        found = chosen(10**6, {"epochs": 1, "lr": 1e-3} | given)
        assert rates(found) == (1e-3, times * 1e-3)
    asked = chosen(10**6, {"epochs": 40, "optimizer": "muon"})
    assert (asked["lr"], asked["batch_tokens"]) == (6e-3, 4096)


def test_wide_matrices_have_less_of_a_rate_and_tables_have_not() -> None:
    for optimizer, of_width, tables in (
        ("adamw", {None: 3e-3, 128: 3e-3, 256: 3e-3, 512: 1.5e-3, 768: 1e-3}, 1.2e-2),
        ("muon", {256: 6e-3, 512: 4.2e-3, 768: 3.5e-3}, 2.4e-2),
    ):
        for dim, lr in of_width.items():
            assert rates(chosen(keys={"optimizer": optimizer}, dim=dim)) == (lr, tables)
            # Written down as it was chosen, it changes nothing.
            written = chosen(keys={"optimizer": optimizer, "lr": lr}, dim=dim)
            assert written["embedding_lr"] == tables
    assert "not tried" in choose_phase(Phase(), MUCH, 256, dim=768)["lr"].reason
    assert rates(chosen(keys={"lr": 2e-3}, dim=768)) == (2e-3, 2.4e-2)


def test_adapters_have_ten_times_the_rate_of_the_weights_of_a_pretrained_model() -> None:
    keys = {"epochs": 1, "adapt": Adapt(rank=4)}
    for dim, expected in ((None, 1e-3), (64, 1e-2), (256, 1e-2), (1024, 2.5e-3), (4096, 6.3e-4)):
        full = chosen(10**6, {"epochs": 1}, dim=dim, goes_on=True)["lr"]
        for goes_on in (False, True):  # from an earlier phase, from a folder
            found = chosen(10**6, keys, dim=dim, goes_on=goes_on)
            assert found["lr"] == pytest.approx(expected) == pytest.approx(10 * full)
            assert found["weight_decay"] == 0
    assert rates(chosen(10**6, keys | {"lr": 7e-4}, dim=64)) == (7e-4, 7e-4)


SMOLLM, XL = (576, 106_000_000), (2048, 1_208_000_000)
"""Width and weights in blocks of models with 135 million and 1.3 billion parameters."""


def test_large_models_have_the_rates_that_others_publish() -> None:
    adapt = {"adapt": {"rank": 16}}
    for (dim, weights), nothing in ((SMOLLM, 5.5e-4), (XL, 2e-4)):
        size = {"dim": dim, "weights": weights}
        assert rates(chosen(keys={"epochs": 9}, **size)) == (nothing, nothing)
        full = rates(chosen(keys={"epochs": 9}, **size, goes_on=True))
        assert full == (pytest.approx(nothing / 3, rel=0.04),) * 2
        for objective, whole, adapter in (("chat", 2e-5, 2e-4), ("preferences", 1e-6, 1e-5)):
            assert rates(answers(objective, **size)) == (whole, whole)
            assert rates(answers(objective, **size, **adapt)) == (adapter, adapter)
            assert rates(answers(objective, **size, lr=3e-4)) == (3e-4, 3e-4)
        for goes_on in (False, True):
            found = chosen(keys={"epochs": 9, "adapt": Adapt(rank=16)}, **size, goes_on=goes_on)
            assert rates(found) == (2e-4, 2e-4)


def test_between_small_and_large_models_a_rate_falls_steadily_from_the_one_that_was_tried() -> None:
    sizes = (None, 1_000_000, 25_000_000, 26_000_000, 50_000_000, 84_000_000, 85_000_000)
    for keys in ({}, {"adapt": {"rank": 16}}):
        for objective in ("chat", "preferences"):
            found = [answers(objective, dim=512, weights=n, **keys)["lr"] for n in sizes]
            assert found[0] == found[1] == found[2] > found[3] > found[4] > found[5] >= found[6]
            assert found[3] == pytest.approx(found[2], rel=0.2)
            assert found[5] == pytest.approx(found[6], rel=0.05)
    for goes_on in (False, True):
        found = [chosen(dim=512, weights=n, goes_on=goes_on)["lr"] for n in sizes]
        assert found[0] == found[2] > found[4] > found[6]


def test_the_reason_of_a_rate_names_who_uses_it() -> None:
    for objective, keys, source in (
        ("chat", {}, "trl/scripts/sft.py"),
        ("chat", {"adapt": {"rank": 16}}, "2305.14314"),
        ("preferences", {}, "SmolLM2"),
        ("preferences", {"adapt": {"rank": 16}}, "smollm2/dpo"),
    ):
        for weights in (40_000_000, 106_000_000):
            phase = Phase.model_validate({"objective": objective, "data": "a.jsonl", **keys})
            size = {"dim": 576, "weights": weights}
            found = choose_answers(phase, EXAMPLES, 128, **size, device="cpu")
            assert source in found["lr"].reason
    found = choose_phase(Phase(), MUCH, 256, dim=768, weights=85_000_000)
    assert "2005.14165" in found["lr"].reason


def test_a_batch_is_whole_rows_of_which_few_tokens_are_read_in_eight_steps() -> None:
    for tokens, batch in ((800, 64), (1600, 192), (16_384, 2048), (10**6, 2048)):
        assert choose_phase(Phase(), facts_of(tokens), 64)["batch_tokens"].value == batch
    for context in (8, 256, 2048, 5000):
        assert choose_phase(Phase(), facts_of(10**6), context)["batch_tokens"].value >= context
    for device, tokens, batch in (("cuda:1", 10**8, 32_768), ("mps", 16_384, 2048)):
        assert chosen(tokens, device=device)["batch_tokens"] == batch


def test_half_lives_are_as_long_in_tokens_whatever_the_batch() -> None:
    for batch in (64, 256, 2048, 4096):
        kept = betas(batch)[1] ** (SQUARE_HALF_LIFE_TOKENS / batch)
        assert kept == pytest.approx(0.5, rel=2e-3)
    small, usual, large, huge = (betas(batch) for batch in (64, 2048, 16_384, 2**20))
    assert usual == (0.9, 0.982821)
    assert small[0] == usual[0]
    assert huge == large == (0.8, 0.95)
    assert 0.8 < betas(4096)[0] < 0.9
    assert all(beta < 1 for beta in betas(1))
    for batch, tokens in ((512, "81\u202f900"), (32_768, "442\u202f800")):
        choice = choose_phase(Phase(batch_tokens=batch), facts_of(10**9), 256)["betas"]
        assert choice.value == list(betas(batch))
        assert f"{tokens} tokens" in choice.reason


def test_epochs_that_sources_allow_are_rounded_down_to_four_digits() -> None:
    for allowed in (0.44445, 1.23456, 0.1, 0.39999999999999997, 3.9996, 0.00123456, 1 / 3, 1.5):
        found = chosen(10**6, most_epochs=lambda _, most=allowed: most)["epochs"]
        assert isinstance(found, float)
        assert 0.999 * allowed < found <= allowed * (1 + 1e-9)
        assert len(str(found).replace(".", "").strip("0")) <= 4
    assert chosen(most_epochs=lambda _: 4.0)["epochs"] == 4


def test_a_budget_that_is_given_is_kept_and_one_that_is_not_is_four_passes() -> None:
    for budget in ({"steps": 9}, {"tokens": 77_777}, {"epochs": 2.0}):
        assert chosen(50_000, budget).keys().isdisjoint({"steps", "tokens", "epochs"})
    assert chosen(50_000)["epochs"] == 4.0
    few = facts_of(50_000)
    assert budget_of([Phase()], few) == 4 * few.positions
    phases = [Phase(steps=10, batch_tokens=64), Phase(tokens=500), Phase(epochs=0.5)]
    assert budget_of(phases, few) == 640 + 500 + few.positions // 2
    assert budget_of([Phase(steps=10)], MUCH, "cuda") == 327_680
    assert budget_of([Phase(tokens=500), Phase(objective="chat", tokens=900)], MUCH) == 500


def test_warmup_is_a_twentieth_of_the_steps_up_to_two_hundred() -> None:
    steps = {1: 1, 39: 1, 40: 2, 400: 20, 4000: 200, 9000: 200}
    assert [chosen(keys={"steps": each})["warmup_steps"] for each in steps] == list(steps.values())


def test_the_last_of_several_phases_hands_on_the_mean_of_its_steps_unless_the_recipe_says() -> None:
    def course(place: str, **keys: object) -> dict[str, object]:
        found = chosen(keys={"epochs": 1} | keys, place=place)
        return {name: found[name] for name in ("schedule", "keep", "final_lr") if name in found}

    mean = {"schedule": "linear", "keep": "average", "final_lr": 0.3}
    assert course("last") == course("last", schedule="linear") == course("last", epochs=2) == mean
    assert course("followed") == course("followed", epochs=9) == {"schedule": "constant"}
    for keys in ({"keep": "best"}, {"final_lr": 0.1}, {"patience": 3}, {"epochs": 2.1}):
        assert course("last", **keys) == {"schedule": "linear"}, keys
    assert course("alone") == course("last", schedule="cosine") == {"schedule": "linear"}


EXAMPLES = Facts(20_000, 12_000, 40.0, 12_800)


def answers(
    objective: str, *, dim: int = 128, weights: int | None = None, **keys: object
) -> dict[str, object]:
    phase = Phase.model_validate({"objective": objective, "data": "a.jsonl", **keys})
    found = choose_answers(phase, EXAMPLES, 128, dim=dim, weights=weights, device="cpu")
    assert all(each.reason for each in found.values())
    return {key: each.value for key, each in found.items()}


def test_rates_of_answers_are_low_and_lower_for_pairs_and_for_wide_models() -> None:
    chat = answers("chat")
    assert (chat["epochs"], *rates(chat)) == (36.0, 1e-3, 1e-3)  # 300 steps of few answers
    assert chat["warmup_steps"] == 30
    for held_out, width, keys, epochs in (
        *((0, None, {}, 108.0), (0, 256, {}, 108.0)),  # 900 steps where all are learnt
        *((1, 128, {}, 36.0), (0, 257, {}, 36.0), (0, 128, {"adapt": {"rank": 8}}, 36.0)),
    ):
        few = replace(EXAMPLES, dev_documents=held_out, records=90)
        phase = Phase.model_validate({"objective": "chat", "data": "a.jsonl", **keys})
        found = choose_answers(phase, few, 128, dim=width, device="cpu")
        assert found["epochs"].value == epochs, (held_out, width, keys)
        assert f" {epochs * 900 // 108:.0f} " in found["epochs"].reason
    assert answers("preferences")["epochs"] == 3.0
    chats = Phase(objective="chat", data="a.jsonl")
    many = choose_answers(chats, replace(EXAMPLES, row_positions=300_000), 128, dim=1, device="cpu")
    assert many["epochs"].value == 3.0
    assert answers("preferences")["lr"] == 3e-5
    assert answers("chat", dim=2048)["lr"] == pytest.approx(1.3e-4)
    assert chat["batch_tokens"] == 1536  # eight steps an epoch
    assert "epochs" not in answers("chat", steps=9)
    assert answers("chat", steps=200)["warmup_steps"] == 20
    assert answers("chat", epochs=30)["warmup_steps"] == 30 * 12_800 // 1536 // 10
    for objective, rate in (("chat", 1e-2), ("preferences", 3e-4)):
        adapted = answers(objective, adapt={"rank": 4})
        assert (adapted["lr"], adapted["weight_decay"]) == (pytest.approx(rate), 0.0)
        assert answers(objective, adapt={"rank": 4}, lr=1e-3)["lr"] == 1e-3


def test_a_step_is_not_chosen_by_a_few_conversations() -> None:
    phase = Phase.model_validate({"objective": "chat", "data": "a.jsonl"})
    patient = phase.model_copy(update={"patience": 3})
    for each, held_out, keeps in ((phase, 1, "last"), (phase, 32, None), (patient, 1, None)):
        facts = replace(EXAMPLES, records=100, dev_documents=held_out)
        keep = choose_answers(each, facts, 128, dim=128, device="cpu").get("keep")
        assert (keep and keep.value) == keeps
        assert keep is None or "1 of 101 conversations held out" in keep.reason
    pairs = phase.model_copy(update={"objective": "preferences"})
    found = choose_answers(pairs, replace(facts, dev_documents=0), 128, dim=128, device="cpu")
    assert found["keep"] == Choice("last", "none of 100 pairs is held out: so few are all learnt")


def test_nothing_is_said_of_trained_weights_that_there_are_not() -> None:
    phase = Phase.model_validate({"objective": "chat", "data": "a.jsonl"})
    for is_new in (True, False):
        found = choose_answers(phase, EXAMPLES, 128, dim=128, device="cpu", is_new=is_new)
        reasons = " ".join(each.reason for each in found.values())
        assert ("trained already" in reasons) is not is_new


@pytest.mark.parametrize("objective", ["chat", "preferences"])
def test_the_estimate_of_examples_is_near_what_is_counted(
    objective: str, tmp_path: Path, small_recipe: Callable[[Path], Path]
) -> None:
    records = conversations(400) if objective == "chat" else pairs(400)
    made = make_toy_examples(tmp_path / "made", records, objective, val_share=0.05, context=256)
    recipe = small_recipe(tmp_path / "project")
    write_lines(recipe.parent / "a.jsonl", records)
    with recipe.open("a", encoding="utf-8") as file:
        file.write(f'[[phase]]\nname = "second"\nobjective = "{objective}"\ndata = "a.jsonl"\n')
    sets = ["chat.val_share=0.05", "split.seed=1"]
    sized = made["train"]["bytes"] / made["train"]["learnt"]
    (facts,) = estimated_examples(Recipe.load(recipe, sets=sets), 256, sized).values()
    assert facts.unique_tokens == pytest.approx(made["train"]["tokens"], rel=0.4)
    assert facts.dev_documents == made["held_out"]
    assert facts.records == made["kept"] - made["held_out"]
    assert facts.positions >= facts.unique_tokens


def test_the_size_of_answers_is_in_bytes_as_that_of_texts(
    tmp_path: Path, small_recipe: Callable[[Path], Path]
) -> None:
    recipe = small_recipe(tmp_path / "project")
    sizes: list[int] = []
    for letter in ("a", "ә", "ក"):
        record = {"messages": [{"role": "user", "content": "?"}, {"role": "assistant"}]}
        record["messages"][1]["content"] = letter * 300
        pair = {"prompt": "?", "chosen": letter * 300, "rejected": letter * 100}
        for kind, given in (("chat", record), ("preferences", pair)):
            # What is no record of this kind, and a copy, is counted as dropped; what is held out is
            # not counted.
            asked = json.dumps(given, ensure_ascii=False)
            lines = [asked.replace("?", f"{number}?") for number in range(40)]
            write_lines(recipe.parent / "a.jsonl", [{"n": 1}, *lines])
            write_lines(recipe.parent / "b.jsonl", lines[:3])
            phases = [
                {"name": "a"},
                {"name": "b", "objective": kind, "data": ["a.jsonl", "b.jsonl"]},
            ]
            asked = Recipe.load(recipe).with_values({"chat.val_share": 0.25, "phase": phases})
            (facts,) = estimated_examples(asked, 512, 4.0).values()
            sizes.append(facts.text_bytes)
            assert facts.dropped == {"no_columns": 1, "duplicate": 3}
    chats, of_pairs = sizes[::2], sizes[1::2]
    assert chats == [size // 400 * 300 for size in of_pairs] == [chats[0] * n for n in (1, 2, 3)]
    assert 20 * 300 < chats[0] < 40 * 300


def test_the_estimate_is_the_same_however_the_file_is_packed(
    tmp_path: Path, small_recipe: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endonym.autopilot.likely_examples.SAMPLE_RECORDS", 50)
    monkeypatch.setattr("endonym.data.conversation_files.MOST_UNPACKED", 250_000)
    records = conversations(2_000)
    recipe = small_recipe(tmp_path / "project")
    lines = write_lines(recipe.parent / "a.jsonl", records).read_bytes()
    (recipe.parent / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    (recipe.parent / "a.jsonl.zst").write_bytes(zstandard.compress(lines))
    parquet.write_table(arrow.Table.from_pylist(records), recipe.parent / "a.parquet")
    for name in ("a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.parquet"):
        sets = ["phase.0.objective=chat", f"phase.0.data={name}", "chat.val_share=0.05"]
        (facts,) = estimated_examples(Recipe.load(recipe, sets=sets), 256, 4.0).values()
        examples = facts.unique_tokens / facts.mean_document_tokens
        assert examples == pytest.approx(0.95 * len(records), rel=0.3), name


def test_the_estimate_counts_what_is_no_record_and_what_an_earlier_phase_holds_out(
    tmp_path: Path, small_recipe: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small_recipe(tmp_path / "project")
    chats = [said(f"Cât fac {n} plus unu?", f"{n + 1}.") for n in range(800)]
    write_lines(recipe.parent / "many.jsonl", chats)
    write_lines(recipe.parent / "few.jsonl", chats[:600])
    phases = [
        {"name": name, "objective": "chat", "data": f"{name}.jsonl"} for name in ("many", "few")
    ]
    both = Recipe.load(recipe).with_values({"phase": [{"name": "texts"}, *phases]})
    many, few = estimated_examples(both, 256, 4.0).values()
    assert 0 < (few.dev_documents or 0) < (many.dev_documents or 0)
    mixed = [line for each in chats for line in ({"n": "ә" * 40}, each)]
    write_lines(recipe.parent / "few.jsonl", mixed)
    monkeypatch.setattr("endonym.autopilot.likely_examples.SAMPLE_RECORDS", 200)
    facts = estimated_examples(both, 256, 4.0)[2]
    assert (facts.records or 0) + (facts.dev_documents or 0) == pytest.approx(800, rel=0.1)


KEYS = {"family": "qwen3", "dim": 256, "layers": 8, "mixer": {"heads": 4}, "ffn": {"hidden": 768}}
SHAPE = resolve(ModelKeys.model_validate(KEYS), vocab=4096, context=512)
LARGE = {"lr": 1e-3, "batch_tokens": 65_536, "number_format": "bf16"}


def config(**keys: object) -> TrainConfig:
    return train_config(context=512, **(LARGE | keys))


def held(shape: ModelConfig, free: int, **keys: object) -> Choices:
    """What is chosen for a phase that says these keys, in so much free memory."""
    phase = Phase.model_validate({"steps": 1, "number_format": "fp32", "lr": 1e-3} | keys)
    resolved = resolve_phase(phase, context=shape.context, positions=1000)
    return choose_memory(shape, phase, resolved, free=free, longest=None)


def needed(tokens: int, blocks: int = 0) -> int:
    """Free memory in which so many tokens just fit, if so many blocks are computed again."""
    return int(phase_bytes(SHAPE, config(micro_tokens=tokens, recompute=blocks)) * 1.15) + 1


def values(free: int, **keys: object) -> dict[str, object]:
    return {key: each.value for key, each in held(SHAPE, free, **(LARGE | keys)).items()}


def test_what_fits_is_taken_in_whole_rows_up_to_what_is_useful() -> None:
    ample, tight = needed(10**9) * 4, needed(5120)
    assert values(ample) == {"micro_tokens": USEFUL_TOKENS, "recompute": 0}
    assert values(tight) == {"micro_tokens": 5120, "recompute": 0}
    assert values(tight - 2) == {"micro_tokens": 4608, "recompute": 0}
    reasons = [held(SHAPE, free, **LARGE)["micro_tokens"].reason for free in (ample, tight)]
    assert "no faster" in reasons[0]
    assert "would not fit" in reasons[1]
    small = {"batch_tokens": 1024}
    free = int(phase_bytes(SHAPE, config(**small, micro_tokens=1024)) * 1.15) + 1
    assert values(free, **small) == {"micro_tokens": 1024, "recompute": 0}


def test_blocks_are_computed_again_before_parts_get_too_small_to_be_fast() -> None:
    assert values(needed(2048)) == {"micro_tokens": 2048, "recompute": 0}
    for blocks in (1, 4, 7):
        tight = needed(2048, blocks)
        assert values(tight) == {"micro_tokens": 2048, "recompute": blocks}
        assert values(tight - 2)["recompute"] == blocks + 1
    assert values(needed(2048, 8) - 2) == {"micro_tokens": 1536, "recompute": 8}
    assert values(needed(512, 8))["micro_tokens"] == 512
    with pytest.raises(OutOfMemory, match="with one row of 512 tokens") as caught:
        values(needed(512, 8) - 2)
    assert "model.dim" in caught.value.do


def test_what_the_recipe_says_of_memory_is_kept() -> None:
    assert values(needed(2048) - 2, recompute=0) == {"micro_tokens": 1536}
    assert values(needed(8192, 3), micro_tokens=8192) == {"recompute": 3}
    assert values(10, micro_tokens=8192, recompute=0) == {}


def test_a_model_too_large_for_one_process_fits_in_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = resolve(ModelKeys(dim=1024, layers=32, mixer={"heads": 16}), vocab=4096, context=256)
    free, variables = 8 * parameters(shape).total, {"RANK": 0, "WORLD_SIZE": 8}
    for name, value in (variables | {"LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 8}).items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(OutOfMemory):
        held(shape, free, batch_tokens=2048)
    choices = held(shape, free, batch_tokens=2048, shard="weights")
    assert 0 <= choices["recompute"].value <= 32
