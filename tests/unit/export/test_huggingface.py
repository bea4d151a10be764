"""A model as a folder, and folders that are not one."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from endonym.errors import ExportError, TokenizerError
from endonym.export.huggingface import export_huggingface, import_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.tokenizer.tokenizer import END_OF_TEXT

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
    with pytest.raises(ExportError, match=r"vocab_size = 250, .* 257"):
        import_huggingface(folder)
