"""GGUF files that end the program that opens them: only a process with limits ends."""

import os
import struct
from pathlib import Path

import pytest
from laws.shapes import shape
from toys import lively_decoder, toy_tokenizer

from endonym.errors import Damaged
from endonym.export.gguf.write import Provenance, export_gguf
from endonym.generate import llama_cpp
from endonym.generate.language_model import LanguageModel
from endonym.generate.llama_cpp import LlamaCpp
from endonym.limited.process import LimitedProcess

UINT32, ARRAY = 4, 9
NUMBERS = ("block_count", "embedding_length", "attention.head_count", "context_length")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    tokenizer = toy_tokenizer("bpe")
    config = shape("llama", vocab=tokenizer.vocab, context=64)
    model = LanguageModel(lively_decoder(config, seed=1), tokenizer)
    (made,) = export_gguf(model, tmp_path_factory.mktemp("gguf"), ("F32",), Provenance())
    return made.path.read_bytes()


def with_number(data: bytes, key: str, value: int) -> bytes:
    """The file with another number behind a key."""
    place = data.index(f"llama.{key}".encode()) + len(f"llama.{key}")
    assert struct.unpack_from("<I", data, place)[0] == UINT32
    return data[: place + 4] + struct.pack("<I", value) + data[place + 8 :]


def with_length(data: bytes, key: str, value: int) -> bytes:
    """The file with another length of the array behind a key."""
    place = data.index(key.encode()) + len(key)
    assert struct.unpack_from("<I", data, place)[0] == ARRAY
    return data[: place + 8] + struct.pack("<Q", value) + data[place + 16 :]


@pytest.mark.parametrize("value", [0, 10**9, 2**31, 2**32 - 1])
@pytest.mark.parametrize("key", NUMBERS)
def test_a_number_that_no_model_has_is_an_error_of_ours(
    tmp_path: Path, whole: bytes, key: str, value: int
):
    path = tmp_path / "a.gguf"
    path.write_bytes(with_number(whole, key, value))
    if key == "context_length":
        with LlamaCpp(path, context=32) as model:
            assert model.encode("су")
        return
    with pytest.raises(Damaged, match=r"llama\.cpp cannot (open|read|compute)"):
        LlamaCpp(path, context=32)


@pytest.mark.parametrize("key", ["tokenizer.ggml.tokens", "tokenizer.ggml.token_type"])
@pytest.mark.parametrize("length", [0, 10**9, 2**60, 2**64 - 1])
def test_a_list_that_is_longer_than_its_file_is_an_error_of_ours(
    tmp_path: Path, whole: bytes, key: str, length: int
):
    path = tmp_path / "a.gguf"
    path.write_bytes(with_length(whole, key, length))
    with pytest.raises(Damaged):
        LlamaCpp(path, context=32)


def test_pipes_devices_and_pieces_are_refused(tmp_path: Path, whole: bytes):
    os.mkfifo(tmp_path / "pipe.gguf")
    (tmp_path / "zero.gguf").symlink_to("/dev/zero")
    (tmp_path / "half.gguf").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "no.gguf").write_bytes(b"GGUF" + b"\xff" * 999)
    for path in tmp_path.glob("*.gguf"):
        with pytest.raises(Damaged):
            LlamaCpp(path, context=32)


def test_a_good_file_is_tried_once_whatever_it_is_called(
    tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / os.fsdecode(b"\xd2\xe5\xf5\xf2 1.gguf")
    try:
        path.write_bytes(whole)
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")
    with LlamaCpp(path, context=32) as model:
        ids = model.encode("Кояшлы көндә")
        assert model.decode(ids) == "Кояшлы көндә"
    monkeypatch.setattr(LimitedProcess, "ask", None)
    llama_cpp.require_openable(path)
    with LlamaCpp(path, context=0) as model:
        assert model.encode("Кояшлы көндә") == ids


def test_a_file_that_was_written_anew_is_tried_anew(tmp_path: Path, whole: bytes):
    """Under the same name and of the same size: other numbers take no other number of bytes."""
    path = tmp_path / "a.gguf"
    path.write_bytes(whole)
    llama_cpp.require_openable(path)
    before = path.stat()
    path.write_bytes(with_number(whole, "block_count", 10**9))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert path.stat().st_size == before.st_size
    with pytest.raises(Damaged):
        llama_cpp.require_openable(path)


def test_an_adapter_is_tried_with_its_model(tmp_path: Path, whole: bytes):
    path, adapter = tmp_path / "a.gguf", tmp_path / "adapter.gguf"
    path.write_bytes(whole)
    llama_cpp.require_openable(path)
    with pytest.raises(Damaged, match=r"llama\.cpp cannot read it"):
        llama_cpp.require_openable(path, adapter)
    os.mkfifo(adapter)
    with pytest.raises(Damaged, match=r"llama\.cpp cannot read it"):
        llama_cpp.require_openable(path, adapter)
