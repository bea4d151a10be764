"""The fixed judge, which imports nothing of ours, reads an exported model as we read it.

The judge lies beside the project where it is developed; elsewhere its protocol is tested against
`tests/reference/reading.py`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from toys import lively_decoder, toy_config, toy_texts, toy_tokenizer

from endonym.evaluate.bits import by_source, documents_of, measure
from endonym.export.huggingface import export_huggingface
from endonym.generate.language_model import LanguageModel

JUDGE = Path(__file__).parents[3] / "shared" / "checks" / "bits_per_byte.py"


@pytest.mark.slow
@pytest.mark.skipif(not JUDGE.is_file(), reason=f"no {JUDGE}")
@pytest.mark.parametrize(
    ("family", "context"), [("qwen3", 51), ("gpt2", 50), ("mistral", 51), ("mamba2", 50)]
)
def test_the_fixed_judge_finds_the_bits_that_we_find(
    family: str, context: int, tmp_path: Path
) -> None:
    tokenizer = toy_tokenizer("bpe")
    decoder = lively_decoder(toy_config(family, vocab=tokenizer.vocab, context=context))
    model = LanguageModel(decoder, tokenizer)
    export_huggingface(model, tmp_path / "model")
    text = tmp_path / "text.txt"
    long = "".join(toy_texts()[:6])
    text.write_text("\n\n".join([*toy_texts()[::9], long]), encoding="utf-8")
    command = [sys.executable, str(JUDGE), str(tmp_path / "model"), str(text)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    judged = json.loads(done.stdout.splitlines()[-1])
    texts = documents_of(text, tokenizer)
    lengths = [len(ids) + 1 for ids in texts.ids]
    assert min(lengths) <= context < max(lengths) / 4
    measured = measure(model, texts, advance=lambda n: None)
    ours = by_source(texts, measured, model="model", split="val")
    total = {score.metric: score for score in ours if score.source is None}
    for metric in ("bits_per_byte", "bits_per_character", "nats_per_token"):
        assert total[metric].value == pytest.approx(judged[metric], rel=1e-5)
    for size in ("n_documents", "n_bytes", "n_chars", "n_tokens"):
        assert getattr(total["bits_per_byte"], size) == judged[size]
