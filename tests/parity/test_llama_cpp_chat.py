"""The ids before an answer are the same in training, in our engines, and in llama.cpp's server.

llama.cpp's server fills in the template of the GGUF file by its own engine for Jinja, contents
included, and reads the text as one, with special tokens by their names.
"""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from made_conversations import make_toy_examples, said
from toys import CHAT_KINDS, lively_decoder, toy_config

from endonym.export.gguf.write import Provenance, export_gguf
from endonym.generate.language_model import LanguageModel
from endonym.serve.engine import chat_ids, prompt_differences
from endonym.serve.llama_engine import LlamaEngine
from endonym.serve.own_engine import OwnEngine
from endonym.tokenizer.tokenizer import Tokenizer

pytest.importorskip("xllamacpp")
CONTEXT = 1024
SERVER = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port, params.n_ctx = sys.argv[1], 0, int(sys.argv[2])
params.n_parallel, params.warmup, params.verbosity = 1, False, -1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""
BRIEF = "Кыска һәм аңлаешлы итеп җавап бир."
CONVERSATIONS = [
    said("Бакчада нинди агачлар үсә?", "Алмагач, чия һәм карлыган."),
    said("តើព្រឹកនេះអ្នកទៅណា?", "ខ្ញុំទៅផ្សារជាមួយម្តាយ។"),
    said("Ce gătește bunica duminica dimineața?", "Sarmale, mămăligă și plăcintă cu mere."),
    said("Où s'arrête le facteur l'après-midi ?", "Près du vieux pont, à l'ombre d'un chêne."),
    said("Сәлам!", "Исәнме! Ни йомыш?", "1 234,5 сум\nкүпме була?", "Бик күп.", system=BRIEF),
    said("Bună!", "Bună ziua.", "Și 'mâine'?", "Plouă, 80 %.", "Păcat…", "Luăm umbrela!"),
    said("ជំរាបសួរ", "សួស្តី! 👋🏽", "Traduis : « ទន្លេ »", "Le fleuve.", system="ឆ្លើយខ្លី។"),
    said("if x < 3:\n    y = [1, 2]\t# ok?", "Әйе, дөрес.", "E\u0301tat — œuvre, ça va ?", "Oui."),
]


@contextmanager
def llama_server(path: Path) -> Generator[httpx.Client]:
    """A client of llama.cpp's own server, in a process of its own."""
    command = [sys.executable, "-c", SERVER, str(path), str(CONTEXT)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            with httpx.Client(base_url=address, timeout=60) as client:
                yield client
        finally:
            process.kill()


def trained_prompts(folder: Path) -> list[tuple[list[dict[str, str]], list[int]]]:
    """The messages before each answer, and the ids that a training reads before it."""
    offsets = np.load(folder / "offsets.npy").tolist()
    ids = np.fromfile(folder / "ids.bin", dtype="<u2").tolist()
    learnt = np.fromfile(folder / "learnt.bin", dtype="u1").tolist()
    end_id = json.loads((folder / "examples.json").read_text(encoding="utf-8"))["end"]
    found: list[tuple[list[dict[str, str]], list[int]]] = []
    for number, record in enumerate(CONVERSATIONS):
        here = range(offsets[number], offsets[number + 1])
        begins = [at for at in here if learnt[at] and not learnt[at - 1]]
        messages = record["messages"]
        answers = [n for n, each in enumerate(messages) if each["role"] == "assistant"]
        for at, answer in zip(begins, answers, strict=True):
            found.append((messages[:answer], [end_id, *ids[here.start : at]]))
    return found


@pytest.mark.parametrize("kind", CHAT_KINDS)
def test_prompts_have_the_same_ids_in_training_and_wherever_the_model_answers(
    kind: str, tmp_path: Path
) -> None:
    made = make_toy_examples(tmp_path, CONVERSATIONS, kind=kind, context=CONTEXT)
    assert made["kept"] == len(CONVERSATIONS)
    tokenizer = Tokenizer.load(tmp_path / "tokenizer.json")
    config = toy_config("qwen3", vocab=tokenizer.vocab, context=CONTEXT)
    model = LanguageModel(lively_decoder(config), tokenizer)
    (file,) = export_gguf(model, tmp_path, ("F32",), Provenance(name="сорау"))
    prompts = trained_prompts(tmp_path)
    assert len(prompts) == 13
    llama = LlamaEngine(file, most_slots=1, memory=1 << 30, threads=1)
    engines: list[Any] = [OwnEngine(model, most_slots=1, memory=1 << 30), llama]
    with llama_server(file) as client:
        for messages, expected in prompts:
            for engine in engines:
                assert chat_ids(engine, messages) == expected
            assert server_ids(client, messages) == expected
        messages, expected = prompts[-1]
        asked = {"messages": messages, "max_tokens": 2}
        answer = client.post("/v1/chat/completions", json=asked).json()
        assert answer["usage"]["prompt_tokens"] == len(expected)
    llama.close()


INSTRUCTING = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ m['content'] }}{{ eos_token }}"
    "{% else %}[INST] {{ m['content'] }} [/INST]{% endif %}{% endfor %}"
)


@pytest.mark.parametrize(("kind", "differs"), [("bpe", True), ("byte", False)])
def test_where_words_of_a_template_join_contents_llama_cpp_has_other_ids_and_we_say_so(
    kind: str, differs: bool, tmp_path: Path
) -> None:
    make_toy_examples(tmp_path, CONVERSATIONS, kind=kind, context=CONTEXT, template=INSTRUCTING)
    tokenizer = Tokenizer.load(tmp_path / "tokenizer.json")
    config = toy_config("qwen3", vocab=tokenizer.vocab, context=CONTEXT)
    model = LanguageModel(lively_decoder(config), tokenizer)
    (file,) = export_gguf(model, tmp_path, ("F32",), Provenance(name="сорау"))
    llama = LlamaEngine(file, most_slots=1, memory=1 << 30, threads=1)
    own = OwnEngine(model, most_slots=1, memory=1 << 30)
    for engine in (own, llama):
        assert len(prompt_differences(engine)) == differs
    prompts = trained_prompts(tmp_path)
    for messages, expected in prompts:
        assert chat_ids(own, messages) == expected
    pieces = [tokenizer.bytes_of(n).decode("utf-8", "ignore") for n in range(tokenizer.vocab)]
    words = [text[1:] for text in pieces if text[:1] == " " and text[1:].isalpha()]
    asked = [[{"role": "user", "content": text}] for text in [*words[:5], "Сәлам дус"]]
    with llama_server(file) as client:
        same = [server_ids(client, m) == chat_ids(own, m) for m in asked]
    assert all(same) != differs
    llama.close()


def server_ids(client: httpx.Client, messages: list[dict[str, str]]) -> list[int]:
    """The ids that llama.cpp's server makes of messages."""
    text = client.post("/apply-template", json={"messages": messages}).json()["prompt"]
    how = {"content": text, "add_special": True, "parse_special": True}
    return client.post("/tokenize", json=how).json()["tokens"]
