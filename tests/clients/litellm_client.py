"""LiteLLM asks a server of endonym: python litellm_client.py URL/v1"""

import os
import sys
from typing import Any

os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}

import httpx
import litellm
import pytest

BASE = sys.argv[1]
MODEL = httpx.get(f"{BASE}/models").json()["data"][0]["id"]
QUESTION = {"role": "user", "content": "Кояш кайчан чыга?"}
TO_SERVER: dict[str, Any] = {"api_base": BASE, "api_key": "none", "max_retries": 0}


def chat(messages: list[Any], provider: str = "openai", **more: Any) -> Any:
    return litellm.completion(
        model=f"{provider}/{MODEL}", messages=messages, max_tokens=4, **TO_SERVER, **more
    )


for provider in ("openai", "hosted_vllm", "lm_studio", "llamafile"):
    message = chat([QUESTION], provider).choices[0].message
    chat([QUESTION, message, QUESTION], provider)
    chat([QUESTION, message.model_dump(), QUESTION], provider)
chunks = [*chat([QUESTION], stream=True, stream_options={"include_usage": True})]
streamed = litellm.stream_chunk_builder(chunks, messages=[QUESTION])
assert streamed.usage.total_tokens > 4
fields = {"tools": [], "tool_choice": "none", "response_format": {"type": "text"}, "n": 1}
more = {"metadata": {"a": "b"}, "user": "u", "seed": 1, "top_p": 1, "parallel_tool_calls": False}
chat([QUESTION, streamed.choices[0].message.model_dump(), QUESTION], **fields, **more)
text = f"text-completion-openai/{MODEL}"
assert litellm.text_completion(
    model=text, prompt="Кояш", max_tokens=3, suffix="", **TO_SERVER
).choices
assert litellm.embedding(f"openai/{MODEL}", input=["Кояш"], **TO_SERVER).data[0]["embedding"]
with pytest.raises(litellm.BadRequestError, match="response_format: this value is not supported"):
    chat([QUESTION], response_format={"type": "json_object"})
