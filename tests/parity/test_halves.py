"""The bits of second halves are those of Goldfish's protocol, and its figures stand beside them."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from reference.goldfish import half_bits

from endonym.evaluate.halves import halves, published
from endonym.evaluate.items import judge
from endonym.generate.language_model import LanguageModel

BITS = 0.01


@pytest.mark.parametrize("family", ["qwen3", "gpt2", "mamba2"])
@pytest.mark.parametrize("language", ["tatar", "khmer", "romanian", "french"])
def test_second_halves_cost_what_a_script_on_transformers_finds(
    family: str,
    language: str,
    exported: Callable[[str, str], tuple[LanguageModel, Path]],
    language_sentences: Callable[[str], list[str]],
    transformers: ModuleType,
) -> None:
    model, folder = exported(family, "plain")
    sentences = [each for each in language_sentences(language) if len(each) < 120][:6]
    items = halves([*sentences, f"  {sentences[0]} ", "а"])
    judged = judge(model, items, lambda _: None)
    expected = half_bits(folder, [item.context + item.options[0] for item in items])
    found = judged.nats / 0.6931471805599453
    assert found == pytest.approx(expected, abs=BITS)


def test_published_figures_are_those_of_the_language_in_raw_bytes() -> None:
    tatar = {each.model: each for each in published("tt")}
    assert tatar["Goldfish 10 MB"].bits == 116.40
    assert tatar["Goldfish 10 MB"].megabytes == pytest.approx(18.545, abs=0.01)
    assert tatar["bigram"].bits == 107.20
    assert list(published("tat")) == list(tatar.values())
    assert {each.flores for each in published("zh")} == {"zho_hans", "zho_hant"}
    khmer = {each.model: each for each in published("km-Khmr")}
    assert khmer["Goldfish, all text"].megabytes == pytest.approx(2897.8)
    assert not list(published("x-dialect"))


def test_evaluate_shows_them_beside_a_model_on_as_many_sentences(
    command: Callable[..., Any],
    language_sentences: Callable[[str], list[str]],
    exported: Callable[[str, str], tuple[LanguageModel, Path]],
    tmp_path: Path,
) -> None:
    _, folder = exported("qwen3", "plain")
    rows = [{"tt": each} for each in language_sentences("tatar")[:12]]
    path = tmp_path / "flores.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    said = command("evaluate", folder, "--flores", path, "--column", "tt", "--json")
    assert said.code == 0, said.err
    found = said.json()
    assert found["published"] == []
    assert "12 texts; FLORES-200's devtest has 1012" in said.err
    assert {each["metric"] for each in found["scores"]} >= {"bits_per_text", "bits_per_byte"}
