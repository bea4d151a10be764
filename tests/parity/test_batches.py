"""What people do with a folder of ours in transformers: batches of prompts, with its settings."""

import os
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from endonym.data.examples import with_template
from endonym.export.card import Card, write_card
from endonym.export.huggingface import export_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Sampling
from endonym.model.families import FAMILIES
from endonym.tokenizer.tokenizer import Tokenizer

PROMPTS = ["Әбием мич", "Un pod vechi de lemn trecea peste râu.", "Le facteur", ""]


@pytest.mark.parametrize("family", FAMILIES)
def test_prompts_of_several_lengths_are_continued_in_a_batch_as_alone(
    transformers: ModuleType,
    exported: Callable[[str, str], tuple[LanguageModel, Path]],
    family: str,
) -> None:
    ours, folder = exported(family, "plain")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder)
    inputs = tokenizer(PROMPTS, return_tensors="pt", padding=True)
    assert inputs["attention_mask"][0, 0] == 0, "padded on the left"
    made = theirs.generate(**inputs, do_sample=False, max_new_tokens=12)
    new = made[:, inputs["input_ids"].shape[1] :].tolist()
    for prompt, ids in zip(PROMPTS, new, strict=True):
        alone = ours.stream(
            prompt, max_tokens=12, sampling=Sampling(temperature=0, inside_word=True)
        )
        "".join(alone)
        assert ids[: len(alone.ids)] == alone.ids
        assert set(ids[len(alone.ids) :]) <= {ours.tokenizer.end_id, tokenizer.pad_token_id}


def test_the_settings_of_sampling_are_ours_and_are_accepted(
    transformers: ModuleType, exported: Callable[[str, str], tuple[LanguageModel, Path]]
) -> None:
    ours, folder = exported("qwen3", "plain")
    found = transformers.GenerationConfig.from_pretrained(folder)
    found.validate(strict=True)
    usual = Sampling()
    assert (found.temperature, found.top_p, found.top_k) == (
        usual.temperature,
        usual.top_p,
        usual.top_k,
    )
    assert found.do_sample
    assert 100 <= found.max_new_tokens <= ours.decoder.config.context // 2
    assert found.pad_token_id != ours.tokenizer.end_id, "or collators would mask every end"
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder)
    assert theirs.config.pad_token_id is None, "or its embedding would not learn"


@pytest.mark.parametrize("is_chat", [False, True])
def test_the_code_of_the_readme_runs(
    is_chat: bool,
    transformers: ModuleType,
    exported: Callable[[str, str], tuple[LanguageModel, Path]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    model, given = exported("qwen3", "plain")
    folder = tmp_path / "folder"
    shutil.copytree(given, folder)
    if is_chat:
        tokenizer = Tokenizer.load(given / "tokenizer.json")
        model = LanguageModel(model.decoder, with_template(tokenizer, None))
        folder = tmp_path / "chat"
        export_huggingface(model, folder)
    write_card(folder, Card(), model, is_gguf=False)
    text = (folder / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(folder)
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile(code, "README.md", "exec"), {})
    assert len(capsys.readouterr().out) > len(os.linesep) * 2
