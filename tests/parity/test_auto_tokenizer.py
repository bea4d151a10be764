"""Law 20, the tokenizer: `AutoTokenizer` reads a folder we wrote and gives the same ids."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tokenizers as tokenizers_library
from laws.shapes import shape
from made_conversations import said, settings, write_lines
from toys import toy_decoder

from endonym.data.example_tokens import ExampleOrder, ExampleTokens
from endonym.data.examples import make_examples, with_template
from endonym.export.gguf.write import Provenance, export_gguf
from endonym.export.huggingface import export_huggingface, import_huggingface
from endonym.export.kept import origin_kept_by
from endonym.generate.language_model import LanguageModel
from endonym.generate.llama_cpp import LlamaCpp
from endonym.model.families import FAMILIES
from endonym.serve.engine import chat_ids
from endonym.serve.own_engine import OwnEngine
from endonym.tokenizer.chat_template import CHATML
from endonym.tokenizer.tokenizer import END_OF_TEXT, Tokenizer

AS_TEXT = {"split_special_tokens": True}
"""Reads names of special tokens as text."""
HARD = [
    "",
    "  two spaces  before,\ttabs\n\n\nand lines  \n",
    "Şapte şoareci, ţânţari cu sedilă; ș și ț cu virgulă.",
    "L’été 2024 : 1 234,50 € — « déjà » !",
    "ក្មេងៗលេងបាល់នៅក្រោមដើមស្វាយធំ។",
    "Ә мин 👩‍🌾 күрдем: ﷺ, e\u0301 һәм é, \u200b.",
    f"Текст ахыры {END_OF_TEXT} дип языла, {END_OF_TEXT}{END_OF_TEXT}",
    END_OF_TEXT,
]


@pytest.mark.parametrize("kind", ["bpe", "unigram", "char", "byte", "keyboard"])
@pytest.mark.parametrize("family", FAMILIES)
def test_auto_tokenizer_gives_our_ids_and_our_text(
    transformers: ModuleType,
    tokenizers: dict[str, Tokenizer],
    language_sentences: Callable[[str], list[str]],
    tmp_path: Path,
    kind: str,
    family: str,
) -> None:
    ours = tokenizers[kind]
    config = shape(family, vocab=ours.vocab)
    export_huggingface(LanguageModel(toy_decoder(config), ours), tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    languages = ("tatar", "khmer", "romanian", "french")
    english = ["The ferryman counted his passengers twice, then himself."]
    for text in [*(s for name in languages for s in language_sentences(name)), *english, *HARD]:
        ids = ours.encode(text)
        assert theirs(text, **AS_TEXT)["input_ids"] == [ours.end_id, *ids]
        assert theirs.encode(text, add_special_tokens=False, **AS_TEXT) == ids
        assert theirs.decode([ours.end_id, *ids], skip_special_tokens=True) == text
    # As programs for training write it; and padding is no end, which such programs do not learn.
    ended = theirs("алма" + theirs.eos_token)["input_ids"]
    assert ended == [ours.end_id, *ours.encode("алма"), theirs.eos_token_id]
    assert theirs.pad_token_id == ours.pad_id != theirs.eos_token_id


def test_auto_tokenizer_knows_the_end_of_a_text(
    transformers: ModuleType, exported: Callable[[str, str], tuple[LanguageModel, Path]]
) -> None:
    model, folder = exported("qwen3", "plain")
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    assert (theirs.eos_token, theirs.eos_token_id) == (END_OF_TEXT, model.tokenizer.end_id)
    assert theirs.bos_token_id == model.tokenizer.end_id
    assert theirs.model_max_length == model.decoder.config.context
    assert len(theirs) == model.tokenizer.vocab
    assert theirs.decode([model.tokenizer.end_id], skip_special_tokens=True) == ""


def test_a_special_tokens_name_can_stay_text_in_a_batch_a_pair_and_a_saved_copy(
    transformers: ModuleType,
    exported: Callable[[str, str], tuple[LanguageModel, Path]],
    tmp_path: Path,
) -> None:
    model, folder = exported("qwen3", "plain")
    ours, end = model.tokenizer, model.tokenizer.end_id
    transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    texts = [f"Le facteur {END_OF_TEXT} passe", "Әбием мич", ""]
    for place in (folder, tmp_path):
        theirs = transformers.AutoTokenizer.from_pretrained(place)
        batch = theirs(texts, padding=True, return_tensors="pt", **AS_TEXT)
        rows = zip(texts, batch["input_ids"], batch["attention_mask"].bool(), strict=True)
        for text, ids, mask in rows:
            assert ids[mask].tolist() == [end, *ours.encode(text)]
        left, right = ours.encode(texts[0]), ours.encode(texts[1])
        assert theirs(*texts[:2], **AS_TEXT)["input_ids"] == [end, *left, end, *right]
        assert theirs.tokenize(END_OF_TEXT, **AS_TEXT) != [END_OF_TEXT]
        assert theirs.tokenize(END_OF_TEXT) == [END_OF_TEXT]


def test_a_pipeline_begins_a_prompt_once(
    transformers: ModuleType,
    exported: Callable[[str, str], tuple[LanguageModel, Path]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, folder = exported("qwen3", "plain")
    pipe = transformers.pipeline("text-generation", model=str(folder))
    seen: list[list[int]] = []
    generate = pipe.model.generate

    def watched(**given: Any) -> Any:
        seen.append(given["input_ids"][0].tolist())
        return generate(**given)

    monkeypatch.setattr(pipe.model, "generate", watched)
    for prompt in ("Әбием мич", ""):
        pipe(prompt, max_new_tokens=2)
    end = model.tokenizer.end_id
    assert seen == [[end, *model.tokenizer.encode("Әбием мич")], [end]]


OPENING_ITSELF = (
    "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONVERSATIONS = [
    said("Бакчада нинди агачлар үсә?", "Алмагач, чия һәм карлыган."),
    said("Сәлам!", "Исәнме! Ни йомыш?", "1 234,5 сум\nкүпме була?", "Бик күп.", system="Кыска."),
    said("តើព្រឹកនេះអ្នកទៅណា?", "ខ្ញុំទៅផ្សារជាមួយម្តាយ។"),
    said("Où s'arrête le facteur ?", "Près du vieux pont."),
]


@pytest.mark.parametrize(
    "template", [CHATML, "  {% if messages %}{% endif %}" + CHATML, OPENING_ITSELF]
)
@pytest.mark.parametrize("start", [END_OF_TEXT, "<s>"])
def test_a_plain_call_gives_the_prompt_ids_of_training_and_of_our_server(
    transformers: ModuleType,
    tokenizers: dict[str, Tokenizer],
    tmp_path: Path,
    template: str,
    start: str,
) -> None:
    ours = starting_with(start, tokenizers["bpe"], tmp_path)
    records = write_lines(tmp_path / "records.jsonl", CONVERSATIONS)
    how = settings(context=1024)
    tokenizer = with_template(ours, template)
    make_examples([records], tokenizer, how, out=tmp_path, advance=lambda _: None)
    config = shape("qwen3", vocab=ours.vocab)
    model = LanguageModel(toy_decoder(config), ours)
    export_huggingface(model, tmp_path / "hf")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    again = import_huggingface(tmp_path / "hf")
    export_huggingface(again, tmp_path / "again")
    copies = [(tmp_path / name / "chat_template.jinja").read_bytes() for name in ("hf", "again")]
    assert copies[0] == copies[1]
    engines = [OwnEngine(each, most_slots=1, memory=1 << 24) for each in (model, again)]
    trained = trained_prompts(tmp_path)
    assert len(trained) == len(CONVERSATIONS)
    for record, expected in zip(CONVERSATIONS, trained, strict=True):
        messages = record["messages"][: 1 + (record["messages"][0]["role"] == "system")]
        ids = theirs.apply_chat_template(messages, add_generation_prompt=True, tokenize=True)
        assert ids["input_ids"] == expected
        assert expected.count(ours.start_id) == 1
        for engine in engines:
            found = chat_ids(engine, messages)
            assert found == expected


def test_special_tokens_that_only_the_settings_name_are_special(
    transformers: ModuleType, tokenizers: dict[str, Tokenizer], tmp_path: Path
) -> None:
    """As in folders whose tokenizer.json lists no added tokens."""
    ours = tokenizers["bpe"]
    named = {"eos_token": END_OF_TEXT, "bos_token": "<|im_start|>"}
    several = {"additional_special_tokens": ["<|im_end|>"]}
    settings = {**named, "tokenizer_class": "PreTrainedTokenizerFast", "chat_template": CHATML}
    config = shape("qwen3", vocab=ours.vocab)
    folder = tmp_path / "folder"
    export_huggingface(LanguageModel(toy_decoder(config), ours), folder)
    whole = json.loads(ours.to_json())
    bare = whole | {"added_tokens": [each for each in whole["added_tokens"] if each["id"] > 2]}
    for name, content in (
        ("tokenizer.json", bare),
        ("tokenizer_config.json", settings),
        ("special_tokens_map.json", several),
    ):
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    model = import_huggingface(folder)
    messages = [{"role": "user", "content": "Алма нинди?"}]
    ids = theirs.apply_chat_template(messages, add_generation_prompt=True, tokenize=True)
    engine = OwnEngine(model, most_slots=1, memory=1 << 24)
    assert chat_ids(engine, messages) == ids["input_ids"]
    assert model.tokenizer.decode([1, 2]) == ""
    assert [model.tokenizer.id_of(each) for each in ("<|im_start|>", "<|im_end|>")] == [1, 2]
    assert origin_kept_by(model)
    another = starting_with("<s>", tokenizers["char"], tmp_path)
    model.tokenizer = another
    assert origin_kept_by(model)  # it has these tokens with the same ids
    without = json.loads(another.to_json())
    vocab = without["model"]["vocab"]
    vocab["<|was_im_end|>"] = vocab.pop("<|im_end|>")
    without["added_tokens"] = [each for each in without["added_tokens"] if each["id"] != 2]
    (tmp_path / "without").mkdir()
    path = tmp_path / "without" / "tokenizer.json"
    path.write_text(json.dumps(without), encoding="utf-8")
    model.tokenizer = Tokenizer.load(path)
    assert not origin_kept_by(model)


def starting_with(start: str, tokenizer: Tokenizer, folder: Path) -> Tokenizer:
    """A copy of a tokenizer whose texts begin with this special token."""
    engine = tokenizers_library.Tokenizer.from_str(tokenizer.to_json())
    engine.add_special_tokens([start])
    return Tokenizer.load(saved(Tokenizer(engine, tokenizer.end, start), folder))


def trained_prompts(folder: Path) -> list[list[int]]:
    """What a training reads before the first answer of each example, in the order of the file."""
    found: dict[int, list[int]] = {}
    for split in ("train", "dev"):
        tokens = ExampleTokens(folder, split)
        order = ExampleOrder(tokens, context=1024, seed=0)
        rows = order.rows(0, order.rows_per_epoch)
        for number in range(len(tokens)):
            row, first = np.argwhere(rows.documents_BT == number)[0]
            learnt = rows.weights_BT[row, first:].argmax()
            found[tokens.starts[number]] = rows.tokens_BT[row, first:][: learnt + 1].tolist()
    return [found[start] for start in sorted(found)]


def test_texts_of_a_chat_model_begin_once_and_names_in_them_can_stay_text(
    transformers: ModuleType, tokenizers: dict[str, Tokenizer], tmp_path: Path
) -> None:
    ours = with_template(starting_with("<s>", tokenizers["bpe"], tmp_path), CHATML)
    model = LanguageModel(toy_decoder(shape("qwen3", vocab=ours.vocab)), ours)
    export_huggingface(model, tmp_path / "hf")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    for text in HARD:
        ids = theirs(text, split_special_tokens=True)["input_ids"]
        assert ids == [ours.start_id, *ours.encode(text)]
    (file,) = export_gguf(model, tmp_path / "gguf", ("F16",), Provenance())
    with LlamaCpp(file, context=0) as engine:
        assert engine.template() == CHATML


def saved(tokenizer: Tokenizer, folder: Path) -> Path:
    """A tokenizer in a folder; the path of its `tokenizer.json`."""
    folder.mkdir(exist_ok=True)
    tokenizer.save(folder)
    return folder / "tokenizer.json"
