"""Records as other programs write them: what is learnt of each, or the field for which it is not.

The forms are those of the documentation of trl, Axolotl, LLaMA-Factory, OpenAI, Mistral, ms-swift,
torchtune, verl and NeMo, with sentences of our own.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from made_conversations import fresh_tokenizer, make_toy_examples, said

from endonym.data.conversations import conversation_of, pair_of
from endonym.data.example_tokens import ExampleTokens
from endonym.tokenizer.tokenizer import Tokenizer

ASK, ANSWER = "Алма нинди төстә?", "Алма кызыл төстә."
NEXT, LAST = "Unde este cantina?", "La parter, lângă intrare."
BAD = "Je ne sais pas."
BRIEF = "Кыска җавап бир."
THOUGHT = "Алма — җимеш."
USER, BOT = {"role": "user", "content": ASK}, {"role": "assistant", "content": ANSWER}
HUMAN, GPT = {"from": "human", "value": ASK}, {"from": "gpt", "value": ANSWER}
MORE, END = {"role": "user", "content": NEXT}, {"role": "assistant", "content": LAST}
WEATHER = {
    "type": "function",
    "function": {"name": "hava", "description": "Һава торышы", "parameters": {"type": "object"}},
}
CALL = {"id": "c1", "type": "function", "function": {"name": "hava", "arguments": "{}"}}
THINKING = (
    "{% set seen = namespace(user=0) %}"
    "{% for m in messages %}{% if m.role == 'user' %}{% set seen.user = loop.index0 %}{% endif %}"
    "{% endfor %}"
    "{% if tools %}<|im_start|>system\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}"
    "<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and m.reasoning_content and loop.index0 > seen.user %}"
    "<think>\n{{ m.reasoning_content }}\n</think>\n\n{% endif %}"
    "{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Writes tools, and a thought where no other question follows, as Qwen3's template does."""
KEPT = THINKING.replace("{% set seen.user = loop.index0 %}", "")
"""Writes every thought."""


def made(
    folder: Path, record: dict[str, Any], template: str | None = None, objective: str = "chat"
) -> tuple[list[str], dict[str, int], str, dict[str, Any]]:
    """The stretches that are learnt of a record, why it is left out, the detail, what was counted.

    It stands among others, whose stretches are taken away.
    """
    others: list[dict[str, Any]] = [said(f"{n}?", f"{n}.") for n in range(3)]
    if objective == "preferences":
        others = [{"prompt": f"{n}?", "chosen": f"{n}.", "rejected": "А"} for n in range(3)]
    counted = make_toy_examples(
        folder, [*others, record], objective, template=template, context=512, max_rejected=1.0
    )
    tokenizer, learnt = Tokenizer.load(folder / "tokenizer.json"), list[str]()
    for split in ("train", "dev"):
        tokens = ExampleTokens(folder, split)
        for number in range(len(tokens)):
            learnt += [tokenizer.decode(ids.tolist()) for ids in tokens.answers(number)]
    usual = {f"{n}." for n in range(3)} | {"А"}
    files = sorted((folder / "dropped").glob("*.gz"))
    lines = [line for path in files for line in gzip.decompress(path.read_bytes()).splitlines()]
    detail = json.loads(lines[0])["detail"] if lines else ""
    return [each for each in learnt if each not in usual], counted["dropped"], detail, counted


