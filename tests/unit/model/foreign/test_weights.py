"""Opening a stranger's folder: what is wrong is reported before memory is taken, no code is run."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from artefacts import DECLARED, ID
from foreign_folders import quiet_transformers, write_model
from safetensors.torch import load_file, save_file
from tiny_families import write_tiny

from endonym.commands.load import load_model
from endonym.disk import list_files, write_json
from endonym.errors import Damaged, EndonymError, ExportError
from endonym.limited.process import LimitedProcess
from endonym.model.foreign import weights as foreign_weights
from endonym.model.foreign.folder import read_shape
from endonym.model.foreign.weights import load_any, load_foreign, load_tried, open_there, weights_of
from endonym.model.weights import load_tensors, save_tensors
from endonym.store import Store, sealed

KEY = "model.layers.1.self_attn.k_proj.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A Gemma 3 as the library writes it."""
    write_model("gemma3", tmp_path / "gemma")
    return tmp_path / "gemma"


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """No tensor may be read, and no network built with memory."""

    def refuse(*_: object) -> None:
        raise AssertionError("memory was taken before the folder was checked")

    monkeypatch.setattr("endonym.model.weights.load_tensors", refuse)
    monkeypatch.setattr(foreign_weights, "_load_network", refuse)


def rewrite(path: Path, **said: Any) -> None:
    data = json.loads(path.read_text(encoding="utf-8")) | said
    kept = {key: value for key, value in data.items() if value != "take it out"}
    path.write_text(json.dumps(kept), encoding="utf-8")


def refused(folder: Path, kind: type[EndonymError], match: str) -> EndonymError:
    with pytest.raises(kind, match=match) as caught:
        load_foreign(folder)
    assert str(folder) in caught.value.where
    return caught.value


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


UNTRUSTED = [
    ({"auto_map": {"AutoConfig": "modeling.Config"}}, "auto_map asks for code"),
    ({"quantization_config": {"bits": 4}}, "quantised"),
    ({"vision_config": {"hidden_size": 3}}, "more than text"),
    ({"is_encoder_decoder": True}, "an encoder and a decoder"),
    ({"model_type": "no_such_thing"}, "has no causal model called no_such_thing"),
    ({"model_type": 7}, "lacks model_type"),
    ({"hidden_size": "take it out"}, "lacks hidden_size"),
    ({"hidden_size": -3}, "has -3 for hidden_size"),
    ({"num_hidden_layers": 10**9}, "1000000000 for num_hidden_layers"),
    ({"num_hidden_layers": 10**4}, r"10000 layers, but \d+ tensors"),
    ({"num_attention_heads": "four"}, "does not fit its own class"),
    ({"layer_types": ["no_such_layer"] * 3}, "does not fit its own class"),
]


@pytest.mark.parametrize(("said", "match"), UNTRUSTED)
@pytest.mark.usefixtures("no_memory")
def test_a_config_not_to_trust_is_refused(folder: Path, said: dict[str, Any], match: str):
    rewrite(folder / "config.json", **said)
    refused(folder, ExportError, match)


@pytest.mark.usefixtures("no_memory")
def test_tensors_that_are_missing_unknown_or_misshapen_are_named(folder: Path) -> None:
    path = folder / "model.safetensors"
    whole = load_file(path)
    change_weights(folder, lambda tensors: tensors.pop(KEY))
    refused(folder, Damaged, rf"lacks \['{KEY}'\]")
    save_file(whole | {"stranger": torch.zeros(2)}, path)
    refused(folder, Damaged, r"unknown \['stranger'\]")
    save_file(whole | {KEY: torch.zeros(3, 5)}, path)
    refused(folder, Damaged, rf"holds {KEY} of shape \(3, 5\) instead of \(16, 32\)")
    save_file(whole, path)
    path.write_bytes(path.read_bytes()[:-10])
    refused(folder, Damaged, r"should have \d+ bytes but has \d+")
    path.write_bytes(b"")
    refused(folder, Damaged, "is not a whole safetensors file")


