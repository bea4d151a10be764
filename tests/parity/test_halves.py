"""The bits of second halves are those of Goldfish's protocol, and its figures stand beside them."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from reference.goldfish import half_bits

from endonym.evaluate.halves import half_scores, halves, published
from endonym.evaluate.items import judge
from endonym.evaluate.score import BITS, Measured
from endonym.generate.language_model import LanguageModel

CLOSE = 0.01


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
    assert found == pytest.approx(expected, abs=CLOSE)


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


MEMBERS = """
ar arb, fa pes prs, sw swh, ms zsm, lv lvs, ne npi, or ory, az azj, uz uzn, mg plt, ku kmr, mn khk,
no nob nno, nb nob, sq als, yi ydd, ps pbt, om gaz, qu quy, ay ayr, iw heb, fil tgl, kr knc, arz arz
"""


@pytest.mark.parametrize("row", MEMBERS.split(","))
def test_a_language_of_several_kinds_has_the_figures_of_those_in_the_table(row: str) -> None:
    language, *kinds = row.split()
    assert {each.flores.partition("_")[0] for each in published(language)} == {*kinds}


def test_figures_of_a_text_in_another_script_are_left_out() -> None:
    assert {each.flores for each in published("ar", "arabic")} == {"arb_arab"}
    assert {each.flores for each in published("ks", "devanagari")} == {"kas_deva"}
    assert not list(published("tt", "latin"))
    assert {each.flores for each in published("zh", "han")} == {"zho_hans", "zho_hant"}


def test_intervals_of_second_halves_draw_neighbours_together() -> None:
    """Of each article all sentences cost the same: forty articles say what forty sentences do."""
    generator = np.random.Generator(np.random.Philox(key=1))
    articles = generator.normal(100.0, 20.0, size=40)
    numbers = np.repeat(np.arange(40), 5)
    ones = np.ones(200, dtype=np.int64)
    measured = Measured(articles[numbers], 9 * ones, 70 * ones, 50 * ones)
    alone, *_ = half_scores(measured, split="flores")
    together, per_byte, *_ = half_scores(replace(measured, groups=numbers), split="flores")
    assert (together.metric, together.unit) == ("bits_per_text", "bits")
    assert together.value == alone.value == pytest.approx(articles.mean() / math.log(2))
    assert (together.n_groups, together.n_documents, together.n_bytes) == (40, 200, 14_000)
    widths = [float(each.high or 0) - float(each.low or 0) for each in (alone, together)]
    assert widths[1] / widths[0] == pytest.approx(math.sqrt(5), rel=0.05)
    assert per_byte.metric == BITS
    assert per_byte.value == pytest.approx(together.value / 70)
    assert per_byte.n_groups == 40


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
