"""What is chosen for phases that learn answers, and how much their data are thought to be."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
import zstandard
from made_conversations import conversations, make_toy_examples, pairs, write_lines

from endonym.autopilot.answers import choose_answers, estimated_examples
from endonym.autopilot.model_size import Facts
from endonym.recipe.recipe import Recipe
from endonym.train.config import Phase

FACTS = Facts(20_000, 12_000, 40.0, 12_800)


def test_nothing_is_said_of_trained_weights_that_there_are_not() -> None:
    phase = Phase.model_validate({"objective": "chat", "data": "a.jsonl"})
    for is_new in (True, False):
        found = choose_answers(phase, FACTS, 128, dim=128, device="cpu", is_new=is_new)
        reasons = " ".join(each.reason for each in found.values())
        assert ("trained already" in reasons) is not is_new


def chosen(objective: str, *, dim: int = 128, **keys: object) -> dict[str, object]:
    phase = Phase.model_validate({"objective": objective, "data": "a.jsonl", **keys})
    found = choose_answers(phase, FACTS, 128, dim=dim, device="cpu")
    assert all(each.reason for each in found.values())
    return {key: each.value for key, each in found.items()}


def test_rates_are_low_and_lower_for_pairs_and_for_wide_models() -> None:
    chat, pair = chosen("chat"), chosen("preferences")
    assert (chat["epochs"], chat["lr"], chat["embedding_lr"]) == (3.0, 1e-3, 1e-3)
    assert pair["lr"] == 3e-5
    assert chosen("chat", dim=2048)["lr"] == pytest.approx(1.3e-4)
    assert chat["batch_tokens"] == 1536  # eight steps an epoch
    assert "epochs" not in chosen("chat", steps=9)
    assert chosen("chat", steps=200)["warmup_steps"] == 20


@pytest.mark.parametrize("objective", ["chat", "preferences"])
def test_adapters_learn_answers_at_ten_times_the_rate(objective: str) -> None:
    full, adapted = chosen(objective), chosen(objective, adapt={"rank": 4})
    assert adapted["lr"] == pytest.approx(10 * full["lr"])  # pyright: ignore[reportOperatorIssue]
    assert adapted["weight_decay"] == 0.0
    assert chosen(objective, adapt={"rank": 4}, lr=1e-3)["lr"] == 1e-3


@pytest.mark.parametrize("objective", ["chat", "preferences"])
def test_the_estimate_is_near_what_is_counted(
    objective: str, tmp_path: Path, small_recipe: Callable[[Path], Path]
) -> None:
    records = conversations(400) if objective == "chat" else pairs(400)
    made = make_toy_examples(tmp_path / "made", records, objective, val_share=0.05, context=256)
    recipe = small_recipe(tmp_path / "project")
    write_lines(recipe.parent / "a.jsonl", records)
    with recipe.open("a", encoding="utf-8") as file:
        file.write(f'[[phase]]\nname = "second"\nobjective = "{objective}"\ndata = "a.jsonl"\n')
    sets = ["chat.val_share=0.05"]
    sized = made["train"]["bytes"] / made["train"]["learnt"]
    (facts,) = estimated_examples(Recipe.load(recipe, sets=sets), 256, sized).values()
    assert facts.unique_tokens == pytest.approx(made["train"]["tokens"], rel=0.4)
    examples = facts.unique_tokens / facts.mean_document_tokens
    assert examples == pytest.approx(made["train"]["examples"], rel=0.1)
    assert facts.positions >= facts.unique_tokens


def test_the_estimate_is_the_same_however_the_file_is_packed(
    tmp_path: Path, small_recipe: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endonym.autopilot.answers.SAMPLE_RECORDS", 50)
    monkeypatch.setattr("endonym.data.conversations.MOST_UNPACKED", 250_000)
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
