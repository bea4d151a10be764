"""A folder in the transformers format, before any tensor is read."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from foreign_folders import write_model
from laws.shapes import shape

from endonym.errors import ExportError, ShapeError
from endonym.model.count import cache_bytes, flops_per_token, parameters
from endonym.model.foreign import folder
from endonym.model.foreign.folder import ForeignConfig, folder_files, foreign_config, require_rows
from endonym.model.memory import training_bytes
from endonym.model.weights import load_tensors, save_tensors


def test_sizes_and_parameters_come_from_the_headers(tmp_path: Path) -> None:
    network = write_model("gemma3", tmp_path)
    config = foreign_config(tmp_path)
    assert (config.family, config.vocab, config.dim, config.layers) == ("gemma3_text", 600, 32, 3)
    assert (config.context, config.tied) == (64, True)
    count = parameters(config)
    assert count.total == config.parameters == network.num_parameters()
    assert (count.embedding, count.head) == (600 * 32, 0)
    assert flops_per_token(config) == 6 * (count.total + 3 * 32 * 64)
    assert cache_bytes(config, 10) == 2 * 3 * 2 * 8 * 10 * 4
    assert training_bytes(config, 256, "bf16") > training_bytes(config, 256, "fp32") / 2
    assert folder.read_shape(json.loads(json.dumps(config.model_dump()))) == config


def test_a_context_and_keys_are_those_that_are_said_or_the_usual(tmp_path: Path) -> None:
    write_model("gemma3", tmp_path)
    given = foreign_config(tmp_path).transformers
    bare = {k: each for k, each in given.items() if k != "max_position_embeddings"}
    said = ({"n_positions": 77}, {"head_dim": 12}, {"head_dim": 0}, {"num_key_value_heads": None})
    found = [foreign_config(tmp_path, bare | each) for each in said]
    assert [each.context for each in found] == [77, 1024, 1024, 1024]
    assert [each.remembered for each in found] == [16, 24, 16, 32]


def test_an_untied_head_is_counted(tmp_path: Path) -> None:
    network = write_model("qwen2", tmp_path)
    count = parameters(config := foreign_config(tmp_path))
    assert (count.total, count.head) == (network.num_parameters(), 600 * 32)
    assert flops_per_token(config, 10) == 6 * (count.total - count.embedding + 3 * 32 * 10)
    silent = {k: each for k, each in config.transformers.items() if k != "tie_word_embeddings"}
    assert foreign_config(tmp_path, silent) == config.model_copy(update={"transformers": silent})


def test_a_tied_head_that_is_stored_beside_its_table_counts_once(tmp_path: Path) -> None:
    network = write_model("gemma3", tmp_path)
    before = foreign_config(tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = load_tensors(path)
    table = network.get_input_embeddings().weight.detach().clone()
    save_tensors(tensors | {"lm_head.weight": table}, path)
    assert foreign_config(tmp_path) == before
    untied = before.transformers | {"tie_word_embeddings": False}
    assert foreign_config(tmp_path, untied).parameters == before.parameters + table.numel()


def test_nothing_of_this_needs_torch(tmp_path: Path) -> None:
    write_model("gemma3", tmp_path)
    code = (
        "import sys; from pathlib import Path; from endonym.export.shapes import folder_shape\n"
        f"assert folder_shape(Path({str(tmp_path)!r})).parameters\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_rows_are_at_most_as_long_as_a_model_reads(tmp_path: Path) -> None:
    write_model("gemma3", tmp_path)
    for config in (foreign_config(tmp_path), shape("mistral", "whole-window")):
        require_rows(config, config.context)
        more = config.context + 1
        with pytest.raises(ShapeError, match=f"rows of {more} tokens for a model that") as caught:
            require_rows(config, more)
        assert caught.value.where == "pack.context"


def test_an_artefact_without_its_weights_is_not_taken_for_a_folder_of_transformers(tmp_path: Path):
    config = shape("llama").model_dump_json()
    (tmp_path / "config.json").write_text(config, encoding="utf-8")
    for read in (foreign_config, folder_files):
        with pytest.raises(ExportError, match=r"weights\.safetensors is missing") as caught:
            read(tmp_path)
        assert "whole copy" in caught.value.do


def test_the_files_that_decide_are_named(tmp_path: Path) -> None:
    write_model("gemma3", tmp_path)
    (tmp_path / "README.md").write_text("a card", encoding="utf-8")
    names = [path.name for path in folder_files(tmp_path)]
    tokens = ["tokenizer.json", "tokenizer_config.json", "generation_config.json"]
    assert names == ["config.json", "model.safetensors", *tokens]
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ExportError, match=r"no model\.safetensors"):
        folder_files(tmp_path)


def test_a_wider_vocabulary_adds_a_row_to_each_table() -> None:
    sizes = {"family": "x", "vocab": 600, "context": 64, "dim": 32, "layers": 3}
    for tied, tables in ((True, 1), (False, 2)):
        theirs = {"vocab_size": 600, "hidden_size": 32}
        config = ForeignConfig(**sizes, tied=tied, parameters=50_000, transformers=theirs)
        wider = folder.with_vocab(config, 610)
        assert isinstance(wider, ForeignConfig)
        assert (wider.vocab, wider.parameters) == (610, 50_000 + tables * 10 * 32)
        assert wider.transformers == {"vocab_size": 610, "hidden_size": 32}
        assert parameters(wider).blocks == parameters(config).blocks


TOO_MANY = [("num_hidden_layers", 100_001), ("n_head", 10**6), ("encoder_layers", 10**6)]
TOO_LARGE = [("intermediate_size", 1 << 33), ("layer_sizes", [4, -(1 << 33)])]


@pytest.mark.parametrize(("key", "value"), [*TOO_MANY, *TOO_LARGE])
def test_numbers_that_no_model_has_are_refused(tmp_path: Path, key: str, value: object) -> None:
    write_model("gemma3", tmp_path)
    given = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert foreign_config(tmp_path, given | {"rope_theta": 1 << 40}).layers == 3
    for changed in ({key: value}, {"nested": {"deeper": {key: value}}}):
        with pytest.raises(ExportError, match=f"for {key}"):
            foreign_config(tmp_path, given | changed)


def test_weights_in_several_files_are_those_that_the_index_names(tmp_path: Path) -> None:
    network = write_model("gemma3", tmp_path / "whole")
    network.save_pretrained(tmp_path / "parts", max_shard_size="60KB")
    whole, parts = (foreign_config(tmp_path / name) for name in ("whole", "parts"))
    assert parts.parameters == whole.parameters
    names = [path.name for path in folder_files(tmp_path / "parts")]
    weights = sorted(path.name for path in (tmp_path / "parts").glob("*.safetensors"))
    assert names[: 1 + len(weights)] == ["config.json", *weights]
    assert names[1 + len(weights)] == "model.safetensors.index.json"
    assert len(weights) > 1
    path = tmp_path / "parts" / "model.safetensors.index.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    (tmp_path / "outside.safetensors").write_bytes(b"")
    for name in ("../outside.safetensors", "none.safetensors"):
        changed = {"weight_map": {"a": name}}
        path.write_text(json.dumps(index | changed), encoding="utf-8")
        with pytest.raises(ExportError, match="which is not here"):
            folder_files(tmp_path / "parts")
