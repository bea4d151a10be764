"""A text starts as the folder's own tokenizer starts it: in prompts, chats, training and exports.

The folders have the rules, special tokens and settings of published models (shaped_tokenizers).
"""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tokenizers
from made_conversations import said, settings, write_lines
from serving import client_of
from shaped_tokenizers import SHAPES, write_shape
from tokenizers import models, pre_tokenizers, processors, trainers
from toys import lively_decoder, toy_config

from endonym.data.example_tokens import ExampleOrder, ExampleTokens
from endonym.data.examples import make_examples, with_template
from endonym.data.order import Order
from endonym.data.shards import ShardDocument, TokenShards, write_shards
from endonym.export.gguf.write import OTHER_AROUND, require_gguf, write_vocabulary
from endonym.export.huggingface import write_tokenizer
from endonym.generate.language_model import LanguageModel
from endonym.generate.llama_cpp import LlamaCpp
from endonym.serve.engine import chat_ids
from endonym.serve.own_engine import OwnEngine
from endonym.tokenizer.tokenizer import Tokenizer

CONTEXT = 256
HARD = ["", " ", "  two spaces before", "\nline", "L'été 2024 : 1 234,50 €", "a"]
CONVERSATIONS = [
    said("Бакчада нинди агачлар үсә?", "Алмагач, чия һәм карлыган."),
    said("Où s'arrête le facteur ?", "Près du vieux pont.", "Et après ?", "Il rentre."),
]


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def folder(shape: str, tmp_path: Path) -> Path:
    return write_shape(shape, tmp_path / "theirs")


@pytest.fixture
def ours(folder: Path) -> Tokenizer:
    return Tokenizer.load(folder / "tokenizer.json")


@pytest.fixture
def theirs(folder: Path, transformers: ModuleType) -> Any:
    return transformers.AutoTokenizer.from_pretrained(folder)


@pytest.fixture
def texts(language_sentences: Callable[[str], list[str]]) -> list[str]:
    names = ("tatar", "khmer", "romanian", "french")
    return [sentence for name in names for sentence in language_sentences(name)[:40]]


def engine_of(tokenizer: Tokenizer) -> OwnEngine:
    config = toy_config("qwen3", vocab=tokenizer.vocab, context=CONTEXT)
    model = LanguageModel(lively_decoder(config), tokenizer)
    return OwnEngine(model, most_slots=1, memory=1 << 24)


def prompts_of(record: dict[str, Any]) -> list[list[dict[str, str]]]:
    messages = record["messages"]
    return [messages[:n] for n, each in enumerate(messages) if each["role"] == "assistant"]


def test_prompts_have_their_ids(ours: Tokenizer, theirs: Any, texts: list[str]) -> None:
    engine = engine_of(ours)
    for text in [*texts, *HARD]:
        expected = theirs(text)["input_ids"]
        assert engine.vocabulary.text_ids(text) == (expected or list(ours.document_start)), text
        state_ids, *_ = engine.model._begun(text, sampling_as_it_is())  # pyright: ignore
        assert state_ids == (expected or list(ours.document_start)), text


@pytest.mark.parametrize("shape", ["tinyllama", "smollm2", "llama3"], indirect=True)
def test_a_server_sends_a_prompt_back_as_it_came(
    ours: Tokenizer, theirs: Any, texts: list[str]
) -> None:
    """The first token may be a space with a letter, which was not sent."""
    with client_of(engine_of(ours)) as (client, _):
        for text in ("L'été", "a", *(text.lower() for text in texts[:4])):
            asked = {"prompt": text, "max_tokens": 1, "echo": True, "logprobs": 1, "seed": 1}
            answer = client.post("/v1/completions", **asked).json()
            choice, ids = answer["choices"][0], theirs(text)["input_ids"]
            assert choice["text"].startswith(text)
            assert answer["usage"]["prompt_tokens"] == len(ids) - len(ours.before)
            # Where nothing stands before it, nothing predicts the first token.
            first = choice["logprobs"]["token_logprobs"][0]
            assert (first is None) == (not ours.before)


def sampling_as_it_is() -> Any:
    from endonym.generate.sample import Sampling

    return Sampling(inside_word=True)


def test_what_is_saved_is_read_again(ours: Tokenizer, tmp_path: Path, texts: list[str]) -> None:
    (tmp_path / "kept").mkdir()
    ours.save(tmp_path / "kept")
    again = Tokenizer.load(tmp_path / "kept" / "tokenizer.json")
    assert (again.around, again.document_start) == (ours.around, ours.document_start)
    assert (again.start_name, again.end) == (ours.start_name, ours.end)
    for text in [*texts[:20], *HARD]:
        assert again.text_ids(text) == ours.text_ids(text)


