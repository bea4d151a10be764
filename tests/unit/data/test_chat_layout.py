"""Which ids are learnt, and that prompts are those that a server makes."""

from collections.abc import Sequence
from itertools import chain, count, groupby
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_conversations import fresh_tokenizer, make_toy_examples
from toys import CHAT_KINDS, lively_decoder, toy_config

from endonym.data import chat_layout
from endonym.data.chat_layout import Layouts, learning_only
from endonym.data.conversations import Unfit
from endonym.data.example_tokens import ExampleTokens
from endonym.errors import RecipeError
from endonym.generate.language_model import LanguageModel
from endonym.serve.engine import chat_ids
from endonym.serve.own_engine import OwnEngine
from endonym.tokenizer.chat_template import CHATML, Part, template_of
from endonym.tokenizer.tokenizer import Tokenizer

Patch = pytest.MonkeyPatch

SAID = [
    ("system", "Répond en un mot."),
    ("user", "Алма нинди? <|im_end|>"),
    ("assistant", " Кызыл\n"),
    ("user", "តើស្វាយមានពណ៌អ្វី?"),
    ("assistant", "លឿង"),
]
THINKING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and loop.last %}<think></think>{% endif %}"
    "{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""It writes the last turn otherwise than its own prompt begins."""


def rendered(kind: str, template: str | None = None) -> list[tuple[list[int], list[bool]]]:
    """Ids and what is learnt of each example of SAID."""
    tokenizer = fresh_tokenizer(kind, template)
    layouts = Layouts(template_of(tokenizer), tokenizer, 256)
    found = []
    for layout in layouts.of([role for role, _ in SAID]):
        ids, learnt = [], []
        for piece in layout:
            here = piece.ids.tolist()
            if piece.message is not None:
                here = tokenizer.encode(SAID[piece.message][1])
            ids += here
            learnt += [piece.is_learnt] * len(here)
        found.append((ids, learnt))
    return found


@pytest.mark.parametrize("kind", CHAT_KINDS)
@pytest.mark.parametrize("template", [None, THINKING])
def test_the_ids_before_each_answer_are_those_of_a_server(
    kind: str, template: str | None, tmp_path: Path
) -> None:
    said = [{"role": role, "content": content} for role, content in SAID]
    make_toy_examples(tmp_path, [{"messages": said}], kind=kind, template=template, context=256)
    tokenizer = Tokenizer.load(tmp_path / "tokenizer.json")
    config = toy_config(vocab=tokenizer.vocab, context=256)
    model = LanguageModel(lively_decoder(config), tokenizer)
    engine = OwnEngine(model, most_slots=1, memory=1 << 24)
    prompts = [chat_ids(engine, said[:n]) for n in (2, 4)]
    tokens = ExampleTokens(tmp_path, "train")
    assert len(tokens) == (1 if template is None else 2)
    made = []
    for start, length, opening in zip(tokens.starts, tokens.lengths, tokens.openings, strict=True):
        ids, learnt = (file[start : start + length] for file in (tokens.ids, tokens.learnt))
        begins = [n for n in range(1, length) if learnt[n] and not learnt[n - 1]]
        made += [[opening, *ids[:n]] for n in begins]
    assert made == prompts


OPENED = {
    "Qwen3's empty thought": (
        THINKING.replace("<think></think>", "<think>\n\n</think>\n\n"),
        "<think>\n\n</think>\n\n",
        2,
    ),
    "a channel before every answer": (
        THINKING.replace(" and loop.last", "").replace("<think></think>", "final:\n"),
        "final:\n",
        1,
    ),
    "a blank, which words have": (THINKING.replace("<think></think>", " "), "", 2),
    "a prompt that says more than the conversation": (
        THINKING.replace(
            "<|im_start|>assistant\n{% endif %}", "<|im_start|>assistant\n<think>\n{% endif %}"
        ).replace("<think></think>", ""),
        "",
        2,
    ),
}