LEARNT: dict[str, tuple[dict[str, Any], list[str]]] = {
    "trl, messages": ({"messages": [USER, BOT]}, [ANSWER]),
    "trl, prompt and completion": ({"prompt": [USER], "completion": [BOT]}, [ANSWER]),
    "a class in a table": ({"question": ASK, "answer": ANSWER, "label": "0"}, [ANSWER]),
    "several classes": (
        {"question": ASK, "answer": ANSWER, "label": ["sport", "яңалык"]},
        [ANSWER],
    ),
    "classes as numbers": ({"question": ASK, "answer": ANSWER, "label": [0, 1, 0]}, [ANSWER]),
    "both spellings, of which one is empty": (
        {"messages": [USER, {**BOT, "Content": None, "Role": "assistant"}]},
        [ANSWER],
    ),
    "both spellings of columns, as of two tables that were joined": (
        {"Instruction": ASK, "instruction": "", "output": ANSWER},
        [ANSWER],
    ),
    "OpenOrca": ({"id": "t0.1", "question": ASK, "response": ANSWER}, [ANSWER]),
    "ms-swift, a query": ({"query": ASK, "response": ANSWER}, [ANSWER]),
    "trl, a good answer of KTO": ({"prompt": ASK, "completion": ANSWER, "label": True}, [ANSWER]),
    "a good answer of KTO in a table": (
        {"prompt": ASK, "completion": ANSWER, "label": "True"},
        [ANSWER],
    ),
    "LLaMA-Factory, a good answer of KTO": (
        {"instruction": ASK, "input": "", "output": ANSWER, "kto_tag": True},
        [ANSWER],
    ),
    "Axolotl, chat_template with train": (
        {
            "conversations": [
                {"from": "system", "value": BRIEF, "train": False},
                {**HUMAN, "train": False},
                {**GPT, "train": False},
                {"from": "human", "value": NEXT, "train": False},
                {"from": "assistant", "value": LAST, "train": True, "train_detail": None},
            ]
        },
        [LAST],
    ),
    "Axolotl, training": ({"messages": [USER, {**BOT, "training": False}, MORE, END]}, [LAST]),
    "OpenAI, weight": (
        {"messages": [USER, {**BOT, "weight": 0}, MORE, {**END, "weight": 1}]},
        [LAST],
    ),
    "OpenAI, nothing asked of tools": (
        {"messages": [USER, {**BOT, "tool_calls": None}], "tools": [], "parallel_tool_calls": True},
        [ANSWER],
    ),
    "Mistral, weight": ({"messages": [USER, BOT, MORE, {**END, "weight": 0}]}, [ANSWER]),
    "ms-swift, loss": (
        {"messages": [{**USER, "loss": None}, {**BOT, "loss": False}, MORE, {**END, "loss": True}]},
        [LAST],
    ),
    "ms-swift, loss_scale": (
        {"messages": [USER, {**BOT, "loss_scale": 0.0}, MORE, {**END, "loss_scale": 1.0}]},
        [LAST],
    ),
    "torchtune, masked": (
        {
            "messages": [
                {**USER, "masked": True},
                {**BOT, "masked": True},
                {**MORE, "masked": True},
                {**END, "masked": False},
            ]
        },
        [LAST],
    ),
    "verl, trainable and loss_mask": (
        {"messages": [USER, {**BOT, "trainable": False}, MORE, {**END, "loss_mask": 1}]},
        [LAST],
    ),
    "an answer that is marked as bad": (
        {"messages": [USER, {**BOT, "label": False}, MORE, {**END, "label": True}]},
        [LAST],
    ),
    "NeMo": (
        {
            "system": BRIEF,
            "mask": "User",
            "type": "VALUE_TO_TEXT",
            "conversations": [
                {"from": "User", "value": ASK, "label": None},
                {"from": "Assistant", "value": ANSWER, "label": "quality:4"},
            ],
        },
        [ANSWER],
    ),
    "ShareGPT's names": (
        {"conversations": [HUMAN, {"from": "bing", "value": ANSWER}]},
        [ANSWER],
    ),
    "OpenAI, developer": (
        {"messages": [{"role": "developer", "content": BRIEF}, USER, BOT]},
        [ANSWER],
    ),
    "Hermes, tools in texts": (
        {
            "conversations": [
                {"from": "system", "value": f"<tools>{json.dumps(WEATHER)}</tools>"},
                HUMAN,
                {"from": "gpt", "value": '<tool_call>{"name": "hava"}</tool_call>'},
                {"from": "tool", "value": '<tool_response>{"t": 4}</tool_response>'},
                {"from": "gpt", "value": LAST},
            ]
        },
        ['<tool_call>{"name": "hava"}</tool_call>', LAST],
    ),
    "LLaMA-Factory, observation": (
        {
            "conversations": [
                HUMAN,
                GPT,
                {"from": "observation", "value": "4°"},
                {**GPT, "value": LAST},
            ]
        },
        [ANSWER, LAST],
    ),
    "a table of both kinds of names": (
        {
            "messages": [
                {**USER, "from": None, "value": None},
                {**GPT, "role": None, "content": None, "weight": None},
            ]
        },
        [ANSWER],
    ),
    "content as pieces": (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": ASK}]}, BOT]},
        [ANSWER],
    ),
    "an empty thought": (
        {"messages": [USER, {**BOT, "reasoning_content": "\n\n", "thinking": None}]},
        [ANSWER],
    ),
}