def test_scoring_starts_with_the_token_between_documents(shape: str, ours: Tokenizer) -> None:
    assert "".join(map(ours.token, ours.document_start)) == SHAPES[shape].start


@pytest.mark.parametrize(
    ("shape", "name"),
    [("gemma3", "<bos>"), ("llama3", "<|begin_of_text|>"), ("smollm2", ""), ("gpt2", "")],
    indirect=["shape"],
)
def test_later_windows_of_a_document_start_with_what_stands_before_every_text(
    ours: Tokenizer, name: str
) -> None:
    assert "".join(map(ours.name_of, ours.window_start)) == name


def test_chats_have_their_ids(shape: str, ours: Tokenizer, theirs: Any) -> None:
    if SHAPES[shape].chat is None:
        pytest.skip("the real folder has no template")
    engine = engine_of(ours)
    for messages in [each for record in CONVERSATIONS for each in prompts_of(record)]:
        expected = theirs.apply_chat_template(messages, add_generation_prompt=True, tokenize=True)
        assert chat_ids(engine, messages) == expected["input_ids"]


def test_exports_to_transformers_have_their_ids(
    shape: str,
    folder: Path,
    ours: Tokenizer,
    theirs: Any,
    texts: list[str],
    tmp_path: Path,
    transformers: ModuleType,
) -> None:
    out = tmp_path / "export"
    out.mkdir()
    (out / "config.json").write_bytes((folder / "config.json").read_bytes())
    write_tokenizer(ours, CONTEXT, out)
    exported = transformers.AutoTokenizer.from_pretrained(out)
    for text in [*texts, *HARD]:
        expected = theirs(text)["input_ids"]
        assert exported(text)["input_ids"] == expected, text
        assert exported.decode(expected) == theirs.decode(expected)
    assert exported.bos_token == theirs.bos_token
    assert exported.eos_token == theirs.eos_token
    if SHAPES[shape].chat is not None:
        for messages in [each for record in CONVERSATIONS for each in prompts_of(record)]:
            ids = [
                reader.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
                for reader in (exported, theirs)
            ]
            assert ids[0] == ids[1]


def test_exports_to_llama_cpp_have_their_ids(
    shape: str, ours: Tokenizer, theirs: Any, texts: list[str], tmp_path: Path
) -> None:
    pytest.importorskip("xllamacpp")
    config, file = toy_config("llama", vocab=ours.vocab, context=CONTEXT), tmp_path / "v.gguf"
    if not SHAPES[shape].is_gguf:
        pytest.skip("its rules are not written to GGUF")
    write_vocabulary(config, ours, file)
    with LlamaCpp(file, context=0) as llama:
        assert llama.before == ours.before[:1]
        for text in texts:
            assert llama.encode(text, opens=True, by_name=True) == theirs(text)["input_ids"], text
        assert llama.document_start() == ours.document_start
        for messages in prompts_of(CONVERSATIONS[0]) if SHAPES[shape].chat else []:
            filled = theirs.apply_chat_template(messages, tokenize=False)
            # As llama.cpp's server: its own start token stands there once.
            start = llama.token(llama.start_id) if llama.before else ""
            read = llama.encode(filled.removeprefix(start), opens=True, by_name=True)
            assert read == theirs.apply_chat_template(messages)["input_ids"]


def test_what_llama_cpp_cannot_put_around_a_text_is_said(shape: str, ours: Tokenizer) -> None:
    limits = require_gguf(toy_config("llama", vocab=ours.vocab, context=CONTEXT), ours)
    assert (OTHER_AROUND in limits) == (shape == "glm"), "it alone has two tokens before a text"