@pytest.mark.parametrize("name", OPENED)
def test_what_a_template_writes_between_prompt_and_answer_is_learnt_before_the_answer(name: str):
    template, opening, count = OPENED[name]
    tokenizer = fresh_tokenizer("bpe", template)
    examples = rendered("bpe", template)
    assert len(examples) == count
    stretches = []
    for ids, learnt in examples:
        groups = groupby(zip(ids, learnt, strict=True), key=lambda each: each[1])
        stretches += [[index for index, _ in group] for is_learnt, group in groups if is_learnt]
    end = tokenizer.special_ids["turn_end"]
    written = tokenizer.encode(opening)
    assert stretches == [[*written, *tokenizer.encode(SAID[n][1]), end] for n in (2, 4)]


@pytest.mark.parametrize("kind", CHAT_KINDS)
def test_answers_and_their_ends_are_learnt_and_nothing_else(kind: str) -> None:
    ((ids, learnt),) = rendered(kind)
    tokenizer = fresh_tokenizer(kind)
    groups = groupby(zip(ids, learnt, strict=True), key=lambda each: each[1])
    runs = [[index for index, _ in group] for is_learnt, group in groups if is_learnt]
    end = tokenizer.special_ids["turn_end"]
    assert runs == [[*tokenizer.encode(SAID[n][1]), end] for n in (2, 4)]
    assert learnt[-1]  # the line end behind the last turn is left out


def test_only_the_last_answer_of_a_pair_is_learnt() -> None:
    tokenizer = fresh_tokenizer()
    layouts = Layouts(template_of(tokenizer), tokenizer, 256)
    (layout,) = layouts.of([role for role, _ in SAID], is_last_only=True)
    assert [piece.message for piece in layout if piece.is_learnt] == [4, None]


@pytest.mark.parametrize("template", [None, THINKING])
@pytest.mark.parametrize("off", [2, 4])
def test_an_answer_of_weight_0_and_its_end_are_not_learnt(template: str | None, off: int) -> None:
    tokenizer = fresh_tokenizer("bpe", template)
    layouts = Layouts(template_of(tokenizer), tokenizer, 256)
    learns = [number != off for number in range(len(SAID))]
    found = [learning_only(each, learns) for each in layouts.of([role for role, _ in SAID])]
    learnt = [piece.message for each in found for piece in each if piece.is_learnt]
    opening = [] if template is None else [None]  # the template's own text before an answer
    assert learnt == [*opening, {2: 4, 4: 2}[off], None]
    whole = layouts.of([role for role, _ in SAID])
    for before, after in zip(whole, found, strict=True):
        assert [piece[:2] for piece in after] == [piece[:2] for piece in before[: len(after)]]


def test_a_template_without_an_end_of_a_turn_is_refused_with_what_to_do() -> None:
    endless = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    tokenizer = fresh_tokenizer("bpe", endless)
    with pytest.raises(RecipeError, match="no special token") as caught:
        Layouts(template_of(tokenizer), tokenizer, 256).probe()
    assert "<|im_end|>" in caught.value.do


def test_roles_that_a_template_refuses_or_leaves_out_are_told_each_time() -> None:
    strict = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{% for m in messages[:2] %}{{ m.content }}<|im_end|>{% endfor %}"
    )
    tokenizer = fresh_tokenizer("bpe", strict)
    layouts = Layouts(template_of(tokenizer), tokenizer, 256)
    turns, four = ("user", "assistant"), "leaves out message 4"
    for roles, why in ((("system", *turns), "no system"), (turns * 2, four)) * 2:
        with pytest.raises(Unfit, match=why) as caught:
            layouts.of(roles)
        assert caught.value.reason == "refused_by_template"


def test_what_has_no_room_is_told_before_its_prompts_are_filled_in() -> None:
    tokenizer = fresh_tokenizer()
    layouts = Layouts(template_of(tokenizer), tokenizer, 256)
    with pytest.raises(Unfit, match="300 messages") as caught:
        layouts.of(("user", "assistant") * 150)
    assert caught.value.reason == "longer_than_context"
    asked: list[int] = []
    fill = layouts.template.parts
    object.__setattr__(
        layouts, "template", SimpleNamespace(parts=lambda all: asked.append(len(all)) or fill(all))
    )
    with pytest.raises(Unfit, match="tokens without the contents") as caught:
        layouts.of(("user", "assistant") * 100)
    assert caught.value.reason == "longer_than_context"
    assert asked == [2]


@pytest.mark.parametrize("template", [None, THINKING])
def test_prompts_are_filled_in_some_at_a_time(template: str | None, monkeypatch: Patch) -> None:
    tokenizer = fresh_tokenizer("bpe", template)
    roles = ("user", "assistant") * 20
    whole = Layouts(template_of(tokenizer), tokenizer, 4096).of(roles)
    monkeypatch.setattr(chat_layout, "MESSAGES_AT_ONCE", 50)
    monkeypatch.setattr(chat_layout, "PIECES_KEPT", 1)
    pieces = Layouts(template_of(tokenizer), tokenizer, 4096)
    for _ in range(2):
        assert str(pieces.of(roles)) == str(whole)
    assert len(whole) == (1 if template is None else 20)


def test_a_template_that_just_has_room_is_taken() -> None:
    tokenizer, roles = fresh_tokenizer(), [role for role, _ in SAID]
    (whole,) = Layouts(template_of(tokenizer), tokenizer, 256).of(roles)
    size = sum(len(piece.ids) for piece in whole)
    Layouts(template_of(tokenizer), tokenizer, size - 1).of(roles)
    with pytest.raises(Unfit, match=f"{size} tokens without the contents; {size - 2} have room"):
        Layouts(template_of(tokenizer), tokenizer, size - 2).of(roles)
    Layouts(template_of(tokenizer), tokenizer, 2).probe()  # each conversation is told so


def watched(layouts: Layouts) -> list[list[int]]:
    """For each call of the template from now on: how many messages each prompt has."""
    asked, fill = list[list[int]](), layouts.template.parts

    def parts(each: Sequence[tuple[Sequence[str], bool]]) -> list[list[Part]]:
        asked.append([len(roles) for roles, _ in each])
        return fill(each)

    object.__setattr__(layouts, "template", SimpleNamespace(parts=parts))
    return asked


def test_all_prompts_of_a_call_together_are_bounded(monkeypatch: Patch) -> None:
    monkeypatch.setattr(chat_layout, "MESSAGES_AT_ONCE", 50)
    tokenizer = fresh_tokenizer()
    layouts = Layouts(template_of(tokenizer), tokenizer, 4096)
    asked = watched(layouts)
    layouts.of(("user", "assistant") * 20)
    assert asked[0] == [39, 40]
    assert [*chain.from_iterable(asked[1:])] == list(range(1, 39))
    assert len(asked) > 4
    assert all(sum(sizes[:-2]) < 50 for sizes in asked[1:])


def test_layouts_are_remembered_up_to_a_bound(monkeypatch: Patch) -> None:
    tokenizer = fresh_tokenizer()
    some = {n: ("user", "assistant") * n for n in (2, 3, 4)}
    free = Layouts(template_of(tokenizer), tokenizer, 4096)
    size = {n: sum(map(len, free.of(roles))) for n, roles in some.items()}
    monkeypatch.setattr(chat_layout, "PIECES_KEPT", size[2] + size[3])
    layouts = Layouts(template_of(tokenizer), tokenizer, 4096)
    asked = watched(layouts)
    for n in (4, 2, 3):  # 4 has to go for 2, and 3 fits beside that
        layouts.of(some[n])
    calls = len(asked)
    layouts.of(some[2])
    layouts.of(some[3])
    assert len(asked) == calls
    layouts.of(some[4])
    assert len(asked) > calls


def test_the_patience_with_a_template_is_for_all_conversations_together(monkeypatch: Patch) -> None:
    fails = "{% if messages[0].role == 'system' %}{{ 1 // 0 }}{% endif %}" + CHATML
    tokenizer = fresh_tokenizer("bpe", fails)
    layouts = Layouts(template_of(tokenizer), tokenizer, 256)
    clock = count()  # each try takes a second
    monkeypatch.setattr(chat_layout, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    monkeypatch.setattr(chat_layout, "PATIENCE_SECONDS", 2.5)
    layouts.probe()
    for turns in (1, 2, 1):  # the first is remembered
        with pytest.raises(Unfit, match="cannot be filled in") as caught:
            layouts.of(("system", *("user", "assistant") * turns))
        assert caught.value.reason == "template"
    with pytest.raises(RecipeError, match="conversations like this took 3 seconds"):
        layouts.of(("system", *("user", "assistant") * 3))
