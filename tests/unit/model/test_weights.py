"""Weights on disk."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from laws.shapes import SHAPES, shape, some_tokens
from toys import lively_decoder

from endonym.errors import Damaged
from endonym.model import weights
from endonym.model.config import ModelConfig
from endonym.model.decoder import on_meta
from endonym.model.foreign.folder import tensor_shapes
from endonym.model.weights import load_decoder, load_tensors, save_tensors

SHAPE = shape("llama", "untied")
Tensors = dict[str, torch.Tensor]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The weights of a small llama."""
    save_tensors(dict(lively_decoder(SHAPE).state_dict()), tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES.keys())
def test_a_decoder_comes_back_as_it_was(config: ModelConfig, tmp_path: Path) -> None:
    decoder = lively_decoder(config)
    save_tensors(dict(decoder.state_dict()), tmp_path / "weights.safetensors")
    back = load_decoder(config, tmp_path / "weights.safetensors")
    wanted, found = decoder.state_dict(), back.state_dict()
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)
    # A file's tensors lie where they lie: a product may round otherwise than from aligned memory.
    tokens_BT = some_tokens(2, 6)
    answers = decoder.logits(tokens_BT), back.eval().logits(tokens_BT)
    torch.testing.assert_close(*answers, rtol=0, atol=1e-5)


def test_the_bytes_do_not_depend_on_the_order_of_the_tensors(tmp_path: Path) -> None:
    tensors = {name: torch.randn(3, 4).T for name in ("b", "a", "c")}
    save_tensors(tensors, tmp_path / "one")
    save_tensors(dict(reversed(tensors.items())), tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert torch.equal(load_tensors(tmp_path / "one")["b"], tensors["b"])


def without_one(tensors: Tensors) -> None:
    del tensors["blocks.1.ffn.gate.weight"]


def with_one_more(tensors: Tensors) -> None:
    tensors["blocks.9.ffn.gate.weight"] = torch.zeros(2)


def with_one_smaller(tensors: Tensors) -> None:
    tensors["blocks.0.mixer.key.weight"] = tensors["blocks.0.mixer.key.weight"][:5]


def with_nan(tensors: Tensors) -> None:
    tensors["blocks.0.norm.weight"][3] = torch.nan


def with_infinity(tensors: Tensors) -> None:
    tensors["embedding.weight"][3, 4] = -torch.inf


HURTS = {
    without_one: ["lacks ['blocks.1.ffn.gate.weight']"],
    with_one_more: ["unknown ['blocks.9.ffn.gate.weight']"],
    with_one_smaller: ["blocks.0.mixer.key.weight", "(5, 32)", "(32, 32)"],
    with_nan: ["not finite", "blocks.0.norm.weight"],
    with_infinity: ["not finite", "embedding.weight"],
}


@pytest.mark.parametrize(("hurt", "terms"), HURTS.items(), ids=lambda x: getattr(x, "__name__", ""))
def test_a_tensor_misfit_is_named(path: Path, hurt: Callable[[Tensors], None], terms: list[str]):
    tensors = load_tensors(path)
    hurt(tensors)
    save_tensors(tensors, path)
    with pytest.raises(Damaged) as caught:
        load_decoder(SHAPE, path)
    assert caught.value.where == str(path)
    assert path.name in caught.value.message
    for term in terms:
        assert term in caught.value.message


def test_shapes_are_refused_before_any_tensor_is_read(path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(path: Path) -> Tensors:
        raise AssertionError(f"{path} is read")

    monkeypatch.setattr(weights, "load_file", refuse)
    with pytest.raises(Damaged, match="instead of"):
        load_decoder(shape("llama", "untied", vocab=62), path)
    with pytest.raises(AssertionError, match="is read"):
        load_decoder(SHAPE, path)


def test_the_header_has_names_and_shapes(path: Path) -> None:
    wanted = {name: tuple(each.shape) for name, each in on_meta(SHAPE).state_dict().items()}
    assert tensor_shapes(path) == wanted


@pytest.mark.parametrize("name", ["mamba-plain", "mamba2-plain", "moe-biased-choice"])
def test_narrow_weights_keep_steps_and_decays_precise(name: str) -> None:
    decoder = lively_decoder(SHAPES[name])
    weights.narrow(decoder)
    wide = {n for n, each in decoder.named_parameters() if each.dtype == torch.float32}
    assert {each.partition("mixer.")[2] for each in wide} == {
        "mamba-plain": {"A_log", "step.bias"},
        "mamba2-plain": {"A_log", "step_bias"},
        "moe-biased-choice": set(),
    }[name]
    others = {each.dtype for n, each in decoder.named_parameters() if n not in wide}
    assert others == {torch.bfloat16}


def with_header(header: object, body: bytes = b"") -> bytes:
    """A file with this JSON as its header."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


ONE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
GARBAGE = {
    "nothing": b"",
    "a sentence": "Әбием мич янында утырып сөйләргә ярата.".encode(),
    "a header longer than the file": struct.pack("<Q", 1 << 40) + b"{}",
    "a header that is no JSON": struct.pack("<Q", 4) + b"{{{{",
    "a header that is no UTF-8": struct.pack("<Q", 4) + b'"\xff\xfe"',
    "a header that is a list": with_header([1, 2]),
    "an entry that is a number": with_header({"a": 3}),
    "an entry without offsets": with_header({"a": {"dtype": "F32", "shape": [2]}}),
    "one offset in place of two": with_header({"a": ONE | {"data_offsets": [0]}}, bytes(8)),
    "an unknown number format": with_header({"a": ONE | {"dtype": "F99"}}, bytes(8)),
    "a shape that does not fill its bytes": with_header({"a": ONE | {"shape": [3]}}, bytes(8)),
    "two tensors in the same bytes": with_header({"a": ONE, "b": ONE}, bytes(8)),
    "bytes that belong to nothing": with_header({"a": ONE}, bytes(9)),
    "nested too deep": struct.pack("<Q", 200_000) + b"[" * 200_000,
}


@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE.keys())
def test_a_file_that_is_no_safetensors_is_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(Damaged) as caught:
        load_tensors(path)
    assert caught.value.where == str(path)
    assert path.name in caught.value.message
    assert caught.value.do


@pytest.mark.parametrize("share", [0.1, 0.999])
def test_a_file_cut_off_anywhere_is_damaged(path: Path, share: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(Damaged, match=r"weights\.safetensors (is not a whole|should have)"):
        load_decoder(SHAPE, path)


def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        save_tensors({"a": torch.zeros(2)}, tmp_path / "missing" / "weights.safetensors")
    assert caught.value.filename == str(tmp_path / "missing" / "weights.safetensors")


def test_tensors_are_read_from_a_path_that_is_no_utf8(tmp_path: Path):
    path = tmp_path / os.fsdecode(b"weights-\xff.safetensors")
    save_tensors({"a": torch.arange(3.0)}, path)
    assert load_tensors(path)["a"].tolist() == [0, 1, 2]


def test_a_file_with_something_behind_its_tensors_is_damaged(path: Path) -> None:
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(Damaged, match=f"should have {size} bytes but has {size + 1}"):
        tensor_shapes(path)


def test_weights_may_be_read_by_whoever_may_read_other_files(tmp_path: Path, path: Path) -> None:
    (tmp_path / "other").touch()
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode
