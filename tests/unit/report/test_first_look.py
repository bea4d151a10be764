"""What a model that learnt conversations is asked: its own questions, evenly spread, once each."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from artefacts import artefact_of
from made_conversations import fresh_tokenizer, make_toy_examples, said

from endonym.corpus.corpus import make_corpus
from endonym.data.example_tokens import ExampleTokens
from endonym.formats.config import Clean, Split
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Sampling
from endonym.model.foreign.folder import OUR_WEIGHTS
from endonym.report.first_look import first_look, last_message, own_questions

ANSWERS = ("Бакчада.", "În grădină, lângă nuc.", "Dans le jardin.")


def records(count: int) -> list[dict[str, Any]]:
    """Conversations of two answers: the second one is the longest, and is not asked for."""
    return [
        said(f"Әбием {n} кайда?", ANSWERS[n % 3], "Тағы кайда?", "Ол мәктәптә, ә апам өйдә.")
        for n in range(count)
    ]


class Parrot:
    """In the place of a model: it answers every question alike, and notes how it was asked."""

    def __init__(self) -> None:
        self.tokenizer = fresh_tokenizer()
        self.asked: list[tuple[int, int, list[Sampling]]] = []

    def generate_many(
        self, prompts: Sequence[Any], *, max_tokens: int, samplings: list[Sampling]
    ) -> list[list[str]]:
        self.asked.append((len(prompts), max_tokens, samplings))
        return [[" Бак", "чада. "] for _ in prompts]


SPREAD = [(1, 1, 1), (3, 1, 3), (10, 1, 10), (11, 2, 6), (20, 2, 10), (21, 3, 7)]


@pytest.mark.parametrize(("count", "step", "questions"), SPREAD)
def test_up_to_ten_questions_are_spread_over_all_conversations(
    tmp_path: Path, count: int, step: int, questions: int
) -> None:
    make_toy_examples(tmp_path, records(24), val_share=0)
    train, parrot = ExampleTokens(tmp_path, "train"), Parrot()
    found = own_questions(cast(LanguageModel, parrot), train, count)
    prompts = [train.prompt(n).tolist() for n in range(0, count, step)]
    assert [each for each, _, _ in found] == [last_message(p, parrot.tokenizer) for p in prompts]
    numbers = [int(each.split()[1]) for each, _, _ in found]
    assert len({*numbers}) == questions
    assert [each[1:] for each in found] == [(ANSWERS[n % 3], "Бакчада.") for n in numbers]
    longest = max(len(train.answers(n)[0]) for n in range(0, count, step))
    assert parrot.asked == [(questions, longest, [Sampling(temperature=0.0)] * questions)]


@pytest.mark.parametrize(("val_share", "asked", "examples"), [(0.25, 6, 6), (None, 8, 16)])
def test_conversations_that_are_learnt_are_asked_for_and_none_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    val_share: float | None,
    asked: int,
    examples: int,
) -> None:
    """Where few are learnt and none is held out, each stands in the examples once more."""
    chats = [said(f"Әбием {n} кайда?", ANSWERS[n % 3]) for n in range(8)]
    numbers = make_toy_examples(tmp_path / "examples", chats, val_share=val_share)
    assert (numbers["kept"], numbers["train"]["examples"]) == (8, examples)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / OUR_WEIGHTS).write_bytes(b"")
    (tmp_path / "corpus").mkdir()
    make_corpus([], Clean(), Split(), out=tmp_path / "corpus")
    more = {"model": {"config": {"phase": {"objective": "chat"}}}, "examples": {"numbers": numbers}}
    made = {
        n: artefact_of(tmp_path / n, id=n, **more.get(n, {}))
        for n in ("model", "corpus", "examples")
    }
    monkeypatch.setattr(LanguageModel, "load", lambda *_: Parrot())
    seen = first_look(cast(Any, SimpleNamespace(folder=tmp_path, artifact=made.get)))
    assert seen is not None
    assert len({question for question, _, _ in seen.asked}) == len(seen.asked) == asked
