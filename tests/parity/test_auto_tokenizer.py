"""Law 20, the tokenizer: `AutoTokenizer` reads a folder we wrote and gives the same ids."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from laws.shapes import shape
from toys import toy_decoder

from endonym.export.gguf.write import Provenance, export_gguf
from endonym.export.huggingface import export_huggingface, import_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.generate.llama_cpp import LlamaCpp
from endonym.model.families import FAMILIES
from endonym.tokenizer.tokenizer import END_OF_TEXT, Tokenizer

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


@pytest.mark.parametrize("kind", ["bpe", "unigram", "char", "byte"])
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
        assert theirs(text)["input_ids"] == [ours.end_id, *ids]
        assert theirs.encode(text, add_special_tokens=False) == ids
        assert theirs.decode([ours.end_id, *ids], skip_special_tokens=True) == text


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


def test_a_special_tokens_name_stays_text_in_a_batch_a_pair_and_a_saved_copy(
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
        batch = theirs(texts, padding=True, return_tensors="pt")
        rows = zip(texts, batch["input_ids"], batch["attention_mask"].bool(), strict=True)
        for text, ids, mask in rows:
            assert ids[mask].tolist() == [end, *ours.encode(text)]
        left, right = ours.encode(texts[0]), ours.encode(texts[1])
        assert theirs(*texts[:2])["input_ids"] == [end, *left, end, *right]
        assert theirs.tokenize(END_OF_TEXT) != [END_OF_TEXT]


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


def test_a_chat_template_goes_with_the_model(
    transformers: ModuleType, tokenizers: dict[str, Tokenizer], tmp_path: Path
) -> None:
    ours = Tokenizer.load(saved(tokenizers["bpe"], tmp_path))
    template = "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"
    ours.chat_template = template
    model = LanguageModel(toy_decoder(shape("qwen3", vocab=ours.vocab)), ours)
    export_huggingface(model, tmp_path / "hf")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    said = [{"role": "user", "content": "Сәлам"}]
    how = {"tokenizer_kwargs": {"split_special_tokens": False}}
    ids = theirs.apply_chat_template(said, tokenize=True, **how)["input_ids"]
    start, end = (ours.special_ids[name] for name in ("turn_start", "turn_end"))
    assert ids == [start, *ours.encode("Сәлам"), end]
    again = import_huggingface(tmp_path / "hf").tokenizer
    assert again.chat_template == template
    assert Tokenizer.load(saved(again, tmp_path / "again")).chat_template == template
    (file,) = export_gguf(model, tmp_path / "gguf", ("F16",), Provenance())
    with LlamaCpp(file.path, context=0) as engine:
        assert engine.template() == template


def saved(tokenizer: Tokenizer, folder: Path) -> Path:
    """A tokenizer in a folder; the path of its `tokenizer.json`."""
    folder.mkdir(exist_ok=True)
    tokenizer.save(folder)
    return folder / "tokenizer.json"
