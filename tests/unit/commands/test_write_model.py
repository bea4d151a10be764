"""Our own model as a writer: its batches, what it is asked, and the whole of what it answers."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from serving import CHATML, toy_language_model

from endonym.commands import write_model
from endonym.commands.write_model import ModelWriter, model_writer
from endonym.errors import RecipeError
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Sampling
from endonym.log import QUIET
from endonym.serve.own_engine import OwnEngine
from endonym.store import Store
from endonym.synthesis.shards import Answer, Ask


class Said(list[str]):
    """What a model wrote in so many tokens, and why it stopped."""

    def __init__(self, text: str, finish_reason: str = "end", tokens: int = 3) -> None:
        super().__init__([text[:2], text[2:]])
        self.finish_reason, self.ids = finish_reason, list(range(tokens))


class Fake:
    """A model that reads letters as tokens and says what it is told to; it keeps what it reads."""

    def __init__(self, *said: Said, context: int = 12) -> None:
        self.said, self.calls = [*said], list[Any]()
        self.tokenizer = SimpleNamespace(encode=lambda text: [*text])
        self.decoder = SimpleNamespace(config=SimpleNamespace(context=context))

    def spelled(self, text: str) -> str:
        """In other letters, and one more."""
        return f"{text.upper()}!"

    def generate_many(self, prompts: Sequence[Any], **given: Any) -> list[Said]:
        """The next texts. A text is spelled before it is read, as by `LanguageModel`."""
        read = [self.spelled(each) if isinstance(each, str) else each for each in prompts]
        self.calls.append((read, given))
        made, self.said = self.said[: len(prompts)], self.said[len(prompts) :]
        return made


def answered(
    model: Fake, asks: Sequence[Ask], batch: int, as_ids: Callable[[str], list[int]] | None = None
) -> list[Answer]:
    """The answers of a model, in the order in which it gives them."""
    found: list[Answer] = []
    writer = ModelWriter(model, 0.6, 7, batch, as_ids)  # type: ignore[arg-type]
    writer.answer_all(iter(asks), found.append)
    return found


ASKS = [
    Ask(4, "таң", 11), Ask(5, "өч озын сүз", 22), Ask(6, "кар", 33), Ask(7, "елга", 44),
    Ask(9, "яңгыр яуды", 55),
]  # fmt: skip
TOO_LONG = Answer(ASKS[1], "", "prompt_too_long", 0, "prompt_too_long")


def test_a_base_model_continues_batch_by_batch_with_the_seeds_of_its_prompts() -> None:
    """Each answer is whole: as spelled, with all its tokens; one that is too long takes no seat."""
    model = Fake(Said(" атты", tokens=2), Said(" ява"), Said(" ага", tokens=5))
    assert answered(model, ASKS, 3) == [
        TOO_LONG,
        Answer(ASKS[0], "ТАҢ! атты", "end", 5 + 2, ""),
        Answer(ASKS[2], "КАР! ява", "end", 5 + 3, ""),
        replace(TOO_LONG, ask=ASKS[4]),
        Answer(ASKS[3], "ЕЛГА! ага", "end", 6 + 5, ""),
    ]
    assert model.calls == [
        (["ТАҢ!", "КАР!"], given(11, 33)),
        (["ЕЛГА!"], given(44)),
    ]


def given(*seeds: int) -> dict[str, Any]:
    """How a model is asked."""
    return {"max_tokens": 7, "samplings": [Sampling(0.6, seed=seed) for seed in seeds]}


def test_a_chat_model_answers_the_ids_of_a_question() -> None:
    """The prompt is no part of the text, and its ids count as they are."""
    ids = {"таң": [7] * 10, "өч озын сүз": [7] * 11, "кар": [7, 8], "елга": [9], "яңгыр яуды": []}
    model = Fake(Said("Атты.", tokens=4), Said("Ява."), Said("Ага."), Said("Туктады."))
    assert answered(model, ASKS, 5, ids.__getitem__) == [
        TOO_LONG,
        Answer(ASKS[0], "Атты.", "end", 11 + 4, ""),
        Answer(ASKS[2], "Ява.", "end", 3 + 3, ""),
        Answer(ASKS[3], "Ага.", "end", 2 + 3, ""),
        Answer(ASKS[4], "Туктады.", "end", 1 + 3, ""),
    ]
    assert model.calls == [([[7] * 10, [7, 8], [9], []], given(11, 33, 44, 55))]


@pytest.mark.parametrize("letters", [9, 10])
def test_a_prompt_leaves_room_for_a_token(letters: int) -> None:
    """The token that opens a text is a part of the prompt, as its spelling is."""
    model = Fake(Said(" а"))
    (found,) = answered(model, [Ask(0, "а" * letters, 1)], 1)
    assert found.reason == ("" if letters == 9 else "prompt_too_long")


CUTS = [
    (" яуды.\nЖил\nис", "length", "КАР! яуды.\nЖил", " яуды.\nЖил\nис", ""),
    (" яуды.\nЖил\nис", "end", "КАР! яуды.\nЖил\nис", " яуды.\nЖил\nис", ""),
    (" \n жил ис", "length", "КАР! \n жил ис", " \n жил ис", "length"),
    (" яуды", "length", "КАР! яуды", " яуды", "length"),
    (" яуды\nис", "stop", "КАР! яуды\nис", " яуды\nис", ""),
    (" \n", "end", "КАР! \n", " \n", "empty"),
    ("", "length", "КАР!", "", "length"),
]


@pytest.mark.parametrize(("written", "finish", "continued", "said", "reason"), CUTS)
def test_what_was_cut_or_is_nothing_is_a_reject(
    written: str, finish: str, continued: str, said: str, reason: str
) -> None:
    """Whole lines of a continuation are a text; an answer that was cut is none."""
    ask = Ask(0, "кар", 1)
    assert answered(Fake(Said(written, finish)), [ask], 2) == [
        Answer(ask, continued, finish, 5 + 3, reason)
    ]
    chat_reason = "length" if finish == "length" else "" if written.strip() else "empty"
    assert answered(Fake(Said(written, finish)), [ask], 2, lambda _: [1]) == [
        Answer(ask, said, finish, 2 + 3, chat_reason)
    ]


SETTINGS: dict[str, Any] = {"temperature": 0.6, "max_tokens": 9}


@pytest.mark.parametrize("device", [None, "cuda:1"])
def test_the_batch_is_what_a_quarter_of_the_device_s_free_memory_holds(
    device: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is loaded onto the device that was asked for, and its memory is asked for last."""
    calls: list[Any] = []
    model, store = toy_language_model(), Store(Path("store"))

    def engine(given: Any, *, most_slots: int, memory: int) -> Any:
        calls.append(("engine", given is model, most_slots, memory))
        return SimpleNamespace(template=None, slots=13)

    def loaded(*names: Any) -> Any:
        calls.append(("load", *names))
        return model

    def pick(name: str | None) -> str:
        calls.append(("pick", name))
        return "cuda:7"

    def memory(target: str = "cpu") -> int:
        calls.append(("memory", target))
        return 4_003

    monkeypatch.setattr(write_model, "OwnEngine", engine)
    monkeypatch.setattr(write_model, "load_model", loaded)
    monkeypatch.setattr(write_model.device, "pick", pick)
    monkeypatch.setattr(write_model.device, "prepare", lambda: calls.append("prepare"))
    monkeypatch.setattr(write_model.device, "free_memory_bytes", memory)
    made = model_writer("бот", store, QUIET, device_name=device, system="", **SETTINGS)
    assert made == ModelWriter(model, 0.6, 9, 13, None)
    assert calls == [
        ("pick", device), ("load", "бот", store, "cuda:7", QUIET), "prepare",
        ("memory", "cuda:7"), ("engine", True, 64, 1_000),
    ]  # fmt: skip


