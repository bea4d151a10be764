"""A folder's model as training goes on from it: its own, or with another context or vocabulary."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from foreign_folders import write_model
from toys import lively_decoder, toy_config, toy_texts, toy_tokenizer

from endonym.errors import Damaged, ExportError
from endonym.export import huggingface
from endonym.export.huggingface import load_pretrained, pretrained_decoder
from endonym.generate.language_model import LanguageModel
from endonym.model.decoder import Decoder
from endonym.model.foreign.decoder import ForeignDecoder
from endonym.tokenizer.tokenizer import Tokenizer

CONTEXT = 48


def our_folder(folder: Path, family: str = "gpt2", kind: str = "bpe") -> LanguageModel:
    """An export of a model of ours, as transformers has it."""
    tokenizer = toy_tokenizer(kind)
    config = toy_config(family, vocab=tokenizer.vocab, context=CONTEXT)
    model = LanguageModel(lively_decoder(config, noise=0.1), tokenizer)
    huggingface.export_huggingface(model, folder)
    return model


def some_ids(tokenizer: Tokenizer, text: str, count: int) -> torch.Tensor:
    return torch.tensor([[tokenizer.end_id, *tokenizer.encode(text)][:count]])


@pytest.mark.parametrize("family", ["qwen3", "gpt2"])
@torch.no_grad()
def test_an_export_of_ours_is_loaded_as_our_own_decoder(family: str, tmp_path: Path) -> None:
    model = our_folder(tmp_path, family)
    found = load_pretrained(tmp_path)
    assert isinstance(found.decoder, Decoder)
    ids = some_ids(model.tokenizer, "Урманда яңгыр явып үтте, һава сафланды.", CONTEXT)
    torch.testing.assert_close(found.decoder.logits(ids), model.decoder.logits(ids))


@torch.no_grad()
def test_a_class_of_the_library_is_loaded_with_its_logits(
    tmp_path: Path, language_sentences: Callable[[str], list[str]]
) -> None:
    theirs = write_model("gemma3", tmp_path)
    found = load_pretrained(tmp_path)
    assert isinstance(found.decoder, ForeignDecoder)
    ids = some_ids(found.tokenizer, language_sentences("khmer")[0], CONTEXT)
    torch.testing.assert_close(found.decoder.logits(ids), theirs(ids).logits)


@torch.no_grad()
def test_a_new_tokenizer_gives_rows_that_begin_from_the_old_ones(tmp_path: Path) -> None:
    model, pieces = our_folder(tmp_path, "qwen3", "char"), toy_tokenizer("bpe")
    found = pretrained_decoder(tmp_path, pieces, pieces.vocab)
    assert found.config.vocab == pieces.vocab
    before = model.decoder.state_dict()["embedding.weight"]
    after = found.state_dict()["embedding.weight"]
    assert len(after) == pieces.vocab
    used = sorted({index for text in toy_texts() for index in pieces.encode(text)})
    texts = [(index, pieces.decode([index])) for index in used]
    spelt = [(i, model.tokenizer.encode(text)) for i, text in texts if "\ufffd" not in text]
    assert {min(len(old), 2) for _, old in spelt} == {1, 2}
    for index, old in spelt:
        weights = torch.exp(-2.0 * torch.arange(len(old)))
        mean = (weights[:, None] * before[old]).sum(0) / weights.sum()
        torch.testing.assert_close(after[index], mean)
    rest = {name: each for name, each in found.state_dict().items() if "embedding" not in name}
    for name, each in rest.items():
        assert each.equal(model.decoder.state_dict()[name]), name


def test_ids_beyond_the_tokenizer_keep_their_rows(tmp_path: Path) -> None:
    """A vocabulary that is rounded up: as the folder has it, so it stays."""
    write_model("llama", tmp_path)
    given = load_pretrained(tmp_path)
    found = pretrained_decoder(tmp_path, given.tokenizer, given.decoder.config.vocab)
    rows = [each.state_dict() for each in (found, given.decoder)]
    assert all(rows[0][name].equal(rows[1][name]) for name in rows[1])


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    our_folder(tmp_path, "qwen3")
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-9])
    with pytest.raises(Damaged, match="should have"):
        load_pretrained(tmp_path)
    weights.write_bytes(whole)
    data = json.loads((tmp_path / "config.json").read_text("utf-8"))
    data["model_type"] = "t5"
    (tmp_path / "config.json").write_text(json.dumps(data), "utf-8")
    with pytest.raises(ExportError, match="t5"):
        load_pretrained(tmp_path)
