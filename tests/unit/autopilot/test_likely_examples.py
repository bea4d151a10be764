"""What is estimated of conversations and pairs from their first records, to the last figure."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from made_conversations import fresh_tokenizer, make_toy_examples, said, write_lines

from endonym.autopilot.likely_examples import estimated_examples
from endonym.autopilot.model_size import Facts
from endonym.data.config import FEWEST_DIVIDED
from endonym.errors import SourceError
from endonym.recipe.recipe import Recipe

CHATS = [said(f"Cât fac {n} plus unu?", f"{n + 1}.", "Mulțumesc!", "Cu plăcere.") for n in range(8)]
PAIRS = [
    {"prompt": f"Cât fac {n} plus unu?", "chosen": f"{n + 1}.", "rejected": "Nu știu."}
    for n in range(8)
]


BROKEN = [said("Unde e sala?", ""), CHATS[0], said("Cât fac 1 plus unu?", "Doi.")]
TOLD = {
    "dropped": {"empty_answer": 1, "duplicate": 1},
    "faults": "1 with an empty answer: b.jsonl, line 1 (message 2, an answer, is empty); "
    "1 duplicates: b.jsonl, line 2 (the same stands before it: a.jsonl#1)",
    "several_answers": "1 question has more than one answer, such as “Cât fac 1 plus unu?”: “2.” "
    "and “Doi.”",
}


@pytest.fixture
def recipe(tmp_path: Path, small_recipe: Callable[[Path], Path]) -> Recipe:
    """A phase of texts, one of two files of conversations, and one of pairs."""
    recipe = Recipe.load(small_recipe(tmp_path / "project"))
    for name, records in (("a", CHATS), ("b", BROKEN), ("pairs", PAIRS)):
        write_lines(recipe.folder / f"{name}.jsonl", records)
    phases = [
        {"name": "texts"},
        {"name": "chat", "objective": "chat", "data": ["a.jsonl", "b.jsonl"]},
        {"name": "pairs", "objective": "preferences", "data": "pairs.jsonl"},
    ]
    return recipe.with_values({"phase": phases, "chat.val_share": 0.4, "chat.max_rejected": 0.1})


def facts(text_bytes: int, tokens: int, mean: float, rows: tuple[int, int], **counts: Any) -> Facts:
    """rows: of 64 positions, to learn and held out."""
    whole = {"row_positions": 64 * rows[0], "dev_tokens": 64 * rows[1]}
    return Facts(text_bytes, tokens, pytest.approx(mean), **whole, **counts)  # type: ignore[arg-type]


def test_tokens_rows_and_bytes_of_answers_are_those_of_what_is_not_held_out(recipe: Recipe) -> None:
    """The long conversations have 54.5 tokens, of which 32 are of the template; the short one has
    28, a pair 57.5 in its two examples."""
    chat = facts(7 * 14 + 4, 409, (7 * 54.5 + 28) / 8, (8, 1), records=8, dev_documents=1, **TOLD)
    pairs = facts(7 * 11, 402, 57.5 / 2, (7, 1), records=7, dev_documents=1)
    assert estimated_examples(recipe, 64, 2.0) == {1: chat, 2: pairs}
    letters = SimpleNamespace(encode_many=lambda texts: texts)
    found = estimated_examples(recipe, 80, 2.0, tokenizer=cast(Any, letters))
    assert found[1].unique_tokens == 7 * (19 + 2 + 10 + 11 + 32) + 19 + 4 + 16


def test_by_the_size_that_is_given_all_is_more_or_less(recipe: Recipe) -> None:
    """10,000 bytes are 5,000 tokens of both kinds; 500 are 250."""
    found = estimated_examples(recipe, 64, 2.0, sizes={"chat": 10_000, "pairs": 500})
    assert found == {
        1: facts(1099, 4412, 409.5 / 8, (87, 11), records=86, dev_documents=11, **TOLD),
        2: facts(41, 218, 57.5 / 2, (4, 1), records=4, dev_documents=1),
    }


def test_the_first_records_of_a_file_stand_for_all_and_few_may_be_broken(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the first four for two. How many of a whole file are broken is not known then."""
    strict = recipe.with_values({"chat.max_rejected": 0.05})
    with pytest.raises(SourceError, match=r"9\.1%"):
        estimated_examples(strict, 64, 2.0)
    monkeypatch.setattr("endonym.autopilot.likely_examples.SAMPLE_RECORDS", 4)
    mean = (6 * 54.5 + 28) / 7
    chat = facts(6 * 14 + 4, 355, mean, (8, 2), records=7, dev_documents=2, **TOLD)
    pairs = facts(6 * 11, 345, 57.5 / 2, (6, 2), records=6, dev_documents=2)
    assert estimated_examples(strict, 64, 2.0) == {1: chat, 2: pairs}
    # A record that is none has its bytes, too.
    path = write_lines(recipe.folder / "pairs.jsonl", [{"prompt": "Unde e sala?"}, *PAIRS])
    lines = path.read_bytes().splitlines(keepends=True)
    weight = path.stat().st_size / sum(map(len, lines[:4]))
    found = estimated_examples(strict, 64, 2.0)[2]
    assert found.unique_tokens == int(2 * 57.5 * weight), "of the first three one is held out"


