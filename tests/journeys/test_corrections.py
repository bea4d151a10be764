"""Corrections of a writer, from the server that keeps them to a model that has learnt from them."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import served

from endonym.commands.load import load_model
from endonym.data.conversations import pair_of
from endonym.store import Store

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[2] / "docs" / "serve.md"
BEGINNINGS = ("Әбием мич янында", "Кояшлы көндә", "Балалар бакчада", "Авыл уянды,", "Бабам кичен")
CHOSEN = " озак сөйләп утыра."
FAST = '\nsteps = 12\nbatch_tokens = 256\nlr = 3e-3\nnumber_format = "fp32"\n'


def block(kind: str, word: str) -> str:
    """The block of code on the page about serving that has this word."""
    blocks = re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (found,) = (each for each in blocks if word in each)
    return found


def test_corrections_that_the_server_keeps_are_learnt_by_the_recipe_of_the_page(
    prepared: Path, command: Callable[..., Any]
) -> None:
    folder, store = prepared.parent, prepared.parent / "store"
    kept, run = folder / "corrections.jsonl", folder / "runs" / "kechkena"
    text = prepared.read_text(encoding="utf-8").replace("context = 32", "context = 128")
    prepared.write_text(text, encoding="utf-8")
    told = command("run", prepared, "--store", store, "--until", "model")
    assert told.code == 0, told.err
    base = load_model(str(run), Store(store))
    with served(run, "--store", store, "--keep", kept) as (address, _):
        for beginning in BEGINNINGS:
            asked = {"model": "kechkena", "prompt": beginning, "max_tokens": 6, "seed": 1}
            made = httpx.post(f"{address}/v1/completions", json=asked, timeout=60).json()
            rejected = made["choices"][0]["text"]
            pair = {
                "model": "kechkena",
                "prompt": beginning,
                "chosen": CHOSEN,
                "rejected": rejected,
            }
            httpx.post(f"{address}/v1/preferences", json=pair).raise_for_status()
    lines = kept.read_text(encoding="utf-8").splitlines()
    pairs = [pair_of(json.loads(line)) for line in lines]
    assert [each.prompt[0].content for each in pairs] == [*BEGINNINGS]
    (folder / "continue.jinja").write_text(block("jinja", "eos_token"), encoding="utf-8")
    longer = text.replace('"kechkena"', '"tozatelgan"') + block("toml", "corrections.jsonl") + FAST
    prepared.write_text(longer, encoding="utf-8")
    told = command("run", prepared, "--store", store, "--until", "model")
    assert told.code == 0, told.err
    model = load_model(str(folder / "runs" / "tozatelgan"), Store(store))

    def margin(of: Any) -> float:
        """How much likelier the corrections are than what was corrected, in nats."""
        return sum(
            of.score(each.prompt[0].content + each.chosen).log_probability
            - of.score(each.prompt[0].content + each.rejected).log_probability
            for each in pairs
        )

    assert margin(model) > margin(base) + 1