@pytest.mark.usefixtures("no_memory")
def test_a_pickle_is_refused_with_advice(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "save_pretrained" in refused(folder, ExportError, "a pickle, which could run code").do


@pytest.mark.parametrize("number", [torch.inf, torch.nan])
def test_numbers_that_are_not_finite_are_named(folder: Path, number: float) -> None:
    change_weights(folder, lambda tensors: tensors[KEY].view(-1)[-1:].fill_(number))
    refused(folder, Damaged, rf"not finite in {KEY}")


def test_code_beside_a_model_is_never_run(folder: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    for name in ("modeling.py", "__init__.py", "configuration_gemma3.py"):
        code = f"import pathlib; pathlib.Path({str(ran)!r}).touch()\n"
        (folder / name).write_text(code, encoding="utf-8")
    said = {"attn_implementation": "someone/kernels", "architectures": ["modeling.M"]}
    rewrite(folder / "config.json", **said)
    before = set(sys.modules)
    load_foreign(folder)
    assert not ran.exists()
    assert "modeling" not in set(sys.modules) - before


def test_what_a_class_does_to_its_logits_is_named(tmp_path: Path) -> None:
    granite = r"granite does more to its logits .* a cap \(logits_scaling = 8\.0\), which"
    for kind, match in (("phi", "phi adds a bias to its logits"), ("granite", granite)):
        write_model(kind, tmp_path / kind)
        refused(tmp_path / kind, ExportError, match)


def test_a_model_that_is_not_causal_is_refused(tmp_path: Path) -> None:
    write_model("gemma3", tmp_path, use_bidirectional_attention=True)
    refused(tmp_path, ExportError, "is not causal")


def test_a_class_that_mixes_documents_shows_it_only_with_weights_that_mix(tmp_path: Path) -> None:
    """Bloom cannot tell the documents of a row apart, which weights of 0 would hide."""
    write_model("bloom", tmp_path)
    where = tmp_path / "model.safetensors"
    assert not load_foreign(tmp_path).reads_packed
    tensors = load_file(tmp_path / "model.safetensors")
    silent = {name: each for name, each in tensors.items() if "self_attention.dense" in name}
    save_file(tensors | {n: torch.zeros_like(each) for n, each in silent.items()}, where)
    assert not load_foreign(tmp_path).reads_packed


def test_without_the_library_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    for name in [name for name in sys.modules if name.startswith("transformers.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ExportError) as caught:
        load_foreign(folder)
    assert "not installed" in caught.value.message
    assert 'pip install "endonym[hf]"' in caught.value.do


@pytest.mark.parametrize("kind", ["mixtral", "falcon_mamba"])
def test_a_model_artefact_loads_again(tmp_path: Path, kind: str) -> None:
    write_model(kind, tmp_path)
    decoder = load_foreign(tmp_path)
    path = tmp_path / "weights.safetensors"
    save_tensors(weights_of(decoder), path)
    config = read_shape(json.loads(json.dumps(decoder.config.model_dump())))
    assert config == decoder.config
    back = load_any(config, path)
    assert weights_of(back).keys() == weights_of(decoder).keys()
    for name, tensor in weights_of(decoder).items():
        assert torch.equal(weights_of(back)[name], tensor), name
    assert config.parameters == sum(each.numel() for each in decoder.parameters())
    tensors = load_file(path)
    name = next(iter(tensors))
    save_file({key: each for key, each in tensors.items() if key != name}, path)
    with pytest.raises(Damaged, match="lacks"):
        load_any(config, path)


@pytest.mark.parametrize("kind", ["gemma3", "mixtral"])
def test_weights_are_stored_as_the_library_stores_them(tmp_path: Path, kind: str) -> None:
    write_model(kind, tmp_path)
    wanted = load_file(tmp_path / "model.safetensors")
    found = foreign_weights.stored_weights(load_foreign(tmp_path))
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], each) for name, each in wanted.items())


def test_a_tied_head_that_is_stored_twice_is_read_once(folder: Path) -> None:
    plain = load_foreign(folder)
    tensors = load_file(folder / "model.safetensors")
    twice = {"lm_head.weight": tensors["model.embed_tokens.weight"].clone()}
    save_file(tensors | twice, folder / "model.safetensors")
    again = load_foreign(folder)
    assert again.config == plain.config
    assert weights_of(again).keys() == weights_of(plain).keys()


def test_narrow_weights_are_read_as_fp32(folder: Path) -> None:
    network = quiet_transformers().AutoModelForCausalLM.from_pretrained(folder)
    network.to(torch.bfloat16).save_pretrained(folder)
    assert all(each.dtype == torch.float32 for each in load_foreign(folder).parameters())


def test_weights_in_several_files_are_read(folder: Path) -> None:
    wanted = weights_of(load_foreign(folder))
    network = quiet_transformers().AutoModelForCausalLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    network.save_pretrained(folder, max_shard_size="60KB")
    assert (folder / "model.safetensors.index.json").is_file()
    found = weights_of(load_foreign(folder))
    assert all(torch.equal(found[name], each) for name, each in wanted.items())


@pytest.mark.parametrize("has_bars", [True, False])
def test_the_library_speaks_as_it_did_before(folder: Path, has_bars: bool) -> None:
    logging = quiet_transformers().logging
    try:
        logging.set_verbosity_info()
        (logging.enable_progress_bar if has_bars else logging.disable_progress_bar)()
        load_foreign(folder)
        rewrite(folder / "config.json", num_attention_heads="four")
        refused(folder, ExportError, "does not fit its own class")
        assert logging.is_progress_bar_enabled() is has_bars
        assert logging.get_verbosity() == logging.INFO
    finally:
        quiet_transformers()


LARGE = {
    "xglm": {"max_position_embeddings": 10**8},  # a table of 13 GB
    "gpt_neo": {"attention_types": [[["global", "local"], 10**8]]},  # a list
}


@pytest.mark.parametrize("family", LARGE)
def test_gigabytes_are_not_built_here(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_tiny(family, tmp_path)
    assert load_tried(tmp_path)
    rewrite(tmp_path / "config.json", **LARGE[family])

    def build(*_: object) -> None:
        raise AssertionError("built here")

    monkeypatch.setattr(foreign_weights, "load_foreign", build)
    with pytest.raises(ExportError, match=r"more than [0-9]+ MiB of memory") as caught:
        load_tried(tmp_path)
    assert caught.value.where == str(tmp_path / "config.json")
    assert "config.json" in caught.value.do


def test_an_artefact_with_such_a_number_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Also by a path that is relative. The table of 1.3 GB would be built here otherwise."""
    write_tiny("xglm", tmp_path)
    decoder = load_foreign(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    save_tensors(weights_of(decoder), tmp_path / "weights.safetensors")
    theirs = decoder.config.transformers
    monkeypatch.chdir(tmp_path.parent)
    for positions in (64, 10**7):
        changed = theirs | {"max_position_embeddings": positions}
        config = decoder.config.model_copy(update={"transformers": changed})
        (tmp_path / "config.json").write_text(config.model_dump_json(), encoding="utf-8")
        declared = {**DECLARED, "stage": "model", "id": ID, "numbers": {}}
        manifest = sealed({**declared, "files": list_files(tmp_path)})
        write_json(tmp_path / "manifest.json", manifest)
        if positions == 64:
            assert load_model(tmp_path.name, Store(tmp_path / "store"))
    with pytest.raises(ExportError, match="MiB of memory"):
        load_model(tmp_path.name, Store(tmp_path / "store"))


def test_what_the_other_process_refuses_is_the_same_error_here(tmp_path: Path):
    folder = tmp_path / os.fsdecode("Әкият".encode() + b"\xff")
    write_model("gemma3", tmp_path / "written")
    (tmp_path / "written").rename(folder)
    path = folder / "model.safetensors"
    tensors = load_tensors(path)
    name = next(iter(tensors))
    save_tensors(tensors | {name: torch.full_like(tensors[name], torch.nan)}, path)
    found: list[dict[str, str]] = []
    for load in (load_foreign, load_tried):
        with pytest.raises(Damaged, match=rf"not finite in {name}") as caught:
            load(folder)
        found.append(caught.value.as_dict())
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", ["gemma3", "bloom", "falcon_mamba"])
def test_weights_in_fp16_are_opened_in_the_other_process(kind: str, tmp_path: Path) -> None:
    """torch reads the description of the processor before it first converts fp16."""
    write_model(kind, tmp_path)
    network = quiet_transformers().AutoModelForCausalLM.from_pretrained(tmp_path)
    network.to(torch.float16).save_pretrained(tmp_path)
    assert all(each.dtype == torch.float32 for each in load_tried(tmp_path).parameters())


def test_a_folder_is_tried_anew_when_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[Mapping[str, Any]] = []

    def ask(_: object, question: Mapping[str, Any], *limits: object, is_last: bool) -> object:
        asked.append(question)
        return open_there(question)

    monkeypatch.setattr(LimitedProcess, "ask", ask)
    write_model("gemma3", tmp_path)
    for _ in range(2):
        load_tried(tmp_path)
    assert len(asked) == 1
    os.utime(tmp_path / "model.safetensors", ns=(1, 1))
    load_tried(tmp_path)
    rewrite(tmp_path / "config.json", seen=3)
    load_tried(tmp_path)
    assert len(asked) == 3
    tensors = load_tensors(tmp_path / "model.safetensors")
    tensors["model.norm.weight"] *= torch.nan
    save_tensors(tensors, tmp_path / "model.safetensors")
    for _ in range(2):  # What was refused is not known to be harmless.
        with pytest.raises(Damaged):
            load_tried(tmp_path)
    assert len(asked) == 5


def test_after_a_large_model_the_process_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_model("gemma3", tmp_path)
    monkeypatch.setattr(foreign_weights, "KEPT", 0)
    load_tried(tmp_path)
    assert foreign_weights._process._worker is None