def test_few_pairs_hold_out_the_prompts_that_the_conversations_hold_out(recipe: Recipe) -> None:
    prompts = [f"Cât fac {n} plus unu?" for n in range(FEWEST_DIVIDED)]
    write_lines(recipe.folder / "a.jsonl", [said(each, "Numără!") for each in prompts])
    pairs = [{**PAIRS[0], "prompt": each} for each in prompts[:100]]
    write_lines(recipe.folder / "pairs.jsonl", pairs)
    both = recipe.with_values({"chat.val_share": None})
    chats, found = estimated_examples(both, 64, 2.0).values()
    assert 0 < (found.dev_documents or 0) < (chats.dev_documents or 0)
    (alone,) = estimated_examples(
        both.model_copy(update={"phase": both.phase[2:]}), 64, 2.0
    ).values()
    assert alone.dev_documents == 0
    more = {"name": "more", "objective": "chat", "data": "more.jsonl"}
    few = [said(each, "Numără!") for each in prompts[:100]]
    write_lines(recipe.folder / "more.jsonl", few)
    written = [each.model_dump(exclude_unset=True) for each in both.phase[:2]]
    _, later = estimated_examples(both.with_values({"phase": [*written, more]}), 64, 2.0).values()
    assert later.dev_documents == found.dev_documents, "they are few, but some are held out"
    assert later.records == 100 - later.dev_documents


def test_why_no_record_can_be_used_is_said_of_the_most_common_fault(recipe: Recipe) -> None:
    for name in "ab":
        write_lines(recipe.folder / f"{name}.jsonl", [*["{"] * (name == "a"), *BROKEN[:1]])
    with pytest.raises(SourceError) as caught:
        estimated_examples(recipe, 64, 2.0)
    said = "phase chat: data: none of the first 3 records can be used, 2 with an empty answer"
    assert str(caught.value).startswith(said)
    assert "The first with empty_answer is a.jsonl#2: message 2" in caught.value.do


def test_few_conversations_are_counted_as_they_are_written(recipe: Recipe, tmp_path: Path) -> None:
    """Those of one question stand behind another one of them, too."""
    records = [said(f"Cât fac {n} plus unu?", f"{n + 1}.") for n in range(9)] + CHATS
    write_lines(recipe.folder / "a.jsonl", records)
    asked = recipe.with_values({"chat.val_share": None, "phase.1.data": "a.jsonl"})
    made = make_toy_examples(tmp_path / "made", records, val_share=None, kind="byte")
    tokenizer = fresh_tokenizer("byte", None)
    found = estimated_examples(asked, 128, 1.0, tokenizer=tokenizer)[1]
    train = made["train"]
    assert (train["examples"], found.records, found.dev_documents) == (9 + 17, 17, 0)
    assert found.unique_tokens == pytest.approx(train["tokens"], rel=0.15)
    assert found.mean_document_tokens == pytest.approx(train["tokens"] / 26, rel=0.15)
    write_lines(recipe.folder / "a.jsonl", records[8:9])
    alone = estimated_examples(asked, 128, 1.0, tokenizer=tokenizer)[1]
    assert (alone.records, alone.text_bytes) == (1, len("9."))
    write_lines(recipe.folder / "a.jsonl", records[:9])
    held = asked.with_values({"chat.val_share": 0.3})
    some = estimated_examples(held, 128, 1.0, tokenizer=tokenizer)[1]
    assert 0 < (some.dev_documents or 0) == 9 - (some.records or 0)
    assert some.text_bytes == 2 * (some.records or 0), "each is counted once"
    assert found.text_bytes == sum(len(f"{n + 1}.") for n in range(9)) * 2 + 8 * 14
    assert found.row_positions == pytest.approx(128 * train["rows"], rel=0.15)
    told = [said(f"Câți ani are {n}?", f"{n}.", system="Pe scurt. " * 3) for n in range(9)]
    write_lines(recipe.folder / "a.jsonl", told)
    train = make_toy_examples(tmp_path / "told", told, val_share=None, kind="byte")["train"]
    found = estimated_examples(asked, 128, 1.0, tokenizer=tokenizer)[1]
    assert train["examples"] == 27, "each once more without its system message"
    assert found.unique_tokens == pytest.approx(train["tokens"], rel=0.15)


