"""What an export keeps of a folder that a model goes on from."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_folders import quiet_transformers, write_model
from laws.shapes import shape
from safetensors.torch import load_file, save_file
from shaped_tokenizers import SHAPES as TOKENIZERS
from shaped_tokenizers import write_shape
from toys import lively_decoder, toy_texts, toy_tokenizer

from endonym.export.adapters import Adapter, hub_name, write_for_peft
from endonym.export.huggingface import (
    export_huggingface,
    import_huggingface,
    load_pretrained,
    pretrained_decoder,
)
from endonym.export.verify import verify_export
from endonym.generate.language_model import LanguageModel
from endonym.model.adapt_config import Adapt
from endonym.model.foreign.origin import Origin
from endonym.model.lora import Change, new_changes
from endonym.model.weights import save_tensors
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.extend import extend_tokenizer
from endonym.tokenizer.tokenizer import Tokenizer

FAMILIES = ("llama", "qwen3", "mistral", "gpt2", "gptneox", "falcon", "mamba", "mamba2", "moe")
METADATA = {"_name_or_path": "org/name", "model_card": "Тел", "transformers_version": "4.44.2"}
OF_CLASSES = ("llama2", "tinyllama", "no prefix space", "gpt2 with a space")
"""Tokenizers whose class in `transformers` has other rules than their file."""
DTYPES = (torch.bfloat16, torch.float16, torch.float32)


def rewritten(path: Path, **changed: Any) -> None:
    """A JSON file with some other values, in a layout of its own."""
    content = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    path.write_text(json.dumps(content | changed, indent=3), encoding="utf-8")


def write_folder(folder: Path, family: str, dtype: torch.dtype) -> None:
    """A folder of our own, as others might have it: another dtype, tokens and words of its own."""
    tokenizer = toy_tokenizer("bpe")
    config = shape(family, vocab=tokenizer.vocab, context=64)
    export_huggingface(LanguageModel(lively_decoder(config, noise=0.05), tokenizer), folder)
    path = folder / "model.safetensors"
    cast = {name: tensor.to(dtype) for name, tensor in load_file(path).items()}
    save_file(cast, path, metadata={"format": "pt"})
    pad = tokenizer.id_of("<|im_start|>")
    rewritten(folder / "config.json", dtype=str(dtype)[6:], pad_token_id=pad, **METADATA)
    rewritten(folder / "generation_config.json", pad_token_id=pad, min_p=0.05)
    rewritten(folder / "tokenizer_config.json", pad_token="<|im_start|>", own_word={"a": 1})
    rewritten(folder / "special_tokens_map.json", pad_token="<|im_start|>")
    (folder / "vocab.json").write_text("{}", encoding="utf-8")


def with_changes(model: LanguageModel, on: tuple[str, ...]) -> LanguageModel:
    """The model with an adapter in its weights."""
    generator = torch.Generator().manual_seed(4)
    changes = {
        name: Change(each.a, 0.2 * torch.randn(each.b.shape, generator=generator), each.scale)
        for name, each in new_changes(model.decoder, Adapt(rank=2, on=on).resolved(), 1).items()
    }
    return Adapter(model, changes, "name", "base").merged()


def artefact_of(model: LanguageModel, folder: Path) -> Path:
    """The files of a model in a store that was begun with a folder."""
    folder.mkdir()
    assert model.origin is not None
    model.origin.keep(folder)
    model.tokenizer.save(folder)
    save_tensors(dict(model.decoder.state_dict()), folder / "weights.safetensors")
    config = json.dumps(model.decoder.config.model_dump())
    (folder / "config.json").write_text(config, encoding="utf-8")
    return folder


def require_same_files(folder: Path, out: Path) -> None:
    """All files but the weights, byte by byte, and no others."""
    assert {each.name for each in folder.iterdir()} == {each.name for each in out.iterdir()}
    for file in folder.iterdir():
        if file.suffix != ".safetensors":
            assert (out / file.name).read_bytes() == file.read_bytes(), file.name


@pytest.mark.parametrize("family", FAMILIES)
def test_an_adapter_in_the_weights_changes_its_matrices_and_nothing_else(
    family: str, tmp_path: Path
) -> None:
    dtype = DTYPES[FAMILIES.index(family) % len(DTYPES)]
    folder, out = tmp_path / "folder", tmp_path / "out"
    write_folder(folder, family, dtype)
    on = ("input",) if family.startswith("mamba") else ("query", "value")
    merged = with_changes(import_huggingface(folder), on)
    export_huggingface(merged, out)
    require_same_files(folder, out)
    before, after = (load_file(each / "model.safetensors") for each in (folder, out))
    assert {name: each.dtype for name, each in after.items()} == dict.fromkeys(before, dtype)
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert changed
    parts = ("q_proj", "v_proj", "c_attn", "query_key_value", "in_proj")
    assert {name for name in changed if name.split(".")[-2] not in parts} == set()
    checks = verify_export(out, merged, toy_texts()[:20])
    assert [each.check for each in checks if not each.ok] == []


def test_a_folder_of_several_dtypes_keeps_each_and_numbers_too_large_for_fp16_stay_in_fp32(
    tmp_path: Path,
) -> None:
    write_folder(tmp_path / "folder", "llama", torch.float16)
    path = tmp_path / "folder" / "model.safetensors"
    tensors = load_file(path)
    norms = {name: each.float() + 1e-6 for name, each in tensors.items() if "norm" in name}
    save_file(tensors | norms, path, metadata={"format": "pt"})
    model = import_huggingface(tmp_path / "folder")
    assert model.origin is not None
    with torch.no_grad():
        model.decoder.get_parameter("blocks.0.ffn.up.weight")[0, 0] = 1e5
    export_huggingface(model, tmp_path / "out")
    found = load_file(tmp_path / "out" / "model.safetensors")
    large = "model.layers.0.mlp.up_proj.weight"
    assert {name for name, each in found.items() if each.dtype == torch.float32} == {*norms, large}
    assert all(torch.equal(found[name], norms[name]) for name in norms)


def test_a_class_that_transformers_computes_keeps_its_words_and_dtype(tmp_path: Path) -> None:
    folder, out = tmp_path / "folder", tmp_path / "out"
    network = write_model("gemma3", folder)
    network.bfloat16().save_pretrained(folder)
    rewritten(folder / "config.json", a_number_of_its_own=3, **METADATA)
    model = import_huggingface(folder)
    export_huggingface(model, out)
    require_same_files(folder, out)
    assert (out / "model.safetensors").stat().st_size < 1.01 * sum(
        each.nbytes for each in load_file(folder / "model.safetensors").values()
    ) + 20_000
    assert {each.dtype for each in load_file(out / "model.safetensors").values()} == {
        torch.bfloat16
    }


def test_older_names_of_keys_and_a_head_that_is_stored_twice_are_no_obstacle(
    tmp_path: Path,
) -> None:
    write_folder(tmp_path / "folder", "gpt2", torch.bfloat16)
    path = tmp_path / "folder" / "model.safetensors"
    tensors = {name.removeprefix("transformer."): each for name, each in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})
    rewritten(tmp_path / "folder" / "config.json", n_ctx=64, afn="gelu_new")
    export_huggingface(import_huggingface(tmp_path / "folder"), tmp_path / "out")
    require_same_files(tmp_path / "folder", tmp_path / "out")
    found = load_file(tmp_path / "out" / "model.safetensors")
    assert {each.dtype for each in found.values()} == {torch.bfloat16}


def test_only_keys_that_have_changed_are_written_anew(tmp_path: Path) -> None:
    write_folder(tmp_path / "folder", "llama", torch.bfloat16)
    rewritten(tmp_path / "folder" / "config.json", max_sequence_length=64)
    base = load_pretrained(tmp_path / "folder")
    settings = TokenizerConfig.model_validate({"extend": 7, "min_count": 2})
    extended = extend_tokenizer(base.tokenizer, settings, lambda: iter(toy_texts()))
    assert extended.vocab == base.tokenizer.vocab + 7
    decoder = pretrained_decoder(tmp_path / "folder", extended, extended.vocab)
    model = base.with_parts(decoder, extended)
    export_huggingface(model, tmp_path / "out")
    before, after = (
        json.loads((tmp_path / name / "config.json").read_text("utf-8"))
        for name in ("folder", "out")
    )
    assert after == before | {"vocab_size": extended.vocab}
    settings_after = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text("utf-8"))
    assert settings_after["pad_token"] == "<|im_start|>"
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    assert {each.dtype for each in tensors.values()} == {torch.bfloat16}
    checks = verify_export(tmp_path / "out", model, toy_texts()[:20])
    assert [each.check for each in checks if not each.ok] == []


def test_another_tokenizer_brings_its_own_special_tokens(tmp_path: Path) -> None:
    write_folder(tmp_path / "folder", "llama", torch.bfloat16)
    other = toy_tokenizer("keyboard")
    decoder = pretrained_decoder(tmp_path / "folder", other, other.vocab)
    model = load_pretrained(tmp_path / "folder").with_parts(decoder, other)
    export_huggingface(model, tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text("utf-8"))
    assert config["eos_token_id"] == other.end_id
    assert "pad_token_id" not in config


def test_files_that_an_artefact_has_kept_are_those_of_the_folder(tmp_path: Path) -> None:
    write_folder(tmp_path / "folder", "llama", torch.bfloat16)
    model = import_huggingface(tmp_path / "folder")
    artefact = artefact_of(model, tmp_path / "artefact")
    shutil.rmtree(tmp_path / "folder" / "nothing", ignore_errors=True)
    again = LanguageModel.load(artefact)
    export_huggingface(again, tmp_path / "out")
    require_same_files(tmp_path / "folder", tmp_path / "out")
    before, after = (load_file(tmp_path / n / "model.safetensors") for n in ("folder", "out"))
    assert all(torch.equal(before[name], after[name]) for name in before)
    plain = LanguageModel(model.decoder, Tokenizer.load(tmp_path / "folder" / "tokenizer.json"))
    assert plain.origin is None


@pytest.mark.parametrize("name", [*OF_CLASSES, "prefix space of bytes"])
def test_a_tokenizer_that_its_class_reads_in_its_own_way_is_kept(name: str, tmp_path: Path) -> None:
    """The rules of the class in `transformers` are not written into the folder's files."""
    theirs, folder = write_shape(name, tmp_path / "theirs"), tmp_path / "folder"
    family = {"gpt_neox": "gptneox"}.get(TOKENIZERS[name].model_type, TOKENIZERS[name].model_type)
    tokenizer = Tokenizer.load(theirs / "tokenizer.json")
    config = shape(family, vocab=tokenizer.vocab, context=64)
    export_huggingface(LanguageModel(lively_decoder(config), tokenizer), folder)
    for file in theirs.glob("tokenizer*"):
        shutil.copyfile(file, folder / file.name)
    artefact = artefact_of(import_huggingface(folder), tmp_path / "artefact")
    model = LanguageModel.load(artefact)
    export_huggingface(model, tmp_path / "out")
    require_same_files(folder, tmp_path / "out")
    changes = new_changes(model.decoder, Adapt(rank=2, on=("query",)).resolved(), 1)
    write_for_peft(tmp_path / "peft", Adapter(model, changes, "name", "base"))
    for file in theirs.glob("tokenizer*"):
        assert (tmp_path / "peft" / file.name).read_bytes() == file.read_bytes()
    checks = verify_export(tmp_path / "out", model, toy_texts()[:20])
    assert [each.check for each in checks if not each.ok] == []


