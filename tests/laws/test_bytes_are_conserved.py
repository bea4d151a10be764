"""Law 15: ids account for every byte and letter, and bits a byte do not depend on the reading."""

import json

import numpy as np
import pytest
import tokenizers
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.reading import document_nats
from toys import KINDS, lively_decoder, toy_config, toy_texts, toy_tokenizer

from endonym.generate.language_model import LanguageModel
from endonym.generate.reading import read_nats
from endonym.model.families import FAMILIES
from endonym.tokenizer.config import END_OF_TEXT, SPECIALS
from endonym.tokenizer.keyboard import NAMES
from endonym.tokenizer.tokenizer import Tokenizer


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(text=st.one_of(st.text(), st.lists(st.sampled_from(toy_texts())).map("\n".join)))
def test_bytes_and_letters_of_ids_sum_to_those_of_the_text(kind: str, text: str) -> None:
    tokenizer = toy_tokenizer(kind)
    ids = np.array(tokenizer.encode(text), dtype=np.int64)
    assert tokenizer.byte_counts[ids].sum() == len(text.encode("utf-8"))
    assert tokenizer.char_counts[ids].sum() == len(text)


@pytest.mark.parametrize("kind", KINDS)
def test_every_id_says_how_many_bytes_it_stands_for(kind: str) -> None:
    tokenizer = toy_tokenizer(kind)
    specials = NAMES if kind == "keyboard" else SPECIALS
    for index in range(tokenizer.vocab):
        assert tokenizer.byte_counts[index] == len(tokenizer.bytes_of(index))
        assert (tokenizer.byte_counts[index] == 0) == (index < len(specials))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_bits_a_byte_are_the_same_alone_in_company_and_in_chunks(
    family: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = toy_tokenizer(kind)
    model = LanguageModel(lively_decoder(toy_config(family, vocab=tokenizer.vocab)), tokenizer)
    texts = toy_texts()[::34]
    ids = tokenizer.encode_many(texts)
    slow = [
        sum(document_nats(model.decoder, each.tolist(), tokenizer.end_id)) / np.log(2)
        for each in ids
    ]
    expected = [bits / len(text.encode("utf-8")) for bits, text in zip(slow, texts, strict=True)]
    assert [model.score(text) for text in texts] == pytest.approx(expected, rel=1e-5)
    monkeypatch.setattr("endonym.model.kernels.loss.CHUNK_LOGITS", 128 * tokenizer.vocab)
    assert [model.score(text) for text in texts] == pytest.approx(expected, rel=1e-5)
    monkeypatch.setattr("endonym.generate.reading.ROWS_TOKENS", 40)
    monkeypatch.setattr("endonym.generate.reading.GROUP_TOKENS", 100)
    assert [model.score(text) for text in texts] == pytest.approx(expected, rel=1e-5)
    together = [
        nats.sum() / np.log(2) for nats in read_nats(model.decoder, ids, [tokenizer.end_id])
    ]
    assert together == pytest.approx(slow, rel=1e-5)


def test_renaming_the_ids_of_a_tokenizer_and_its_model_changes_no_score() -> None:
    tokenizer = toy_tokenizer("byte")
    decoder = lively_decoder(toy_config(vocab=tokenizer.vocab))
    renamed = np.concatenate(([0, 1, 2], 3 + np.random.default_rng(3).permutation(256)))
    description = json.loads(tokenizer.to_json())
    vocab = description["model"]["vocab"]
    description["model"]["vocab"] = {token: int(renamed[old]) for token, old in vocab.items()}
    assert description["model"]["vocab"][END_OF_TEXT] == 0
    other = Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(description)))
    twin = lively_decoder(toy_config(vocab=tokenizer.vocab))
    with torch.no_grad():
        twin.embedding.weight[torch.from_numpy(renamed)] = decoder.embedding.weight
    for text in toy_texts()[::20]:
        assert other.encode(text) != tokenizer.encode(text)
        first, second = LanguageModel(decoder, tokenizer), LanguageModel(twin, other)
        assert first.score(text) == pytest.approx(second.score(text), rel=1e-5)
