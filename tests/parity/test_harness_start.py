"""lm-evaluation-harness reads texts of an exported folder after the same start token as endonym."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from shaped_tokenizers import write_shape
from toys import lively_decoder, toy_config

from endonym.evaluate.harness import document_start
from endonym.evaluate.items import Item, judge
from endonym.export.huggingface import export_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.tokenizer.tokenizer import Tokenizer

pytestmark = pytest.mark.skipif(find_spec("lm_eval") is None, reason="needs lm-evaluation-harness")
TEXT = "Балалар иртән мәктәпкә баралар."
SCRIPT = """
import json, sys
from lm_eval.api.instance import Instance
from endonym.evaluate.harness_process import opened
folder, text, start = sys.argv[1:]
context = text.split()[0]
model = opened(folder, "cpu", json.loads(start))
def asked(*arguments):
    return [Instance(request_type="loglikelihood", doc={}, arguments=arguments, idx=0)]
whole = model.loglikelihood_rolling(asked(text))[0]
alone = model.loglikelihood(asked("", text))[0][0]
after = model.loglikelihood(asked(context, text[len(context):]))[0][0]
print(json.dumps([whole, alone, after]))
"""


def of_the_harness(folder: Path, start: int | None) -> list[float]:
    """The log-probability of the text as a document, as an option, and behind its first word."""
    command = [sys.executable, "-c", SCRIPT, str(folder), TEXT, json.dumps(start)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_documents_and_options_follow_one_start_token(
    exported: Callable[[str, str], tuple[LanguageModel, Path]],
) -> None:
    model, folder = exported("qwen3", "plain")
    whole, alone, after = of_the_harness(folder, document_start(folder))
    context = TEXT.split()[0]
    items = [Item("", (TEXT,), None), Item(context, (TEXT[len(context) :],), None)]
    nats = judge(model, items, lambda _: None).nats
    assert -whole == pytest.approx(nats[0], abs=1e-3)
    assert -alone == pytest.approx(nats[0], abs=1e-3)
    assert -after == pytest.approx(nats[1], abs=1e-3)


@pytest.mark.parametrize("shape", ["smollm2", "qwen3"])
def test_documents_follow_the_token_between_documents_where_bos_is_another_one(
    shape: str, tmp_path: Path
) -> None:
    """SmolLM2's bos token begins a turn, Qwen has none; both have `<|endoftext|>` between texts."""
    tokenizer = Tokenizer.load(write_shape(shape, tmp_path / "theirs") / "tokenizer.json")
    config = toy_config("qwen3", vocab=tokenizer.vocab, context=256)
    model = LanguageModel(lively_decoder(config, seed=6, noise=0.2), tokenizer)
    export_huggingface(model, tmp_path / "model")
    start = document_start(tmp_path / "model")
    assert start is not None
    assert tokenizer.token(start) == "<|endoftext|>"
    nats = judge(model, [Item("", (TEXT,), None)], lambda _: None).nats
    whole, alone, _ = of_the_harness(tmp_path / "model", start)
    assert [-whole, -alone] == pytest.approx([nats[0]] * 2, abs=1e-3)
    usual, *_ = of_the_harness(tmp_path / "model", None)
    assert -usual != pytest.approx(nats[0], abs=1e-2)


def test_the_harness_chooses_where_endonym_reads_no_tokenizer(tmp_path: Path) -> None:
    assert document_start(tmp_path) is None
