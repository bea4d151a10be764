"""A model as a folder, and folders that are not one."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from laws.shapes import shape
from safetensors.torch import load_file, save_file
from toys import lively_decoder

from endonym.errors import Damaged, ExportError, TokenizerError
from endonym.export.huggingface import export_huggingface, import_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.tokenizer import END_OF_TEXT
from endonym.tokenizer.train import train_tokenizer

FILES = [
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
]
SENTENCE = "Les moineaux du grenier savaient l’heure du pain."


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    """A small llama that reads bytes."""
    tokenizer = train_tokenizer(TokenizerConfig(kind="byte"), lambda: iter([SENTENCE]))
    return LanguageModel(lively_decoder(shape("llama", vocab=257, context=64)), tokenizer)


@pytest.fixture
def folder(model: LanguageModel, tmp_path: Path) -> Path:
    """That model, handed over."""
    export_huggingface(model, tmp_path / "handed-over")
    return tmp_path / "handed-over"


def rewrite(path: Path, change: Callable[[dict], object]) -> None:
    """Change a JSON file in place."""
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")


def test_a_folder_holds_five_files_and_says_so(model: LanguageModel, tmp_path: Path) -> None:
    assert export_huggingface(model, tmp_path / "a" / "b") == FILES
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == FILES


def test_handing_over_twice_writes_the_same_bytes(
    model: LanguageModel, folder: Path, tmp_path: Path
) -> None:
    export_huggingface(model, tmp_path / "again")
    for name in FILES:
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_the_folder_says_how_a_text_begins_and_ends(model: LanguageModel, folder: Path) -> None:
    generation = json.loads((folder / "generation_config.json").read_text("utf-8"))
    assert generation["eos_token_id"] == generation["bos_token_id"] == model.tokenizer.end_id
    tokens = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    assert tokens["eos_token"] == tokens["bos_token"] == END_OF_TEXT
    assert tokens["model_max_length"] == 64


def test_a_model_that_came_back_scores_and_continues_alike(
    model: LanguageModel, folder: Path
) -> None:
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
    assert caught.value.where == str(folder / "tokenizer.json")


def test_a_tokenizer_of_another_size_is_refused(folder: Path) -> None:
    rewrite(folder / "config.json", lambda data: data.update(vocab_size=250))
    with pytest.raises(ExportError, match=r"vocab_size = 250 .* 257"):
        import_huggingface(folder)


def test_weights_in_several_files_are_refused_with_advice(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    with pytest.raises(ExportError, match=r"no model\.safetensors") as caught:
        import_huggingface(folder)
    assert "saved again" in caught.value.do


@pytest.mark.parametrize(
    ("family", "name", "ours"),
    [
        ("llama", "model.layers.1.mlp.up_proj.weight", "blocks.1.ffn.up.weight"),
        ("gpt2", "transformer.h.1.attn.c_attn.weight", "blocks.1.mixer.key.weight"),
        ("gpt2", "transformer.h.0.mlp.c_fc.weight", "blocks.0.ffn.up.weight"),
    ],
)
@pytest.mark.parametrize("sizes", [(), (1,), (3, 5), (2, 2, 2)])
def test_misshapen_weights_are_damaged_and_named(
    model: LanguageModel, tmp_path: Path, family: str, name: str, ours: str, sizes: tuple
) -> None:
    decoder = lively_decoder(shape(family, vocab=257, context=64))
    export_huggingface(LanguageModel(decoder, model.tokenizer), tmp_path)
    path = tmp_path / "model.safetensors"
    save_file(load_file(path) | {name: torch.zeros(sizes)}, path)
    with pytest.raises(Damaged) as caught:
        import_huggingface(tmp_path)
    layer_part = ours.split(".mixer.")[0]
    assert layer_part in caught.value.message
    assert caught.value.where == str(path)


def test_missing_cut_off_and_endless_weights_are_damaged(folder: Path) -> None:
    path = folder / "model.safetensors"
    whole = load_file(path)
    name = "model.layers.0.self_attn.k_proj.weight"
    save_file({key: tensor for key, tensor in whole.items() if key != name}, path)
    with pytest.raises(Damaged, match=r"lacks .*blocks\.0\.mixer\.key\.weight"):
        import_huggingface(folder)
    save_file(whole | {name: torch.full_like(whole[name], torch.inf)}, path)
    with pytest.raises(Damaged, match=r"not finite in blocks\.0\.mixer\.key\.weight"):
        import_huggingface(folder)
    save_file(whole, path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(Damaged, match=r"should have \d+ bytes"):
        import_huggingface(folder)
