"""A model as a folder, its weights in one file or several, and folders that are not one."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tokenizers
import torch
from laws.shapes import shape
from safetensors.torch import load_file, save_file
from tokenizers import processors
from toys import lively_decoder

from endonym.errors import Damaged, ExportError, TokenizerError
from endonym.export import huggingface
from endonym.export.huggingface import export_huggingface, import_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.model import weights
from endonym.model.foreign.folder import INDEX, weight_files
from endonym.tokenizer.tokenizer import END_OF_TEXT, Tokenizer

FILES = [
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
]
SENTENCE = "Les moineaux du grenier savaient l’heure du pain."


def rewrite(path: Path, change: Callable[[dict], object]) -> None:
    """Change a JSON file in place."""
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")


def test_a_folder_holds_five_files_and_says_so(model: LanguageModel, tmp_path: Path) -> None:
    export_huggingface(model, tmp_path / "a" / "b")
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == FILES


def test_handing_over_again_writes_the_same(model: LanguageModel, folder: Path, tmp_path: Path):
    export_huggingface(model, tmp_path / "again")
    for name in FILES:
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_the_folder_says_how_a_text_begins_and_ends(model: LanguageModel, folder: Path) -> None:
    generation = json.loads((folder / "generation_config.json").read_text("utf-8"))
    end = model.tokenizer.end_id
    pad = model.tokenizer.special_ids["turn_start"]
    wanted = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": pad, "do_sample": True}
    sampling = {"temperature": 0.8, "top_k": 0, "top_p": 0.95, "max_new_tokens": 32}
    assert generation == wanted | sampling
    tokens = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    assert tokens == {
        **{"bos_token": END_OF_TEXT, "eos_token": END_OF_TEXT, "pad_token": "<|im_start|>"},
        **{"tokenizer_class": "PreTrainedTokenizerFast", "padding_side": "left"},
        **{"model_max_length": 64, "clean_up_tokenization_spaces": False},
        **{"extra_special_tokens": ["<|im_start|>", "<|im_end|>"]},
    }


def test_the_tokenizer_of_a_folder_begins_every_text(model: LanguageModel, folder: Path):
    text, end = f"Mâine {END_OF_TEXT} plouă", model.tokenizer.end_id
    ids = model.tokenizer.encode(text)
    engine = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert engine.encode(text).ids.count(end) == 2, "the library alone takes the name for the token"
    engine.encode_special_tokens = True
    assert engine.encode(text).ids == [end, *ids]
    assert "\\u" not in (folder / "tokenizer.json").read_text(encoding="utf-8"), "people read it"
    assert Tokenizer.load(folder / "tokenizer.json").encode(text) == ids


@pytest.mark.parametrize("given", [None, "ByteLevel", "BertProcessing", "Sequence"])
def test_only_trimming_of_offsets_is_kept(model: LanguageModel, tmp_path: Path, given: str | None):
    trimming = processors.ByteLevel(trim_offsets=True)
    bert = processors.BertProcessing(("z", 90), ("a", 65))
    kinds = {"ByteLevel": trimming, "BertProcessing": bert}
    kinds["Sequence"] = processors.Sequence([trimming, bert])
    engine = tokenizers.Tokenizer.from_str(model.tokenizer.to_json())
    if given:
        engine.post_processor = kinds[given]
    export_huggingface(LanguageModel(model.decoder, Tokenizer(engine)), tmp_path / "once")
    export_huggingface(import_huggingface(tmp_path / "once"), tmp_path / "twice")
    once, twice = ((tmp_path / n / "tokenizer.json").read_bytes() for n in ("once", "twice"))
    assert once == twice
    made = tokenizers.Tokenizer.from_str(once.decode())
    assert made.encode("ploaie").ids == [model.tokenizer.end_id, *model.tokenizer.encode("ploaie")]
    assert (
        b"trim_offsets" in once.partition(b'"post_processor"')[2].partition(b'"decoder"')[0]
    ) == (given in ("ByteLevel", "Sequence"))


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640)])
def test_new_files_have_usual_modes(model: LanguageModel, tmp_path: Path, umask: int, mode: int):
    before = os.umask(umask)
    try:
        export_huggingface(model, tmp_path / "out")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()}
    assert modes == dict.fromkeys(FILES, mode)


def test_a_model_that_came_back_scores_and_continues_alike(model: LanguageModel, folder: Path):
    back = import_huggingface(folder)
    assert back.score(SENTENCE) == model.score(SENTENCE)
    assert back.generate(SENTENCE, max_tokens=12) == model.generate(SENTENCE, max_tokens=12)


def test_weights_in_half_precision_are_read_as_they_are(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    halved = {name: tensor.bfloat16() for name, tensor in tensors.items()}
    save_file(halved, folder / "model.safetensors")
    found = import_huggingface(folder).decoder.embedding.weight
    assert found.dtype == torch.float32
    assert torch.equal(found, halved["model.embed_tokens.weight"].float())


def test_code_beside_a_model_is_never_run(folder: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    code = f"import pathlib; pathlib.Path({str(ran)!r}).touch()\nclass Model: pass\n"
    for name in ("modeling.py", "tokenization.py", "__init__.py"):
        (folder / name).write_text(code, encoding="utf-8")
    rewrite(
        folder / "tokenizer_config.json",
        lambda data: data.update(auto_map={"AutoTokenizer": ["tokenization.Model", None]}),
    )
    before = set(sys.modules)
    import_huggingface(folder)
    rewrite(folder / "config.json", lambda data: data.update(auto_map={"AutoModel": "modeling.M"}))
    with pytest.raises(ExportError, match="auto_map"):
        import_huggingface(folder)
    assert not ran.exists()
    assert not {name for name in set(sys.modules) - before if "modeling" in name}


def test_a_folder_without_a_readable_config_is_refused(folder: Path) -> None:
    path = folder / "config.json"
    for content in (b"{", b"\xff\xfe", b"[1, 2]", b"[" * 200_000):
        path.write_bytes(content)
        with pytest.raises(ExportError, match=r"config\.json") as caught:
            import_huggingface(folder)
        assert caught.value.where == str(path)
    path.unlink()
    with pytest.raises(ExportError, match=r"no readable config\.json"):
        import_huggingface(folder)


def test_a_folder_without_a_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(TokenizerError) as caught:
        import_huggingface(folder)
    assert caught.value.where == str(folder)
    assert "tokenizer.json" in caught.value.message


def test_a_tokenizer_of_another_size_is_refused(folder: Path) -> None:
    rewrite(folder / "config.json", lambda data: data.update(vocab_size=250))
    with pytest.raises(ExportError, match=r"vocab_size = 250, .* 259"):
        import_huggingface(folder)


def redirect(folder: Path, name: object) -> None:
    """Let an index say that a tensor stands elsewhere."""
    data = json.loads((folder / INDEX).read_text("utf-8"))
    data["weight_map"]["model.norm.weight"] = name
    (folder / INDEX).write_text(json.dumps(data), encoding="utf-8")


@pytest.fixture
def sharded(model: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same model in files of at most 40 kB."""
    monkeypatch.setattr(huggingface, "SHARD_BYTES", 40_000)
    export_huggingface(model, tmp_path / "sharded")
    return tmp_path / "sharded"


