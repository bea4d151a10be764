"""Thoughts, tools and turns of tools stand in examples as the templates of real models write them.

The templates are those that trl keeps of published models.
"""

import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from endonym.data.chat_layout import Layouts
from endonym.data.conversations import conversation_of
from endonym.tokenizer.chat_template import ChatTemplate
from endonym.tokenizer.template_process import fill_one

spec = importlib.util.find_spec("trl")
if spec is None or spec.origin is None:
    pytest.skip("trl is not installed", allow_module_level=True)
TEMPLATES = Path(spec.origin).parent / "chat_templates"
if not TEMPLATES.is_dir():
    pytest.skip("this trl has no chat templates", allow_module_level=True)
SPECIAL = re.compile(r"<\|[^'\"{}\s|]{1,30}\|>|<[｜][^｜]*[｜]>|<(?:start|end)_of_turn>|<turn\|>")
USER = {"role": "user", "content": "Алма нинди төстә?"}
BOT = {"role": "assistant", "content": "Кызыл."}
MORE = {"role": "user", "content": "Unde este cantina?"}
END = {"role": "assistant", "content": "La parter."}
TOOL = {"role": "tool", "content": "4°"}
THOUGHT, SECOND = "Алма — җимеш.", "Cantina e jos."
WEATHER = {
    "type": "function",
    "function": {
        "name": "hava",
        "description": "Һава торышы",
        "parameters": {"type": "object", "properties": {"x": {"type": "string"}}},
    },
}


class Bytes:
    """A tokenizer of bytes and these special tokens."""

    spaces_before = ""

    def __init__(self, specials: Sequence[str]) -> None:
        self.specials = [*specials, "<s>", "</s>"]
        self.vocab = 256 + len(self.specials)

    def encode(self, text: str) -> list[int]:
        return [*text.encode()]

    def bytes_of(self, index: int) -> bytes:
        return bytes([index]) if index < 256 else b""

    def name_of(self, index: int) -> str | None:
        return None if index < 256 else self.specials[index - 256]

    def text(self, ids: Sequence[int]) -> str:
        pieces = ((self.name_of(index) or "").encode() or bytes([index]) for index in ids)
        return b"".join(pieces).decode()


def examples(name: str, record: dict[str, Any]) -> tuple[list[str], list[str], str]:
    """Of each example its text and what is learnt of it; the text that the template writes."""
    text = (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")
    tokenizer: Any = Bytes(sorted(set(SPECIAL.findall(text))))
    chat = conversation_of(record)
    layouts = Layouts(ChatTemplate(text, "<s>", "</s>"), tokenizer, 100_000)
    texts, learnt = list[str](), list[str]()
    for layout in layouts.of([message.role for message in chat.messages], chat.given):
        pieces = [
            tokenizer.text(part.ids.tolist())
            if part.message is None
            else chat.messages[part.message].content
            for part in layout
        ]
        texts.append("".join(pieces))
        learnt.append("".join(p for p, part in zip(pieces, layout, strict=True) if part.is_learnt))
    messages = [
        message | {"thinking": thought}
        if (thought := message.get("reasoning_content"))
        else message
        for message in record["messages"]
    ]
    values = {"messages": messages, "tools": record.get("tools"), "add_generation_prompt": False}
    filled = fill_one(text, {**values, "bos_token": "<s>", "eos_token": "</s>"})
    return texts, learnt, filled["text"]


THINKING = {
    "qwen3": "<think>\n{}\n</think>\n\n{}<|im_end|>",
    "qwen3_5_think": "{}\n</think>\n\n{}<|im_end|>",
    "lfm2_2_5": "<think>{}</think>{}<|im_end|>",
    "gptoss": "<|channel|>analysis<|message|>{}<|end|>"
    "<|start|>assistant<|channel|>final<|message|>{}<|return|>",
}


@pytest.mark.parametrize("name", THINKING)
def test_a_thought_is_learnt_as_the_template_writes_it(name: str) -> None:
    form = THINKING[name]
    one = {"messages": [USER, {**BOT, "reasoning_content": THOUGHT}]}
    texts, learnt, wanted = examples(name, one)
    assert learnt == [form.format(THOUGHT, BOT["content"])]
    assert wanted.startswith(texts[0])
    two = {"messages": [*one["messages"], MORE, {**END, "reasoning_content": SECOND}]}
    texts, learnt, wanted = examples(name, two)
    assert learnt[-1] == form.format(SECOND, END["content"])
    assert learnt[0] == form.format(THOUGHT, BOT["content"])
    assert wanted.startswith(texts[-1])
    assert THOUGHT not in texts[-1], "these templates forget earlier thoughts"


NOT_THINKING = {
    "qwen3": "<think>\n\n</think>\n\n{}<|im_end|>",
    "gptoss": "<|channel|>final<|message|>{}<|return|>",
    "qwen2_5": "{}<|im_end|>",
    "llama3_1": "{}<|eot_id|>",
}


@pytest.mark.parametrize("name", NOT_THINKING)
def test_an_answer_without_a_thought_is_learnt_as_the_template_writes_it(name: str) -> None:
    texts, learnt, wanted = examples(name, {"messages": [USER, BOT]})
    assert learnt == [NOT_THINKING[name].format(BOT["content"])]
    assert wanted.startswith(texts[0])
    texts, learnt, wanted = examples(name, {"messages": [USER, BOT, MORE, END]})
    assert learnt[-1].endswith(NOT_THINKING[name].format(END["content"]))
    assert wanted.startswith(texts[-1])


def test_an_empty_thought_that_a_server_sends_is_read_and_not_learnt() -> None:
    options = {"chat_template_kwargs": {"enable_thinking": False}}
    texts, learnt, wanted = examples("qwen3", {"messages": [USER, BOT], **options})
    assert learnt == [f"{BOT['content']}<|im_end|>"]
    assert f"<think>\n\n</think>\n\n{BOT['content']}" in texts[0]
    assert wanted.startswith(texts[0])


@pytest.mark.parametrize("name", ["llama3_1", "llama3_2", "qwen2_5", "lfm2", "qwen3_instruct_2507"])
def test_tools_stand_in_the_prompt_as_the_template_writes_them(name: str) -> None:
    texts, learnt, wanted = examples(name, {"messages": [USER, BOT], "tools": [WEATHER]})
    assert wanted.startswith(texts[0])
    assert "Һава торышы" in texts[0]
    assert learnt[0].startswith(BOT["content"])


@pytest.mark.parametrize("name", ["llama3", "llama3_1", "qwen2_5", "lfm2", "qwen3_instruct_2507"])
def test_the_turn_of_a_tool_is_read_and_not_learnt(name: str) -> None:
    texts, learnt, wanted = examples(name, {"messages": [USER, BOT, TOOL, END]})
    assert wanted.startswith(texts[0])
    assert TOOL["content"] in texts[0]
    assert TOOL["content"] not in learnt[0]
    assert learnt[0].startswith(BOT["content"])
    assert END["content"] in learnt[0]