@pytest.mark.parametrize("name", LEARNT)
def test_of_a_record_made_elsewhere_exactly_its_answers_are_learnt(name: str, tmp_path: Path):
    record, wanted = LEARNT[name]
    learnt, dropped, detail, _ = made(tmp_path, record)
    assert (learnt, dropped) == (wanted, {}), detail


LEFT_OUT: dict[str, tuple[dict[str, Any], str, str]] = {
    "verdicts of turns in the record": (
        {"messages": [USER, BOT], "label": [True, False]},
        "bad_weight",
        '"label" is a list',
    ),
    "trl, a bad answer of KTO": (
        {"prompt": ASK, "completion": ANSWER, "label": False},
        "unwanted_answer",
        '"label" is false',
    ),
    "the same as a row of a table": (
        {"prompt": ASK, "completion": ANSWER, "label": "False"},
        "unwanted_answer",
        '"label" is false',
    ),
    "both spellings of a verdict, of which one is empty": (
        {"prompt": ASK, "completion": ANSWER, "label": None, "Label": False},
        "unwanted_answer",
        '"label" is false',
    ),
    "a weight that a table writes as a fraction": (
        {"prompt": ASK, "completion": ANSWER, "weight": "0.0"},
        "nothing_learnt",
        '"weight": "0.0"',
    ),
    "LLaMA-Factory, a bad answer of KTO": (
        {"conversations": [HUMAN, GPT], "kto_tag": False},
        "unwanted_answer",
        '"kto_tag" is false',
    ),
    "every answer is masked": (
        {"messages": [USER, {**BOT, "train": False}]},
        "nothing_learnt",
        '"train": false',
    ),
    "a record that is not to be learnt": (
        {"question": ASK, "answer": ANSWER, "train": False},
        "nothing_learnt",
        '"train": false',
    ),
    "Axolotl, a question to learn": (
        {"messages": [{**USER, "train": True}, BOT]},
        "learnt_question",
        '"train": true',
    ),
    "torchtune, a question to learn": (
        {"messages": [{**USER, "masked": False}, BOT]},
        "learnt_question",
        '"masked": false',
    ),
    "a tool's turn to learn": (
        {"messages": [USER, BOT, {"role": "tool", "content": "4°", "train": True}, END]},
        "learnt_question",
        '"train": true',
    ),
    "Axolotl, train_detail": (
        {
            "messages": [
                USER,
                {
                    **BOT,
                    "train_detail": [{"begin_offset": 0, "end_offset": 3, "train": False}],
                },
            ]
        },
        "part_of_answer",
        '"train_detail"',
    ),
    "ms-swift, half a loss": (
        {"messages": [USER, {**BOT, "loss_scale": 0.5}]},
        "bad_weight",
        "loss_scale",
    ),
    "a thought that ChatML does not write": (
        {"messages": [USER, {**BOT, "reasoning_content": THOUGHT}]},
        "thoughts",
        '"reasoning_content"',
    ),
    "gpt-oss, thinking": (
        {"messages": [USER, {**BOT, "thinking": THOUGHT}]},
        "thoughts",
        '"thinking"',
    ),
    "Anthropic's pieces": (
        {
            "messages": [
                USER,
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": THOUGHT},
                        {"type": "text", "text": ANSWER},
                    ],
                },
            ]
        },
        "thoughts",
        '"thinking"',
    ),
    "a column of thoughts": (
        {"prompt": ASK, "thinking": THOUGHT, "response": ANSWER},
        "thoughts",
        '"thinking"',
    ),
    "a column of thoughts next to messages": (
        {"messages": [USER, BOT], "reasoning_content": THOUGHT},
        "unused_column",
        '"reasoning_content"',
    ),
    "trl, tools": ({"messages": [USER, BOT], "tools": [WEATHER]}, "tools", '"tools"'),
    "LLaMA-Factory, tools in a text": (
        {"conversations": [HUMAN, GPT], "tools": json.dumps([WEATHER])},
        "tools",
        '"tools"',
    ),
    "tools that are no JSON": ({"messages": [USER, BOT], "tools": "hava()"}, "tools", '"tools"'),
    "OpenAI, a call": (
        {
            "messages": [
                USER,
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                MORE,
                END,
            ]
        },
        "tool_calls",
        '"tool_calls"',
    ),
    "LLaMA-Factory, a call": (
        {"conversations": [HUMAN, {"from": "function_call", "value": "{}"}, GPT]},
        "tool_calls",
        "message 2",
    ),
    "OpenAI, functions": (
        {"messages": [USER, BOT], "functions": [{"name": "hava"}]},
        "unused_column",
        '"functions"',
    ),
    "LLaMA-Factory, images": (
        {"messages": [USER, BOT], "images": ["alma.png"]},
        "unused_column",
        '"images"',
    ),
    "a picture among the pieces": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a"}}]},
                BOT,
            ]
        },
        "not_text",
        '"image_url"',
    ),
    "options that would change the messages": (
        {"messages": [USER, BOT], "chat_template_kwargs": {"messages": []}},
        "tools",
        '"messages"',
    ),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_cannot_be_obeyed_is_a_counted_reject_that_names_the_field(name: str, tmp_path: Path):
    record, reason, field = LEFT_OUT[name]
    learnt, dropped, detail, _ = made(tmp_path, record)
    assert (learnt, dropped) == ([], {reason: 1})
    assert field in detail


