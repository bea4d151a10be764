"""An adapter alone, proven on its base before it is kept."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from laws.shapes import shape
from toys import lively_decoder, toy_texts, toy_tokenizer

from endonym.commands.load import with_adapter
from endonym.errors import ExportError
from endonym.export import adapters, config, formats
from endonym.export.adapters import Adapter
from endonym.export.card import Card
from endonym.export.config import Export
from endonym.export.formats import require_adapter_formats, require_form
from endonym.export.record import record_of
from endonym.generate.language_model import LanguageModel
from endonym.log import Log, number
from endonym.model.adapt_config import Adapt
from endonym.model.lora import Change, attach, new_changes

Form = Literal["adapter", "gguf-adapter"]


def lively_adapter(family: str = "qwen3", **keys: object) -> Adapter:
    tokenizer = toy_tokenizer("bpe")
    decoder = lively_decoder(shape(family, vocab=tokenizer.vocab), seed=1, noise=0.1)
    adapt = Adapt.model_validate({"rank": 2, **keys}).resolved()
    generator = torch.Generator().manual_seed(1)
    changes = new_changes(decoder, adapt, 1)
    for name, each in changes.items():
        b = 0.1 * torch.randn(each.b.shape, generator=generator)
        changes[name] = Change(each.a, b, each.scale, each.magnitude)
    return Adapter(LanguageModel(decoder, tokenizer), changes, "татарча", "base")


def exported(
    form: Form, adapter: Adapter, out: Path, texts: int = 20, card: Card | None = None
) -> formats.Exported:
    keys = {"texts": toy_texts()[:texts], "made_of": "0123456789ab", "log": Log(quiet=True)}
    card = Card("татарча") if card is None else card
    return formats.make_adapter_export(Export(format=form), adapter, out, card=card, **keys)


@pytest.mark.parametrize("form", ["adapter", "gguf-adapter"])
def test_it_is_written_with_its_checks(form: Form, tmp_path: Path) -> None:
    adapter = replace(lively_adapter(), dropout=0.1)
    made = exported(form, adapter, tmp_path / "out")
    assert all(each.ok for each in made.checks)
    assert {each.check for each in made.checks} >= {"ids", "logits", "likeliest", "bits_per_byte"}
    record = record_of(tmp_path / "out")
    assert (record["model"], record["format"]) == ("0123456789ab", form)
    numbers = sum(each.a.numel() + each.b.numel() for each in adapter.changes.values())
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert f"rank 2 on 14 matrices, {number(numbers)} numbers" in card
    theirs = tmp_path / "out" / "adapter_config.json"
    assert form != "adapter" or json.loads(theirs.read_bytes())["lora_dropout"] == 0.1
    assert "README.md" not in json.dumps(record["files"])


@pytest.mark.parametrize(("data", "said"), [
    (("", ""), "It is not known what it was trained on."),
    (("тел, ил", ""), "It was trained on тел, ил."),
    (("тел, ил", "Аны программа язды."), "It was trained on тел, ил. Аны программа язды."),
])  # fmt: skip
def test_its_card_says_what_it_was_trained_on(
    data: tuple[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Card, "last_data", lambda card: data)
    adapters.write_card(tmp_path, lively_adapter(), Card(), is_gguf=False, checks=[])
    lines = (tmp_path / "README.md").read_text("utf-8").splitlines()
    assert [line for line in lines if "trained" in line and "pretrained" not in line] == [said]


def test_an_adapter_that_learnt_to_answer_brings_its_template_and_its_ends(tmp_path: Path) -> None:
    adapter = lively_adapter()
    tokenizer = copy.copy(adapter.base.tokenizer)
    tokenizer.chat_template, tokenizer.turn_ends = "{{ messages }}", ("<|im_end|>",)
    told = replace(adapter, base=LanguageModel(adapter.base.decoder, tokenizer))
    for name, each in (("plain", adapter), ("told", told)):
        exported("adapter", each, tmp_path / name, texts=4)
    assert not (tmp_path / "plain" / "tokenizer.json").exists()
    assert "tokenizer.json" in record_of(tmp_path / "told")["files"]
    base = LanguageModel(adapter.base.decoder, adapter.base.tokenizer)
    found = [with_adapter(base, tmp_path / name).tokenizer for name in ("plain", "told")]
    assert found[0].chat_template is base.tokenizer.chat_template is None
    assert found[1].chat_template == "{{ bos_token }}{{ messages }}"
    assert found[1].stop_ids == (found[1].end_id, found[1].special_ids["turn_end"])


def test_a_wrong_adapter_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def other(*given: object, **said: object) -> str:
        changes = {n: Change(e.a, -e.b, e.scale) for n, e in adapter.changes.items()}
        return write(given[0], given[1], changes, **said)  # pyright: ignore

    adapter, write = lively_adapter(), adapters.write_adapter
    monkeypatch.setattr(adapters, "write_adapter", other)
    with pytest.raises(ExportError, match=r"likeliest|bits_per_byte"):
        exported("adapter", adapter, tmp_path)


def test_without_peft_our_own_reader_proves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(adapters, "find_spec", {"transformers": "installed"}.get)
    made = exported("adapter", lively_adapter(), tmp_path, texts=4)
    assert all("endonym's reader (peft is not" in each.runtime for each in made.checks)


def test_the_last_phase_fails_before_it_trains_what_cannot_be_exported() -> None:
    decoder = lively_decoder(shape("llama"))
    exports = [Export(format="gguf-adapter"), Export(format="huggingface")]
    attach(decoder, new_changes(decoder, Adapt(rank=2, dora=True).resolved(), 1))
    require_adapter_formats(exports, decoder, is_last=False)
    with pytest.raises(ExportError, match="DoRA"):
        require_adapter_formats(exports, decoder, is_last=True)
    require_adapter_formats(exports[1:], decoder, is_last=True)


def test_a_missing_package_is_told_by_any_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "find_spec", {"gguf": "installed"}.get)
    decoder = lively_decoder(shape("llama"))
    require_adapter_formats([Export(format="adapter")], decoder, is_last=False)
    with pytest.raises(ExportError, match="need xllamacpp, which"):
        require_adapter_formats([Export(format="gguf-adapter")], decoder, is_last=False)


FORMS = [
    ("adapter", "llama", {"dora": True}, ""),
    ("gguf-adapter", "llama", {}, ""),
    ("gguf-adapter", "llama", {"dora": True}, "no norms of rows"),
    ("adapter", "mamba2", {}, "peft adapts no output"),
    ("adapter", "moe", {"rank": 3}, ""),
    ("adapter", "moe", {"dora": True}, "no DoRA for parameters of experts"),
    ("adapter", "gptneox", {"dora": True, "on": ["query"]}, "only some of query, key"),
]


@pytest.mark.parametrize(("form", "model", "keys", "problem"), FORMS)
def test_a_shape_tells_what_is_lost(form: Form, model: str, keys: dict[str, object], problem: str):
    adapt = Adapt.model_validate({"rank": 2, **keys}).resolved()
    if not problem:
        require_form(Export(format=form), shape(model), adapt)
        return
    with pytest.raises(ExportError, match=problem):
        require_form(Export(format=form), shape(model), adapt)
