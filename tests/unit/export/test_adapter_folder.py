"""Folders of adapters: what is written, and what is refused when it is read."""

import json
from pathlib import Path

import pytest
import torch
from laws.shapes import shape
from toys import lively_decoder

from endonym.errors import Damaged, EndonymError, ExportError
from endonym.export.adapters import (
    CONFIG,
    OURS,
    TENSORS,
    adapter_folder,
    adapter_identity,
    base_identity,
    base_name_of,
    is_adapter,
    model_around,
    read_adapter,
    write_adapter,
)
from endonym.model.adapt_config import Adapt
from endonym.model.decoder import Decoder
from endonym.model.lora import Change, attach, new_changes
from endonym.model.weights import load_tensors, save_tensors

ADAPT = Adapt(rank=2, on=("query",)).resolved()


def written(folder: Path, family: str = "llama", seed: int = 1) -> tuple[Path, Decoder]:
    decoder = lively_decoder(shape(family), seed=seed)
    changes = new_changes(decoder, ADAPT, 1)
    write_adapter(folder, decoder, changes, base_name="татарча")
    return folder, decoder


def test_a_folder_names_its_base_and_holds_the_adapter(tmp_path: Path) -> None:
    folder, decoder = written(tmp_path / "model" / "adapter")
    assert {each.name for each in folder.iterdir()} == {TENSORS, CONFIG, OURS}
    assert base_name_of(folder) == "татарча"
    assert adapter_folder(tmp_path / "model") == folder == adapter_folder(folder)
    assert len(set(adapter_identity(folder))) == 3
    assert model_around(folder) is None
    (folder.parent / "manifest.json").touch()
    assert model_around(folder) == folder.parent
    assert model_around(folder.with_name("other")) is None
    assert is_adapter(folder)
    assert not is_adapter(tmp_path)
    assert read_adapter(folder, decoder).keys() == new_changes(decoder, ADAPT, 1).keys()


def test_the_identity_of_a_base_is_that_of_its_weights_alone() -> None:
    decoder = lively_decoder(shape("gpt2"), seed=1)
    before = base_identity(decoder)
    attach(decoder, new_changes(decoder, ADAPT, 1))
    assert base_identity(decoder) == before
    with torch.no_grad():
        decoder.positions.weight += 1  # pyright: ignore[reportOptionalMemberAccess]
    assert base_identity(decoder) == before  # a shorter context cuts them
    with torch.no_grad():
        decoder.embedding.weight[3, 3] += 1e-6
    assert base_identity(decoder) != before


def test_the_adapter_of_another_base_is_refused(tmp_path: Path) -> None:
    folder, _ = written(tmp_path)
    other = lively_decoder(shape("llama"), seed=2)
    with pytest.raises(ExportError, match="adapter of another base"):
        read_adapter(folder, other)
    (folder / OURS).unlink()  # as peft writes it, which knows no hash
    assert read_adapter(folder, other)
    assert base_name_of(folder) == "татарча"
    narrow = lively_decoder(shape("llama", layers=1), seed=1)
    with pytest.raises(ExportError, match="which endonym does not adapt"):
        read_adapter(folder, narrow)
    wide = lively_decoder(shape("llama", dim=64), seed=1)
    with pytest.raises(ExportError, match="would fit"):
        read_adapter(folder, wide)


def test_what_peft_cannot_hold_is_kept_by_our_own_names(tmp_path: Path) -> None:
    decoder = lively_decoder(shape("mamba2", "hybrid"), seed=1)
    changes = new_changes(decoder, Adapt(rank=2, dora=True).resolved(), 1)
    assert "does not support" in write_adapter(tmp_path, decoder, changes, base_name="x")
    assert not (tmp_path / CONFIG).exists()
    found = read_adapter(tmp_path, decoder)
    assert all(torch.equal(found[name].a, each.a) for name, each in changes.items())
    record = json.loads((tmp_path / OURS).read_text("utf-8"))
    record["scales"]["blocks.7.mixer.query"] = 1.0
    (tmp_path / OURS).write_text(json.dumps(record), "utf-8")
    with pytest.raises(Damaged, match="not whole"):
        read_adapter(tmp_path, decoder)


