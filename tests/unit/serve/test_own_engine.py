"""endonym's own runtime as an engine, for every mixer."""

from pathlib import Path

import numpy as np
import pytest
import torch
from foreign_folders import write_model
from serving import toy_language_model
from toys import toy_tokenizer

from endonym.generate.language_model import LanguageModel
from endonym.model.count import cache_bytes
from endonym.model.foreign.weights import load_foreign
from endonym.serve.engine import Row
from endonym.serve.own_engine import OwnEngine


@pytest.mark.parametrize("family", ["mistral", "mamba2", "gpt2"])
def test_sequences_in_parts_have_the_logits_of_each_alone(family: str) -> None:
    model = toy_language_model(family)
    engine = OwnEngine(model, most_slots=3, memory=1 << 30)
    rows = [[0, *model.tokenizer.encode(text)] for text in ("Әбием мич янында", "ភូមិ")]
    with torch.inference_mode():
        expected = [model.decoder.logits(torch.tensor([ids]))[0].numpy() for ids in rows]
    engine.compute([Row(2, rows[0][:4], 0, 0), Row(0, rows[1][:2], 0, 1)])
    found = engine.compute([Row(0, rows[1][2:3], 2, 1), Row(2, rows[0][4:], 4, 2)])
    assert found[0] == pytest.approx(expected[1][2], abs=1e-4)
    assert found[1:] == pytest.approx(expected[0][-2:], abs=1e-4)
    engine.release(2)
    anew = engine.compute([Row(2, rows[1], 0, 1)])
    assert anew[0] == pytest.approx(expected[1][-1], abs=1e-4)
    engine.close()


@pytest.mark.parametrize("family", ["llama", "mistral", "mamba2"])
def test_a_cache_grows_with_its_text_and_not_with_the_context(family: str) -> None:
    model = toy_language_model(family, context=4_096)
    engine = OwnEngine(model, most_slots=3, memory=1 << 30)
    ids = [0, *model.tokenizer.encode("Әбием мич янында утыра. " * 200)][:1_100]
    with torch.inference_mode():
        expected = model.decoder.logits(torch.tensor([ids]))[0].numpy()
    sizes, found = list[int](), list[np.ndarray]()
    for first in (0, 200, 500, 1_000):
        end = {0: 200, 200: 500, 500: 1_000, 1_000: 1_100}[first]
        found.append(engine.compute([Row(1, ids[first:end], first, end - first)]))
        sizes.append(sum(layer.bytes() for layer in engine._caches[1]))
    assert np.concatenate(found) == pytest.approx(expected, abs=2e-4)
    whole = cache_bytes(model.decoder.config, 4_096, 4)
    assert sizes[-1] <= whole
    if family == "llama":
        assert sizes[0] * 16 == sizes[1] * 8 == sizes[2] * 4 == sizes[3] * 2 == whole
    assert set(engine._caches) == {1}, "nobody else has asked"


def test_slots_fit_into_the_memory_that_is_given() -> None:
    model = LanguageModel(toy_language_model().decoder, toy_tokenizer("bpe"))  # not shared
    each = sum(layer.bytes() for layer in model.decoder.empty_cache(1, 64))
    assert OwnEngine(model, most_slots=8, memory=3 * each).slots == 3
    assert OwnEngine(model, most_slots=8, memory=0).turns == 0
    model.turns = 2
    assert OwnEngine(model, most_slots=8, memory=0).turns == 2
    assert OwnEngine(model, most_slots=8, memory=0).slots == 1
    assert OwnEngine(model, most_slots=8, memory=1 << 40).slots == 8


@pytest.mark.parametrize("kind", ["qwen2"])
def test_slots_of_foreign_classes_fit_into_memory_too(kind: str, tmp_path: Path) -> None:
    """Their caches are empty at first, and grow."""
    write_model(kind, tmp_path)
    model = LanguageModel(load_foreign(tmp_path), toy_tokenizer("bpe"))
    engine = OwnEngine(model, most_slots=8, memory=1 << 40)
    ids = [*engine.before, *engine.vocabulary.encode("Әбием мич янында")]
    engine.compute([Row(0, ids * 3, 0, 1)])
    held = sum(layer.bytes() for layer in engine._caches[0])
    assert held > 0
    assert OwnEngine(model, most_slots=8, memory=3 * held).slots <= 3
    assert OwnEngine(model, most_slots=8, memory=0).slots == 1
