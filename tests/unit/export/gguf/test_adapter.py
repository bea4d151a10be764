"""The GGUF file of an adapter; tests/parity/test_llama_cpp_adapters.py runs it in llama.cpp."""

from pathlib import Path

import pytest
import torch
from laws.shapes import shape
from toys import lively_decoder

from endonym.errors import ExportError
from endonym.export.gguf.write import require_gguf_adapter, write_gguf_adapter
from endonym.model.adapt_config import Adapt
from endonym.model.lora import Change, new_changes

gguf = pytest.importorskip("gguf")


def test_one_alpha_is_right_for_matrices_of_other_scales(tmp_path: Path) -> None:
    config = shape("qwen3")
    changes = {
        "blocks.0.ffn.up": Change(torch.ones(2, 32), torch.ones(96, 2), 2.0),
        "blocks.1.ffn.down": Change(torch.ones(3, 96), torch.ones(32, 3), 0.5),
    }
    path = tmp_path / "a.gguf"
    write_gguf_adapter(config, changes, path, name="татар")
    found = gguf.GGUFReader(path)
    said = {key: found.get_field(key).contents() for key in ("general.type", "adapter.type")}
    assert said == {"general.type": "adapter", "adapter.type": "lora"}
    alpha = float(found.get_field("adapter.lora.alpha").contents())
    tensors = {each.name: each.data for each in found.tensors}
    assert tensors.keys() == {
        f"blk.{place}.weight.lora_{part}" for place in ("0.ffn_up", "1.ffn_down") for part in "ab"
    }
    for name, rank, scale in (("blk.0.ffn_up", 2, 2.0), ("blk.1.ffn_down", 3, 0.5)):
        b = tensors[f"{name}.weight.lora_b"]
        assert alpha / rank * float(b.flat[0]) == pytest.approx(scale)


def test_a_foreign_model_and_dora_are_refused() -> None:
    with pytest.raises(ExportError, match="no GGUF form"):
        require_gguf_adapter(object(), {})
    decoder = lively_decoder(shape("llama"))
    dora = new_changes(decoder, Adapt(rank=2, dora=True).resolved(), 1)
    with pytest.raises(ExportError, match="DoRA"):
        require_gguf_adapter(decoder.config, dora)
