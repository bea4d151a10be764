"""Clients that people use ask a server over HTTP, and send its answers back.

OpenAI's client for Python is installed for tests. The others are asked where they are:
`pip install litellm llm`, and `npm install openai` in a folder whose node_modules is NODE_PATH.
"""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from serving import CHATML, served, write_gguf

pytest.importorskip("xllamacpp")
openai = pytest.importorskip("openai")
CLIENTS = Path(__file__).parents[1] / "clients"
QUESTION = {"role": "user", "content": "Кояш кайчан чыга?"}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {}}}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The base URL of a server with a model that has a chat template."""
    path = write_gguf(tmp_path_factory.mktemp("gguf"), CHATML, context=512)
    with served(path) as (url, _):
        yield f"{url}/v1"


@pytest.fixture
def client(base: str) -> Generator[Any]:
    with openai.OpenAI(base_url=f"{base}/", api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture
def model(client: Any) -> str:
    return client.models.list().data[0].id


def test_openais_client_sends_its_answers_back(client: Any, model: str) -> None:
    def ask(*messages: Any, **more: Any) -> Any:
        return client.chat.completions.create(
            model=model, messages=[*messages], max_tokens=4, **more
        )

    answers = [ask(QUESTION, seed=1).choices[0].message]
    stream = client.chat.completions.stream(model=model, messages=[QUESTION], max_tokens=4, seed=1)
    with stream as events:
        events.until_done()  # get_final_completion refuses an answer that max_tokens has cut
        answers.append(events.current_completion_snapshot.choices[0].message)
    assert answers[0].content == answers[1].content
    deltas = [chunk.choices[0].delta for chunk in ask(QUESTION, stream=True, seed=1)]
    assert "".join(delta.content or "" for delta in deltas) == answers[0].content
    found = set[str]()
    for message in (*answers, *(each.model_dump() for each in answers), answers[0].to_dict()):
        found.add(
            ask(QUESTION, message, QUESTION, seed=2, temperature=0).choices[0].message.content
        )
    assert len(found) == 1
    ask(QUESTION, deltas[0].model_dump(), QUESTION)


def test_openais_client_sends_every_field_with_a_value_that_asks_for_nothing(
    client: Any, model: str
) -> None:
    plain = {"model": model, "max_tokens": 4, "seed": 1}
    texts = [{"type": "text", "text": QUESTION["content"]}]
    messages = [
        {"role": "developer", "content": "Кыска җавап бир.", "name": "мөдир"},
        {"role": "user", "content": texts, "name": "әлфия"},
    ]
    chat = client.chat.completions.create(
        **{**plain, "messages": messages, "audio": None, "frequency_penalty": 0},
        **{"function_call": "none", "functions": [], "logit_bias": {}, "logprobs": False},
        **{"max_completion_tokens": 4, "metadata": {"a": "b"}, "modalities": ["text"], "n": 1},
        **{"moderation": None, "parallel_tool_calls": False, "prediction": None, "tools": [TOOL]},
        **{"presence_penalty": 0, "prompt_cache_key": "k", "reasoning_effort": None},
        **{"response_format": {"type": "text"}, "safety_identifier": "s", "service_tier": "auto"},
        **{"stop": None, "store": False, "stream": False, "stream_options": None},
        **{"tool_choice": "none", "top_logprobs": None, "user": "u", "verbosity": None},
        extra_body={
            **{"chat_template_kwargs": {}, "repetition_penalty": 1.0, "cache_prompt": True},
            **{"keep_alive": "5m", "top_k": -1, "min_p": 0, "web_search_options": None},
        },
    )
    simple = [
        {"role": "system", "content": "Кыска җавап бир."},
        {"role": "user", "content": texts[0]["text"]},
    ]
    expected = client.chat.completions.create(messages=simple, **plain)
    assert chat.choices == expected.choices
    text = client.completions.create(
        **{**plain, "prompt": "Кояш", "best_of": 1, "echo": False, "frequency_penalty": 0},
        **{"logit_bias": {}, "logprobs": None, "n": 1, "presence_penalty": 0, "suffix": ""},
        **{"stop": None, "stream_options": None, "temperature": None, "top_p": None, "user": "u"},
    )
    assert text.choices == client.completions.create(prompt="Кояш", **plain).choices


@pytest.mark.parametrize("field", [
    {"tools": [TOOL]}, {"tool_choice": "required"}, {"response_format": {"type": "json_object"}},
    {"presence_penalty": 1}, {"web_search_options": {}}, {"reasoning_effort": "low"},
    {"modalities": ["text", "audio"]},
])  # fmt: skip
def test_openais_client_reads_which_field_is_not_supported(
    client: Any, model: str, field: dict[str, Any]
) -> None:
    (name,) = field
    with pytest.raises(openai.BadRequestError, match=f"{name}: this value is not") as refused:
        client.chat.completions.create(model=model, messages=[QUESTION], **field)
    assert (refused.value.param, refused.value.type) == (name, "invalid_request_error")


def test_openais_client_reads_what_is_wrong_with_a_request(client: Any, model: str) -> None:
    headers = {"Content-Type": "text/plain"}
    with pytest.raises(openai.APIStatusError, match="Content-Type: application/json") as refused:
        client.completions.create(model=model, prompt="Кояш", extra_headers=headers)
    assert refused.value.status_code == 415
    with pytest.raises(openai.NotFoundError, match="/v1/chat/completions"):
        client.responses.create(model=model, input="Кояш")


def run(command: list[Any]) -> None:
    """Run a program, which checks what it is answered."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_openais_client_for_node(base: str) -> None:
    node = shutil.which("node")
    if (
        node is None
        or subprocess.run(
            [node, "-e", 'require("openai")'], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("needs Node, and openai of npm in NODE_PATH")
    run([node, CLIENTS / "openai_node.cjs", base])


@pytest.mark.parametrize("package", ["litellm", "llm"])
def test_other_clients_in_python(base: str, package: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"needs {package}")
    run([sys.executable, CLIENTS / f"{package}_client.py", base, tmp_path])