WRITTEN: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "reasoning_content": (
        THINKING,
        {"messages": [USER, {**BOT, "reasoning_content": THOUGHT}]},
        [f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}"],
    ),
    "thinking, and a template that calls it otherwise": (
        THINKING,
        {"messages": [USER, {**BOT, "thinking": THOUGHT}]},
        [f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}"],
    ),
    "each answer after its own thought, earlier ones forgotten": (
        THINKING,
        {
            "messages": [
                USER,
                {**BOT, "reasoning": THOUGHT},
                MORE,
                {**END, "reasoning_content": "Бу ашханә."},
            ]
        },
        [
            f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}",
            f"<think>\nБу ашханә.\n</think>\n\n{LAST}",
        ],
    ),
    "all thoughts in one example": (
        KEPT,
        {
            "messages": [
                USER,
                {**BOT, "reasoning_content": THOUGHT},
                MORE,
                {**END, "reasoning_content": "Бу ашханә."},
            ]
        },
        [
            f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}",
            f"<think>\nБу ашханә.\n</think>\n\n{LAST}",
        ],
    ),
    "an answer that is not learnt, with its thought": (
        KEPT,
        {"messages": [USER, {**BOT, "reasoning_content": THOUGHT, "train": False}, MORE, END]},
        [LAST],
    ),
    "a column of thoughts": (
        THINKING,
        {"prompt": ASK, "reasoning_content": THOUGHT, "response": ANSWER},
        [f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}"],
    ),
    "tools": (THINKING, {"messages": [USER, BOT], "tools": [WEATHER]}, [ANSWER]),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_thoughts_and_tools_that_the_template_writes_stand_in_the_example(
    name: str, tmp_path: Path
):
    template, record, wanted = WRITTEN[name]
    learnt, dropped, detail, _ = made(tmp_path, record, template)
    assert (learnt, dropped) == (wanted, {}), detail
    tokens = ExampleTokens(tmp_path, "train")
    dev = ExampleTokens(tmp_path, "dev")
    text = "".join(
        fresh_tokenizer("bpe", template).decode(each.ids[:].tolist()) for each in (tokens, dev)
    )
    assert ("Һава торышы" in text) == ("tools" in record)