BROKEN = [
    (CONFIG, b"{", "no readable adapter_config.json"),
    (CONFIG, b"[]", "not a JSON object"),
    (CONFIG, b"{" + b" " * (1 << 24) + b"}", "has more than 16,777,216 bytes"),
    (OURS, b"\xff", "no readable endonym.json"),
    (TENSORS, b"\x08", "not a whole safetensors file"),
]


@pytest.mark.parametrize(("name", "content", "said"), BROKEN)
def test_broken_files_are_told(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    folder, decoder = written(tmp_path)
    (folder / name).write_bytes(content)
    with pytest.raises(Damaged, match=said):
        read_adapter(folder, decoder)


QUERY = "blocks.2.mixer.query"
PAIR = {f"{QUERY}.lora_A": torch.ones(2, 32), f"{QUERY}.lora_B": torch.ones(32, 2)}


NOT_WHOLE = [
    (PAIR, [1], "no table of numbers"),
    (PAIR, {}, "no table of numbers"),
    (PAIR, {QUERY: float("nan")}, "no table of numbers"),
    (PAIR, {QUERY: True}, "no table of numbers"),
    (PAIR, {QUERY: 1, "blocks.2.mixer.key": 1}, "no lora_A and lora_B of blocks.2.mixer.key"),
    (PAIR | {"blocks.2.mixer.key.lora_B": torch.ones(32, 2)}, {QUERY: 1}, "no scale for"),
    ({name: each[0] for name, each in PAIR.items()}, {QUERY: 1}, r"\(32,\) and \(2,\)"),
    ({name: each[0, 0] for name, each in PAIR.items()}, {QUERY: 1}, r"\(\) and \(\)"),
]


@pytest.mark.parametrize(("tensors", "scales", "said"), NOT_WHOLE)
def test_a_folder_of_our_own_names_that_is_not_whole_is_refused(
    tensors: dict[str, torch.Tensor], scales: object, said: str, tmp_path: Path
) -> None:
    decoder = lively_decoder(shape("mamba2", "hybrid"), seed=1)
    save_tensors({name: each.clone() for name, each in tensors.items()}, tmp_path / TENSORS)
    (tmp_path / OURS).write_text(json.dumps({"scales": scales}), "utf-8")
    with pytest.raises(Damaged, match=f"not whole.*{said}") as caught:
        read_adapter(tmp_path, decoder)
    assert Path(caught.value.where).name == (OURS if "no table" in said else TENSORS)


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    folder, decoder = written(tmp_path)
    tensors = load_tensors(folder / TENSORS)
    first = next(iter(tensors))
    tensors[first][0, 0] = torch.nan
    save_tensors(tensors, folder / TENSORS)
    with pytest.raises(Damaged, match="not finite"):
        read_adapter(folder, decoder)


def test_a_folder_without_an_adapter_is_told_and_a_pickle_is_not_opened(tmp_path: Path) -> None:
    decoder = lively_decoder(shape("llama"), seed=1)
    with pytest.raises(ExportError, match=f"no {TENSORS}"):
        read_adapter(tmp_path, decoder)
    (tmp_path / "adapter_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(ExportError, match="a pickle, which could run code"):
        read_adapter(tmp_path, decoder)
    save_tensors({"x": torch.ones(1)}, tmp_path / TENSORS)
    with pytest.raises(EndonymError, match=f"no {CONFIG}"):
        read_adapter(tmp_path, decoder)


def test_changes_in_bf16_are_read_in_fp32(tmp_path: Path) -> None:
    decoder = lively_decoder(shape("mamba2", "hybrid"), seed=1)
    change = Change(torch.ones(2, 32), torch.zeros(32, 2), 1.0)
    write_adapter(tmp_path, decoder, {"blocks.2.mixer.query": change}, base_name="")
    tensors = {n: each.bfloat16() for n, each in load_tensors(tmp_path / TENSORS).items()}
    save_tensors(tensors, tmp_path / TENSORS)
    (tmp_path / OURS).write_text(json.dumps({"scales": {"blocks.2.mixer.query": 1.0}}), "utf-8")
    assert read_adapter(tmp_path, decoder)["blocks.2.mixer.query"].a.dtype == torch.float32