def chatty(template: str | None) -> LanguageModel:
    """A model with this chat template."""
    model = toy_language_model()
    tokenizer = copy.copy(model.tokenizer)
    tokenizer.chat_template = template
    return LanguageModel(model.decoder, tokenizer)


@pytest.mark.parametrize("before", ["", "{{ bos_token }}"])
@pytest.mark.parametrize("system", ["", "Кыска яз."])
def test_a_question_stands_in_the_template_behind_the_system_message(
    system: str, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the template writes it, behind the token that opens a text, which stands there once."""
    model = chatty(before + CHATML)
    monkeypatch.setattr(write_model, "load_model", lambda *_: model)
    made = model_writer(
        "бот", Store(Path("store")), QUIET, device_name="cpu", system=system, **SETTINGS
    )
    assert (made.temperature, made.max_tokens) == (0.6, 9)
    assert made.as_ids is not None
    engine = OwnEngine(model, most_slots=1, memory=0)
    turns = [("system", system)] if system else []
    for question in ("Таң атты.", "Un pod\nvechi"):
        ids = made.as_ids(question)
        assert ids[:2] == [*model.tokenizer.before, *engine.encode_markup("<|im_start|>")]
        said = b"".join(model.tokenizer.bytes_of(each) for each in ids).decode()
        every = [*turns, ("user", question)]
        marked = "".join(f"{role}\n{text}\n" for role, text in every)
        assert said == f"{marked}assistant\n", "the marks themselves are no bytes"


def test_a_model_that_chats_answers_in_its_own_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real one, from its name to the answers: of what fits into its context."""
    monkeypatch.setattr(write_model, "load_model", lambda *_: chatty(CHATML))
    made = model_writer(
        "бот", Store(Path("s")), QUIET, device_name=None, system="Кыска яз.", **SETTINGS
    )
    asks, found = [Ask(0, "Таң.", 1), Ask(1, "озын " * 400, 2), Ask(2, "Un pod", 3)], list[Answer]()
    made.answer_all(iter(asks), found.append)
    assert {each.ask.index: each.reason == "prompt_too_long" for each in found} == {
        0: False, 1: True, 2: False,
    }  # fmt: skip
    assert not any(each.text.startswith("Таң.") for each in found)


def test_a_base_model_takes_no_system_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the model, the flag and what to do."""
    monkeypatch.setattr(write_model, "load_model", lambda *_: chatty(None))
    with pytest.raises(RecipeError) as caught:
        model_writer("бот", Store(Path("s")), QUIET, device_name="cpu", system="x", **SETTINGS)
    assert (caught.value.message, caught.value.where, caught.value.do) == (
        "бот has no chat template",
        "--system",
        "It continues texts: begin each prompt as the text should go on.",
    )


@pytest.mark.parametrize("as_ids", [None, lambda _: [1]])
@pytest.mark.parametrize(("written", "finish"), [
    (" атты.\nКош", "length"), ("", "end"), (" атты.", "end"),
])  # fmt: skip
def test_bare_texts_are_what_follows_the_prompt_cut_or_empty(
    written: str, finish: str, as_ids: Callable[[str], list[int]] | None
) -> None:
    """So that judges see what a model writes, and not its good texts alone."""
    model, found = Fake(Said(written, finish)), list[Answer]()
    writer = ModelWriter(model, 0.6, 7, 1, as_ids, is_bare=True)  # type: ignore[arg-type]
    writer.answer_all(iter(ASKS[:1]), found.append)
    assert [(each.text, each.finish_reason, each.reason) for each in found] == [
        (written, finish, "")
    ]