def test_large_weights_are_in_several_files(model: LanguageModel, folder: Path, sharded: Path):
    files = sorted(path.name for path in sharded.glob("*.safetensors"))
    assert len(files) > 2
    assert files == [
        f"model-{n:05d}-of-{len(files):05d}.safetensors" for n in range(1, len(files) + 1)
    ]
    assert not (sharded / "model.safetensors").exists()
    whole = load_file(folder / "model.safetensors")
    index = json.loads((sharded / "model.safetensors.index.json").read_text("utf-8"))
    assert index["metadata"]["total_size"] == sum(each.nbytes for each in whole.values())
    assert index["weight_map"].keys() == whole.keys()
    for name, file in index["weight_map"].items():
        assert torch.equal(load_file(sharded / file)[name], whole[name])
        held = sum(each.nbytes for each in load_file(sharded / file).values())
        assert held <= 40_000 or len(load_file(sharded / file)) == 1
    assert import_huggingface(sharded).score(SENTENCE) == pytest.approx(model.score(SENTENCE))


def test_one_file_of_weights_wins_over_an_index(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text("no JSON", encoding="utf-8")
    assert weight_files(folder) == [folder / "model.safetensors"]


OUTSIDE = ("../model.safetensors", "/etc/passwd", "weights/model.safetensors", "..", "")


def test_an_index_names_files_of_its_own_folder_only(sharded: Path) -> None:
    (sharded / "weights").mkdir()
    for path in (sharded.parent, sharded / "weights"):
        (path / "model.safetensors").write_bytes(b"never to be read")
    for name in (*OUTSIDE, "model-00099-of-00099.safetensors"):
        redirect(sharded, name)
        with pytest.raises(ExportError, match="which is not here") as caught:
            import_huggingface(sharded)
        assert f"names {name}," in caught.value.message
        assert caught.value.where == str(sharded)


def test_a_shard_that_is_missing_is_named(sharded: Path) -> None:
    missing = sorted(sharded.glob("model-*.safetensors"))[1]
    missing.unlink()
    with pytest.raises(ExportError, match=f"names {missing.name}, which is not here"):
        import_huggingface(sharded)


def test_an_index_of_anything_but_names_is_refused(sharded: Path) -> None:
    redirect(sharded, 7)
    with pytest.raises(ExportError, match=r"index\.json"):
        import_huggingface(sharded)
    for weight_map in ({}, None, [], "model.safetensors"):
        (sharded / INDEX).write_text(json.dumps({"weight_map": weight_map}), encoding="utf-8")
        with pytest.raises(ExportError, match="names no file"):
            import_huggingface(sharded)


def test_weights_that_could_run_code_are_refused_by_name(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ExportError) as caught:
        import_huggingface(folder)
    found = "only pytorch_model.bin, a pickle, which could run code"
    assert caught.value.message == f"no model.safetensors in this folder, {found}"
    assert caught.value.where == str(folder)
    assert "safetensors" in caught.value.do


def test_a_folder_without_weights_says_so(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(ExportError) as caught:
        import_huggingface(folder)
    assert caught.value.message == "no model.safetensors in this folder"


def test_a_second_copy_of_a_tied_head_is_left_where_it_is(model: LanguageModel, folder: Path):
    path = folder / "model.safetensors"
    whole = load_file(path)
    save_file(whole | {"lm_head.weight": whole["model.embed_tokens.weight"].clone()}, path)
    back = import_huggingface(folder)
    assert back.decoder.head is None
    assert back.score(SENTENCE) == pytest.approx(model.score(SENTENCE))


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but headers may be read."""

    def refuse(path: Path) -> dict[str, torch.Tensor]:
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr(weights, "load_file", refuse)


Change = tuple[str, torch.Tensor | None, str]
NAME = "model.layers.1.mlp.up_proj.weight"
CHANGES: dict[str, Change] = {
    "missing": (NAME, None, f"lacks ['{NAME}']"),
    "unknown": ("score.weight", torch.zeros(2), "has unknown ['score.weight']"),
    "of a third layer": (
        "model.layers.2.mlp.up_proj.weight",
        torch.zeros(256, 32),
        "has unknown ['model.layers.2.mlp.up_proj.weight']",
    ),
    "a number": (NAME, torch.zeros(()), f"{NAME} of shape () instead of (256, 32)"),
    "transposed": (NAME, torch.zeros(32, 256), f"{NAME} of shape (32, 256) instead of (256, 32)"),
    "with one row more": (NAME, torch.zeros(259, 32), f"{NAME} of shape (259, 32)"),
    "with an axis more": (NAME, torch.zeros(1, 256, 32), f"{NAME} of shape (1, 256, 32)"),
}


def changed(path: Path, change: Change) -> None:
    """A file of weights with one tensor put in or taken out."""
    name, tensor, _ = change
    tensors = load_file(path)
    tensors.pop(name, None)
    save_file(tensors | ({} if tensor is None else {name: tensor}), path)


@pytest.mark.parametrize("case", CHANGES)
def test_a_tensor_that_misfits_is_named(folder: Path, case: str, request: pytest.FixtureRequest):
    changed(folder / "model.safetensors", CHANGES[case])
    request.getfixturevalue("unread")
    with pytest.raises(Damaged) as caught:
        import_huggingface(folder)
    assert CHANGES[case][2] in caught.value.message
    assert caught.value.where == str(folder / "model.safetensors")


JOINED = {
    "gpt2": ("transformer.h.1.attn.c_attn.weight", (32, 96)),
    "gptneox": ("gpt_neox.layers.1.attention.query_key_value.weight", (96, 32)),
    "falcon": ("transformer.h.1.self_attention.query_key_value.weight", (48, 32)),
    "mamba": ("backbone.layers.1.mixer.conv1d.weight", (64, 1, 4)),
    "moe": ("model.layers.1.mlp.experts.4.down_proj.weight", (32, 24)),
}


@pytest.mark.parametrize("family", JOINED)
def test_tensors_of_another_layout_are_held_to_that_layout(
    model: LanguageModel, tmp_path: Path, family: str, request: pytest.FixtureRequest
) -> None:
    name, sizes = JOINED[family]
    decoder = lively_decoder(shape(family, vocab=259, context=64))
    export_huggingface(LanguageModel(decoder, model.tokenizer), tmp_path)
    path = tmp_path / "model.safetensors"
    assert load_file(path)[name].shape == sizes
    changed(path, (name, torch.zeros(3, 5), ""))
    request.getfixturevalue("unread")
    with pytest.raises(Damaged) as caught:
        import_huggingface(tmp_path)
    assert f"{name} of shape (3, 5) instead of {sizes}" in caught.value.message


def test_numbers_that_are_not_finite_and_files_cut_off_are_damaged(folder: Path) -> None:
    path = folder / "model.safetensors"
    whole = load_file(path)
    name = "model.layers.0.self_attn.k_proj.weight"
    save_file(whole | {name: torch.full_like(whole[name], torch.inf)}, path)
    with pytest.raises(Damaged, match=r"not finite in model\.layers\.0\.self_attn\.k_proj"):
        import_huggingface(folder)
    save_file(whole, path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(Damaged, match=r"should have \d+ bytes"):
        import_huggingface(folder)


def test_a_head_that_is_not_the_embedding_it_is_said_to_be_is_refused(folder: Path) -> None:
    """transformers would use it, and not tie."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    save_file(tensors, path, metadata={"format": "pt"})
    assert import_huggingface(folder).score(SENTENCE) > 0
    save_file(tensors | {"lm_head.weight": tensors["lm_head.weight"] * 1.01}, path)
    with pytest.raises(ExportError, match=r"lm_head\.weight is not the embedding"):
        import_huggingface(folder)
    save_file(tensors | {"lm_head.weight": torch.zeros(3, 3)}, path)
    with pytest.raises(Damaged, match=r"lm_head\.weight of shape \(3, 3\)"):
        import_huggingface(folder)


@pytest.mark.parametrize("kind", [torch.int8, torch.bool, torch.float8_e4m3fn, torch.complex64])
def test_numbers_of_another_kind_are_refused_by_name(folder: Path, kind: torch.dtype) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    save_file(tensors | {"model.norm.weight": tensors["model.norm.weight"].to(kind)}, path)
    with pytest.raises(Damaged, match=r"holds model\.norm\.weight as "):
        import_huggingface(folder)


@pytest.mark.parametrize(("layers", "found"), [(9_000, "9000 layers"), (10**12, "10000")])
def test_more_layers_than_there_are_tensors_take_no_memory(folder: Path, layers: int, found: str):
    data = json.loads((folder / "config.json").read_text("utf-8")) | {"num_hidden_layers": layers}
    (folder / "config.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ExportError, match=found):
        import_huggingface(folder)