LETTERS = cast(Any, SimpleNamespace(encode_many=lambda texts: texts))


def test_what_is_too_long_for_a_row_is_not_held_out_in_place_of_what_fits(recipe: Recipe) -> None:
    """At least one is held out, and at least one is learnt."""
    records = [said("Ә" * 99, "Юк."), said("Unde e sala?", "Jos."), said("Câți sunt?", "Doi.")]
    asked = recipe.with_values({"chat.val_share": 0.99, "phase.1.data": "a.jsonl"})
    for some in (records[:2], records):
        write_lines(recipe.folder / "a.jsonl", some)
        found = estimated_examples(asked, 64, 2.0, tokenizer=LETTERS)[1]
        assert found.dev_documents == len(some) - 2


def test_what_few_conversations_are_learnt_as_again_to_the_last_token(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each message has 8 tokens and one a letter: 32, 47, 51 and 70 of the records.

    The second and the last ask what no other asks: also without their system message, 30 and 54.
    Single questions stand behind another, of 32 in the mean: 64, 62 and, too long, 83.
    """
    records = [
        said("Unde e sala?", "Jos."),
        said("Câți sunt?", "Doi.", system="Pe scurt."),
        said("Unde e sala?", "Acolo.", system="Pe scurt."),
        said("Ce e?", "Un joc.", "Și azi?", "Nu.", system="Pe larg."),
    ]
    write_lines(recipe.folder / "a.jsonl", records)
    asked = recipe.with_values({"chat.val_share": None, "phase.1.data": "a.jsonl"})
    asked = asked.model_copy(update={"phase": asked.phase[:2]})

    def counted() -> tuple[int | None, int, float, int]:
        found = estimated_examples(asked, 72, 2.0, tokenizer=LETTERS)[1]
        assert (found.dev_documents, found.several_answers) == (0, "")
        return (found.records, found.unique_tokens, found.mean_document_tokens, found.text_bytes)

    assert counted() == (4, 410, 410 / 8, (4 + 4 + 6 + 10) + (4 + 10 + 4 + 4))
    monkeypatch.setattr("endonym.autopilot.likely_examples.FEWEST_DIVIDED", 4)
    assert counted() == (4, 200, 50, 24), "as many as are divided are learnt once"
    monkeypatch.setattr("endonym.autopilot.likely_examples.FEWEST_DIVIDED", 5)
    assert counted()[1] == 410
    write_lines(recipe.folder / "a.jsonl", [*records, said("Ә" * 99, "Юк.")])
    assert counted()[:2] == (5, 410 + 118), "one that is too long makes the others not many"
    write_lines(recipe.folder / "a.jsonl", [records[0], records[3]])
    assert counted() == (2, 32 + 70 + 54, 52, 4 + 10 + 10), "none stands behind itself"
    write_lines(recipe.folder / "a.jsonl", records[:2])
    assert counted()[1] == 32 + 47 + 30 + 2 * (32 + 30), "one of two stands behind the other"
    alone = asked.with_values({"chat.val_share": 0.0001})
    assert estimated_examples(alone, 72, 2.0, tokenizer=LETTERS)[1].unique_tokens <= 32 + 47
    write_lines(recipe.folder / "a.jsonl", records[3:])
    assert counted()[1] == 70 + 54
    found = estimated_examples(alone, 72, 2.0, tokenizer=LETTERS)[1]
    assert (found.unique_tokens, found.dev_documents) == (70, 0), "one is neither held out nor more"
    write_lines(recipe.folder / "a.jsonl", CHATS)
    once = estimated_examples(asked, 64, 2.0)[1].unique_tokens
    monkeypatch.setattr("endonym.autopilot.likely_examples.SAMPLE_RECORDS", 4)
    assert estimated_examples(asked, 64, 2.0)[1].unique_tokens == once == 436, (
        "of a part, as they are"
    )