def test_rows_of_training_start_documents_as_scoring_does(
    ours: Tokenizer, theirs: Any, texts: list[str], tmp_path: Path
) -> None:
    documents = {"train": texts[:30], "dev": texts[30:40], "test": texts[40:50]}

    def shard_documents(split: str) -> list[ShardDocument]:
        return [ShardDocument("a", text, n, n) for n, text in enumerate(documents[split])]

    made = write_shards(tmp_path, ours, ["a"], shard_documents, advance=lambda _: None)
    assert made["train"]["a"]["bytes"] == sum(len(text.encode()) for text in documents["train"])
    assert made["train"]["a"]["chars"] == sum(map(len, documents["train"]))
    shards = TokenShards(tmp_path, "train")
    order = Order(shards, context=64, seed=3)
    rows = order.rows(0, order.positions_per_epoch // order.context)
    begins = np.flatnonzero(np.diff(rows.documents_BT.ravel(), prepend=-1))
    # The first position of a row may be inside a document.
    begins = [at for at in begins.tolist() if at % order.context]
    assert len(begins) > 10
    originals = order.originals(rows.documents_BT.ravel())
    n_before, n_after = len(ours.before), len(ours.after)
    for at in begins:
        assert rows.tokens_BT.flat[at] == ours.document_start[-1]
        assert rows.targets_BT.flat[at - 1] == ours.end_id, "the end of the document before it"
        ids = theirs(documents["train"][originals[at]])["input_ids"]
        ids = ids[n_before : len(ids) - n_after]
        assert rows.targets_BT.flat[at] == ids[0]
        assert shards.document(int(originals[at])).ids.tolist() == ids
        assert ours.decode_document(np.array(ids)) == documents["train"][originals[at]]


def test_rows_of_conversations_are_their_chats(
    shape: str, ours: Tokenizer, theirs: Any, tmp_path: Path
) -> None:
    if SHAPES[shape].chat is None or shape == "glm":  # which ends no answer
        pytest.skip("no template from which answers are learnt")
    tokenizer = with_template(ours, None)
    records = write_lines(tmp_path / "records.jsonl", CONVERSATIONS)
    how = settings(context=CONTEXT)
    make_examples([records], tokenizer, how, out=tmp_path, advance=lambda _: None)
    seen = list[list[int]]()
    for split in ("train", "dev"):
        tokens = ExampleTokens(tmp_path, split)
        order = ExampleOrder(tokens, context=CONTEXT, seed=0)
        rows = order.rows(0, order.rows_per_epoch)
        for number in range(len(tokens)):
            row, first = np.argwhere(rows.documents_BT == number)[0]
            learnt = rows.weights_BT[row, first:].argmax()
            seen.append(rows.tokens_BT[row, first:][: learnt + 1].tolist())
            assert seen[-1] == tokens.prompt(number).tolist()
    for record in CONVERSATIONS:
        messages = prompts_of(record)[0]
        expected = theirs.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
        assert expected in seen


@pytest.mark.parametrize("shape", ["llama2", "mistral"], indirect=True)
def test_a_new_template_starts_as_texts_do(
    ours: Tokenizer, tmp_path: Path, transformers: ModuleType, folder: Path
) -> None:
    template = "{% for m in messages %}{{ m.role }}: {{ m.content }}</s>{% endfor %}"
    tokenizer = with_template(ours, template)
    (tmp_path / "out").mkdir()
    write_tokenizer(tokenizer, CONTEXT, tmp_path / "out")
    (tmp_path / "out" / "config.json").write_bytes((folder / "config.json").read_bytes())
    exported = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    ids = exported.apply_chat_template(CONVERSATIONS[0]["messages"])["input_ids"]
    assert ids.count(ours.start_id) == 1
    assert ids[0] == ours.start_id


OTHERWISE = [("glm", "at most the start token"), ("started chat", "reads conversations without it")]


@pytest.mark.parametrize(("shape", "words"), OTHERWISE, indirect=["shape"])
def test_what_llama_cpp_does_otherwise_is_told(ours: Tokenizer, words: str) -> None:
    limits = require_gguf(toy_config("llama", vocab=ours.vocab, context=CONTEXT), ours)
    assert any(words in limit for limit in limits)


def test_what_stands_around_texts_of_a_tokenizer_without_latin_letters(tmp_path: Path) -> None:
    """It has no token for the letter "a", and no bytes."""
    engine = tokenizers.Tokenizer(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(special_tokens=["<s>", "</s>"], show_progress=False)
    engine.train_from_iterator(["Кояшлы көндә балалар урамда уйный."], trainer)
    ends = [("<s>", 0), ("</s>", 1)]
    engine.post_processor = processors.TemplateProcessing("<s> $A </s>", None, ends)
    engine.save(str(tmp_path / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>"}
    for name, keys in (
        ("tokenizer_config.json", settings | {"eos_token": "</s>"}),
        ("config.json", {"model_type": "llama"}),
    ):
        (tmp_path / name).write_text(json.dumps(keys), encoding="utf-8")
    assert Tokenizer.load(tmp_path / "tokenizer.json").around == ((0,), (1,))