def test_an_adapter_names_its_base_as_the_hub_does() -> None:
    cache = Path("hub/models--HuggingFaceTB--SmolLM2-135M-Instruct/snapshots/7e27bd9")
    assert hub_name(cache) == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert hub_name(Path("models/SmolLM2")) == "SmolLM2"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "pad", "cache"])
def test_the_real_model_stays_as_it_was_but_for_what_an_adapter_changes(
    real_model: Path, tmp_path: Path, kind: str
) -> None:
    folder = real_model.parent / ("plain" if kind == "plain" else "pad")
    if kind == "cache":
        folder = linked_as_in_the_hubs_cache(folder, tmp_path)
    merged = with_changes(import_huggingface(folder), ("query", "value"))
    out = tmp_path / "out"
    export_huggingface(merged, out)
    for file in folder.iterdir():
        if file.suffix != ".safetensors":
            assert (out / file.name).read_bytes() == file.read_bytes(), file.name
    assert (out / "model.safetensors").stat().st_size == (
        folder / "model.safetensors"
    ).stat().st_size
    before, after = (load_file(each / "model.safetensors") for each in (folder, out))
    changed = {n.split(".")[-2] for n in before if not torch.equal(before[n], after[n])}
    assert changed == {"q_proj", "v_proj"}
    library = quiet_transformers()
    tokenizers = [library.AutoTokenizer.from_pretrained(each) for each in (folder, out)]
    for use in ("bos_token", "eos_token", "pad_token", "chat_template", "model_max_length"):
        assert getattr(tokenizers[0], use) == getattr(tokenizers[1], use)


