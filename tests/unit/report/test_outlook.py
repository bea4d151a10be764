"""The report's first screen: what a model's texts are like, and a compressor beside it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from artefacts import ID, artefact_of
from made_scores import score
from toys import toy_tokenizer

from endonym.cleaning.measures import is_unbroken
from endonym.errors import RecipeError
from endonym.evaluate.writing import units_of
from endonym.log import append_jsonl
from endonym.pipeline.evaluation import questions
from endonym.report.first_look import Counts, FirstLook, counts_of, last_message
from endonym.report.outlook import (
    NextStep,
    beside_compressor,
    expectation,
    level,
    next_steps,
)
from endonym.store import Store
from endonym.tokenizer.chat_template import CHATML

TRAINING = [
    "Кичә без урманга бардык һәм җиләк җыйдык.",
    "Иртәгә без урманга барабыз, ә бүген өйдә калабыз.",
    "Бүген без өйдә китап укыйбыз.",
]
KHMER = "ខ្ញុំចង់ទៅសាលារៀន។ គាត់មិនទៅទេ។"


def look(written: Counts, usual: Counts, *, by_pieces: bool = False) -> FirstLook:
    return FirstLook([("", "Таң атты.")], written, usual, by_pieces=by_pieces)


def test_words_are_looked_up_in_the_training_text_and_those_of_a_text_in_the_others() -> None:
    text = "Бүген без урманга бардык, кәчтерек."
    written, usual = counts_of([text], lambda: iter(TRAINING), by_pieces=False)
    assert (written.words, written.known[0]) == (5, 0.8)
    assert written.known[1] == 1 / 3, "threes, across commas"
    # That another text has: без урманга; без урманга бүген өйдә; бүген без өйдә.
    assert (usual.words, usual.known[0]) == (20, 9 / 20)


def test_a_script_without_blanks_is_looked_up_by_letters_with_their_signs() -> None:
    assert is_unbroken(KHMER)
    assert not is_unbroken(TRAINING[0])
    first, *_, last = units_of(KHMER, by_pieces=True)
    assert units_of("او می‌رود", by_pieces=False) == ["او", "می‌رود"]
    assert (first, last) == ("ខ្ញុំចង់", "នទៅទេ")
    written, _ = counts_of([KHMER], lambda: iter([KHMER] * 2), by_pieces=True)
    assert written.known == (1.0, 1.0)


def test_of_a_conversation_the_last_message_is_shown_as_a_person_wrote_it() -> None:
    tokenizer = toy_tokenizer.__wrapped__("bpe")  # one of its own: it gets a template
    tokenizer.chat_template = CHATML
    for text in ("Әбием кайда?\nБакчада.", "Où est <|im_end|> ?"):
        (ids,) = questions([text], tokenizer)
        assert last_message([*ids[:3], *ids], tokenizer) == f"{text}\n"
    assert expectation(FirstLook([], *[Counts(0, (0.0, 0.0), 0.0)] * 2, by_pieces=False), 0.9) == []


def test_levels_are_of_real_words_and_of_what_is_known_beyond_the_last_token() -> None:
    usual = Counts(900, (0.85, 0.2), 0.0)
    cases = [(0.3, 0.9), (0.66, 0.9), (0.84, 0.9), (0.84, 0.5), (0.85, 0.2), (0.66, 0.2)]
    names = [level(Counts(900, (words, 0.1), 0.0), usual, bits) for words, bits in cases]
    assert names == ["letters", "made_up", "words", "phrases", "sentences", "made_up"]
    noise = level(Counts(900, (0.1, 0.0), 0.0), usual, 0.9)
    looping = level(Counts(900, (1.0, 0.0), 0.97), usual, 0.2)
    assert (noise, looping) == ("noise", "words"), "another script, one word over and over"
    said = " ".join(expectation(look(Counts(900, (0.66, 0.1), 0.0), usual), 0.9))
    assert "Of 100 words that it writes, 66 stand" in said
    assert "85 stand in the others" in said


def test_what_is_learnt_by_heart_or_repeated_is_said() -> None:
    usual = Counts(900, (0.85, 0.2), 0.0)
    plain, by_heart, repeats = (
        expectation(look(Counts(900, known, repeated), usual), 0.9)
        for known, repeated in (((0.85, 0.2), 0.0), ((0.99, 0.8), 0.0), ((0.85, 0.2), 0.4))
    )
    assert (len(by_heart), len(repeats)) == (len(plain) + 1,) * 2
    assert "word for word" in by_heart[2]
    assert "repeats itself" in repeats[2]
    nothing = expectation(look(Counts(0, (0.0, 0.0), 0.0), usual), 0.9)
    assert nothing == ["It writes nothing yet."]


def test_two_ways_of_reading_give_one_sentence_about_the_compressor() -> None:
    """Where one of them is ahead of the compressor and the other is not, neither is claimed."""

    def said(of_documents: float, of_blocks: float) -> str:
        scores = [score("bigram", 2.0), score("compressor", 1.5), score("model", of_documents)]
        values = {"bigram": 2.0, "compressor": 1.5, "model": of_blocks}
        scores += [score(name, value, text="block") for name, value in values.items()]
        return beside_compressor(scores)

    assert said(1.2, 1.2).startswith("It predicts unseen texts better than a compressor")
    assert said(1.8, 1.8).startswith("A compressor that has read the same texts still predicts")
    assert said(1.2, 1.8).startswith("It predicts unseen texts about as well as a compressor")
    assert beside_compressor([score("model", 1.2)]) == ""
    chat = [score("compressor", 1.5), score("bigram", 2.0), score("model", 1.234)]
    assert "cost 0.13 bits a byte" in beside_compressor([*chat, score("before", 1.1)])
    assert "cost" not in beside_compressor([*chat, score("before", 1.231)])
    assert "cost" not in beside_compressor([*chat, score("before", 1.4)])


def steps_after_chats(folder: Path, answered: float, **numbers: Any) -> list[NextStep]:
    """What is next after a phase of texts and one of conversations, of which so many were counted;
    too few validations for a curve."""
    store = Store(folder / "store")
    model = artefact_of(store.folder("model", ID), stage="model", id=ID)
    model.folder.mkdir(parents=True)
    for step in range(4):
        line = {"event": "step", "step": step, "tokens": 64 * step, "epoch": step, "seconds": 30.0}
        append_jsonl(store.journal("model", ID), line)
    made = {"model": model, "examples": artefact_of(folder, numbers=numbers)}
    made |= {"shards": artefact_of(folder, numbers={})} if numbers.get("shards") else {}
    keys = {"steps": 40, "epochs": None, "flops": None, "batch_tokens": 64}
    phases = [SimpleNamespace(name=name, **keys) for name in ("укыту", "җаваплар")]
    for phase in phases:
        phase.but = phase.model_copy = lambda update=None, steps=0: None
    pack = SimpleNamespace(context=32)
    training = SimpleNamespace(phases=phases, pack=pack)
    recipe = SimpleNamespace(phase=phases, learns_answers=True, source=())
    run = SimpleNamespace(folder=folder, store=store, recipe=recipe, training=training)
    run.artifact = made.get
    return next_steps(cast(Any, run), [], answered=answered)


def test_where_no_conversation_is_held_out_the_answers_say_whether_to_train_longer(
    tmp_path: Path,
) -> None:
    longer, ask = steps_after_chats(tmp_path / "a", 0.9, held_out=0)
    assert "phase җаваплар " in longer.title
    assert "in 3 min." in longer.brings
    assert longer.command.endswith(" --set phase.җаваплар.steps=80")
    others = [
        steps_after_chats(tmp_path / "all", 1.0, held_out=0),
        steps_after_chats(tmp_path / "held out", 0.9, held_out=2),
        steps_after_chats(tmp_path / "of an earlier endonym", 0.9),
        steps_after_chats(tmp_path / "of two minds", 0.9, held_out=0, several_answers="1 question"),
    ]
    assert [[each.title for each in steps] for steps in others] == [[ask.title]] * 4


def test_where_texts_may_not_be_read_so_often_no_longer_training_is_advised_for_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RecipeError("укыту reads its texts too often")

    monkeypatch.setattr("endonym.report.outlook.facts_of", lambda _: None)
    monkeypatch.setattr("endonym.report.outlook.require_enough_text", refuse)
    (ask,) = steps_after_chats(tmp_path, 0.9, held_out=0, shards=1)
    assert ask.command.startswith("chat ")