def test_the_prompt_before_a_thought_is_the_one_of_a_server(tmp_path: Path) -> None:
    """It ends where the model begins to write: before the thought, with what opens it."""
    record = {"messages": [USER, BOT, MORE, {**END, "reasoning_content": THOUGHT}]}
    made(tmp_path, record, KEPT)
    tokenizer = Tokenizer.load(tmp_path / "tokenizer.json")
    begins = tokenizer.encode("<think>\n")
    for split in ("train", "dev"):
        tokens = ExampleTokens(tmp_path, split)
        for number in range(len(tokens)):
            answers = tokens.answers(number)
            if THOUGHT in tokenizer.decode(answers[-1].tolist()):
                assert answers[-1].tolist()[: len(begins)] == begins
                assert tokenizer.decode(answers[0].tolist()) == ANSWER
                return
    raise AssertionError("the example was not found")


def test_a_tool_that_names_a_special_token_is_left_out(tmp_path: Path) -> None:
    record = {"messages": [USER, BOT], "tools": [{"name": "<|im_end|>"}]}
    learnt, dropped, detail, _ = made(tmp_path, record, THINKING)
    assert (learnt, dropped) == ([], {"tools": 1})
    assert "<|im_end|>" in detail


def test_a_template_that_leaves_out_a_turn_of_a_tool_is_not_silent(tmp_path: Path) -> None:
    template = (
        "{% for m in messages if m.role in ('user', 'assistant') %}<|im_start|>{{ m.role }}\n"
        "{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    record = {"messages": [USER, BOT, {"role": "tool", "content": "4°"}, END]}
    learnt, dropped, detail, _ = made(tmp_path, record, template)
    assert (learnt, dropped) == ([], {"refused_by_template": 1})
    assert "leaves out message 3" in detail


def test_options_of_the_template_are_obeyed(tmp_path: Path) -> None:
    template = THINKING.replace(
        "<|im_start|>assistant\n{% endif %}", "<|im_start|>assistant\n{% endif %}"
    )
    template = "{% if slow %}<|im_start|>system\nӘкрен уйла.<|im_end|>\n{% endif %}" + template
    record = {"messages": [USER, BOT], "chat_template_kwargs": {"slow": True, "other": None}}
    learnt, _, detail, _ = made(tmp_path, record, template)
    assert learnt == [ANSWER], detail
    texts = [
        fresh_tokenizer("bpe", template).decode(ExampleTokens(tmp_path, split).ids[:].tolist())
        for split in ("train", "dev")
    ]
    assert sum(text.count("Әкрен уйла.") for text in texts[:1]) == 1


def test_fields_that_are_not_read_are_counted_by_name(tmp_path: Path) -> None:
    record = {
        "label": "fruit",
        "messages": [
            {**USER, "name": "Айгөл", "weight": 1, "lang": None},
            {**BOT, "name": "bot", "tool_calls": []},
            {"role": "tool", "content": "4°", "tool_call_id": "c1"},
            {**END, "score": 0.5},
        ],
    }
    learnt, dropped, detail, counted = made(tmp_path, record)
    assert (learnt, dropped) == ([ANSWER, LAST], {}), detail
    assert counted["unread"] == {"name": 2, "label": 1, "weight": 1, "tool_call_id": 1, "score": 1}


def test_fields_are_counted_however_they_are_written(tmp_path: Path) -> None:
    """A weight of "1" is that of a record, as of a row of a table."""
    for weight, more in (("1", {}), (1, {}), (0.5, {"weight": 1}), ("0.5", {"weight": 1})):
        record = {"Weight": weight, "Label": "fruit", "messages": [USER, {**BOT, "Weight": "1"}]}
        learnt, _, detail, counted = made(tmp_path / str(weight), record)
        assert learnt == [ANSWER], detail
        assert counted["unread"] == {"label": 1} | more


GOOD, WORSE = {"role": "assistant", "content": ANSWER}, {"role": "assistant", "content": BAD}
PAIRS: dict[str, dict[str, Any]] = {
    "Axolotl, chat_template.default": {"messages": [USER], "chosen": GOOD, "rejected": WORSE},
    "Axolotl, chat_template.argilla": {
        "prompt": ASK,
        "chosen": [USER, GOOD],
        "rejected": [USER, WORSE],
    },
    "Axolotl, chat_template.argilla_chat": {"chosen": [USER, GOOD], "rejected": [USER, WORSE]},
    "Axolotl, chatml.argilla": {
        "instruction": ASK,
        "chosen_response": ANSWER,
        "rejected_response": BAD,
    },
    "Axolotl, chatml.icr": {"input": ASK, "chosen": ANSWER, "rejected": BAD},
    "Axolotl, chatml.intel": {"question": ASK, "chosen": ANSWER, "rejected": BAD},
    "LLaMA-Factory, alpaca": {"instruction": ASK, "input": "", "chosen": ANSWER, "rejected": BAD},
    "LLaMA-Factory, sharegpt": {
        "conversations": [HUMAN],
        "chosen": GPT,
        "rejected": {"from": "gpt", "value": BAD},
    },
    "OpenAI": {
        "input": {"messages": [USER], "tools": [], "parallel_tool_calls": True},
        "preferred_output": [GOOD],
        "non_preferred_output": [WORSE],
    },
    "ms-swift": {"messages": [USER, GOOD], "rejected_response": BAD},
    "ms-swift, names in capitals": {
        "Messages": [USER, {"Role": "assistant", "Content": ANSWER}],
        "Rejected_Response": BAD,
    },
    "trl, standard": {"prompt": ASK, "chosen": ANSWER, "rejected": BAD},
    "trl, implicit prompt": {"chosen": [USER, GOOD], "rejected": [USER, WORSE]},
    "Zephyr's UltraFeedback": {
        "prompt": ASK,
        "messages": [USER, GOOD],
        "chosen": [USER, GOOD],
        "rejected": [USER, WORSE],
        "score_chosen": 8.0,
    },
    "messages that end with the better answer": {
        "messages": [USER, GOOD],
        "chosen": GOOD,
        "rejected": WORSE,
    },
    "the same without a prompt": {
        "messages": [USER, GOOD],
        "chosen": [USER, GOOD],
        "rejected": [USER, WORSE],
    },
}


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_of_other_programs_are_read(name: str, tmp_path: Path) -> None:
    found = pair_of(PAIRS[name])
    assert ([each.content for each in found.prompt], *found[1:]) == ([ASK], ANSWER, BAD)
    learnt, dropped, detail, _ = made(tmp_path, PAIRS[name], objective="preferences")
    assert (learnt, dropped) == ([ANSWER, BAD], {}), detail


@pytest.mark.parametrize(
    ("record", "reason", "field"),
    [
        ({"messages": [USER], "chosen": {**GOOD, "train": False}, "rejected": WORSE},
         "nothing_learnt", '"train": false'),
        ({"prompt": ASK, "chosen": {**GOOD, "thinking": THOUGHT}, "rejected": BAD},
         "thoughts", '"thinking"'),
        ({"prompt": ASK, "chosen": ANSWER, "rejected": BAD, "tools": [WEATHER]},
         "tools", '"tools"'),
        ({"prompt": ASK, "chosen": ANSWER, "rejected": BAD, "images": ["a.png"]},
         "unused_column", '"images"'),
        ({"messages": [ASK, ANSWER], "rejected": BAD}, "no_columns", "chosen"),
        ({"messages": [USER, END], "chosen": GOOD, "rejected": WORSE},
         "no_common_prompt", '"messages"'),
    ],
)  # fmt: skip
def test_what_a_pair_says_and_cannot_be_obeyed_is_named(
    record: dict[str, Any], reason: str, field: str, tmp_path: Path
) -> None:
    learnt, dropped, detail, _ = made(tmp_path, record, objective="preferences")
    assert (learnt, dropped) == ([], {reason: 1})
    assert field in detail


def test_a_data_set_half_of_bad_answers_is_learnt_without_them(tmp_path: Path) -> None:
    """Answers that are marked as bad are no fault of the data."""
    records = [
        {"prompt": f"{ASK} {n}", "completion": f"{ANSWER} {n}", "label": n % 2 == 0}
        for n in range(20)
    ]
    counted = make_toy_examples(tmp_path, records, max_rejected=0.0)
    assert (counted["kept"], counted["dropped"]) == (10, {"unwanted_answer": 10})


def test_copies_with_other_tools_are_two_conversations() -> None:
    one, other = (
        conversation_of({"messages": [USER, BOT], "tools": tools}) for tools in ([WEATHER], None)
    )
    assert one.messages == other.messages
    assert json.loads(one.given) == {"tools": [WEATHER]}
    assert other.given == ""