def linked_as_in_the_hubs_cache(folder: Path, out: Path) -> Path:
    """The same folder as the hub's cache has it: links to blobs."""
    cache = out / "models--HuggingFaceTB--SmolLM2-135M-Instruct"
    snapshot = cache / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    (cache / "blobs").mkdir()
    for number, file in enumerate(sorted(folder.iterdir())):
        blob = cache / "blobs" / f"{number:040x}"
        os.link(file, blob) if file.stat().st_dev == out.stat().st_dev else shutil.copy(file, blob)
        (snapshot / file.name).symlink_to(Path("../../blobs") / blob.name)
    return snapshot


def test_a_named_default_among_several_templates_is_the_template(
    tmp_path: Path, language_sentences: Callable[[str], list[str]]
) -> None:
    write_folder(tmp_path / "folder", "llama", torch.bfloat16)
    templates = [
        {"name": "default", "template": "{{ messages[0]['content'] }}"},
        {"name": "tool_use", "template": "{{ tools }}"},
    ]
    rewritten(tmp_path / "folder" / "tokenizer_config.json", chat_template=templates)
    ends = [toy_tokenizer("bpe").id_of(name) for name in ("<|endoftext|>", "<|im_end|>")]
    rewritten(tmp_path / "folder" / "generation_config.json", eos_token_id=ends)
    model = import_huggingface(tmp_path / "folder")
    assert model.tokenizer.chat_template == templates[0]["template"]
    export_huggingface(model, tmp_path / "out")
    require_same_files(tmp_path / "folder", tmp_path / "out")
    checks = verify_export(tmp_path / "out", model, language_sentences("tatar")[:9])
    assert [each.check for each in checks if not each.ok] == []


def test_what_was_kept_is_read_with_care(tmp_path: Path) -> None:
    folder = tmp_path / "artefact"
    (folder / "origin").mkdir(parents=True)
    (folder / "weights.safetensors").touch()
    for content in ("[]", "{}", '{"a": 3}', "no JSON"):
        (folder / "origin" / "dtypes.json").write_text(content, encoding="utf-8")
        with pytest.raises(Exception, match="dtypes"):
            Origin.of(folder)
