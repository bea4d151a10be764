"""llama.cpp in this process: reading in parts, and files and installations that are not whole."""

import builtins
import ctypes
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from laws.shapes import shape
from toys import lively_decoder, toy_tokenizer

from endonym.errors import Damaged, ExportError
from endonym.export.gguf.write import Provenance, export_gguf
from endonym.generate import llama_cpp
from endonym.generate.language_model import LanguageModel
from endonym.generate.llama_cpp import BATCH, LlamaCpp, library, version
from endonym.limited.process import LimitedProcess

CONTEXT = BATCH + 90
SENTENCE = "Кояшлы көндә балалар болында уйный. "


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokenizer = toy_tokenizer("bpe")
    config = shape("llama", vocab=tokenizer.vocab, context=CONTEXT)
    model = LanguageModel(lively_decoder(config, seed=1), tokenizer)
    (made,) = export_gguf(model, tmp_path_factory.mktemp("gguf"), ("F32",), Provenance())
    return made


@pytest.fixture
def engine(file: Path) -> Iterator[LlamaCpp]:
    with LlamaCpp(file, cache="f32") as opened:
        yield opened


def test_a_text_longer_than_a_batch_is_read_in_parts(engine: LlamaCpp) -> None:
    ids = ([engine.start_id, *engine.encode(SENTENCE * 60)])[:CONTEXT]
    assert len(ids) == CONTEXT
    whole = engine.logits(ids)
    assert whole.shape == (CONTEXT, engine.vocab)
    engine.clear()
    parts = [*engine.read(ids[:7]), *engine.read(ids[7:])]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=2e-5)


def test_only_the_last_logits_are_computed_where_only_they_are_asked(engine: LlamaCpp) -> None:
    ids = engine.encode(SENTENCE)
    (last,) = engine.read(ids, all_logits=False)
    assert last.shape == (1, engine.vocab)
    np.testing.assert_allclose(last[0], engine.logits(ids)[-1], atol=2e-5)


def test_what_was_read_is_remembered_until_it_is_cleared(engine: LlamaCpp) -> None:
    ids = engine.encode(SENTENCE)
    alone = engine.logits(ids)
    list(engine.read(ids))
    (after,) = engine.read(ids)
    assert np.abs(after - alone).max() > 0.01
    np.testing.assert_array_equal(engine.logits(ids), alone)


def test_a_text_longer_than_the_context_is_refused(engine: LlamaCpp) -> None:
    with pytest.raises(ExportError, match=f"{CONTEXT + 1} tokens, but a context of {CONTEXT}"):
        engine.logits([5] * (CONTEXT + 1))


def test_specials_are_read_by_name_only_where_that_is_asked(engine: LlamaCpp) -> None:
    assert engine.start_id not in engine.encode("<|endoftext|>")
    assert engine.encode("а", opens=True, by_name=True)[0] == engine.start_id
    assert engine.encode("<|endoftext|>", opens=True, by_name=True)[-1] == engine.start_id
    assert engine.ends(engine.start_id)
    assert not engine.ends(engine.encode("а")[0])


def test_the_vocabulary_alone_is_enough_for_text(file: Path) -> None:
    with LlamaCpp(file, context=0) as engine:
        assert engine.decode(engine.encode(SENTENCE)) == SENTENCE
        engine.close()  # which may be done twice


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 0.99])
def test_a_cut_file_is_damaged(file: Path, tmp_path: Path, share: float) -> None:
    data = file.read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(Damaged, match=r"llama\.cpp cannot read it"):
        LlamaCpp(cut)


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("xllamacpp"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ExportError) as caught:
        library.__wrapped__()
    assert 'pip install "endonym[gguf]"' in caught.value.do


def test_a_library_with_other_structs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = llama_cpp.STRUCTS["context_params"]._fields_

    class Shifted(ctypes.Structure):
        _fields_ = (("new", ctypes.c_uint32), *fields)

    monkeypatch.setitem(llama_cpp.STRUCTS, "context_params", Shifted)
    with pytest.raises(ExportError, match="laid out otherwise"):
        library.__wrapped__()
    monkeypatch.undo()
    library.__wrapped__()


def test_the_version_names_both() -> None:
    assert "xllamacpp 2026.10" in version()


@pytest.mark.parametrize("context", [32, 300])
def test_a_shorter_context_is_kept_to(file: Path, context: int) -> None:
    with LlamaCpp(file, context=context) as engine:
        assert (engine.context, engine.trained_context) == (context, CONTEXT)
        assert engine.logits([5] * context).shape == (context, engine.vocab)
        with pytest.raises(ExportError, match=f"{context + 1} tokens, but a context of {context}"):
            engine.logits([5] * (context + 1))


def test_several_texts_have_the_whole_context_each(file: Path) -> None:
    context = 300
    with LlamaCpp(file, context=context, sequences=3, cache="f32") as engine:
        rows = np.array([engine.encode(SENTENCE * 40)[n : n + context] for n in (0, 1, 2)])
        found: list[np.ndarray] = []
        for first in range(0, context, 100):
            ids = np.ascontiguousarray(rows[:, first : first + 100]).astype(np.int32)
            sequences = np.repeat(np.arange(3, dtype=np.int32), 100)
            positions = np.tile(np.arange(first, first + 100, dtype=np.int32), 3)
            asked = np.ones(300, dtype=np.int8)
            logits = engine.compute(ids.ravel(), positions, sequences, asked)
            found.append(logits.reshape(3, 100, -1))
    whole = np.concatenate(found, axis=1)
    with LlamaCpp(file, context=context, cache="f32") as alone:
        for row, logits in zip(rows.tolist(), whole, strict=True):
            np.testing.assert_allclose(logits, alone.logits(row), atol=1e-4)


def rows_of(engine: LlamaCpp, count: int, length: int) -> list[list[int]]:
    ids = engine.encode(SENTENCE * 60)
    return [ids[n : n + length] for n in range(count)]


def computed(engine: LlamaCpp, parts: dict[int, list[int]], past: int) -> np.ndarray:
    """The logits of parts of texts in one batch."""
    ids = np.concatenate([np.asarray(each, dtype=np.int32) for each in parts.values()])
    length = len(ids) // len(parts)
    sequences = np.repeat(np.array([*parts], dtype=np.int32), length)
    positions = np.tile(np.arange(past, past + length, dtype=np.int32), len(parts))
    asked = np.ones(len(ids), dtype=np.int8)
    return engine.compute(ids, positions, sequences, asked).reshape(len(parts), length, -1)


@pytest.mark.parametrize("family", ["llama", "mamba2"])
def test_memory_grows_with_the_texts_and_changes_nothing(family: str, tmp_path: Path) -> None:
    """A second and a fifth text come while the first ones are in the middle; all grow long."""
    tokenizer = toy_tokenizer("bpe")
    config = shape(family, vocab=tokenizer.vocab, context=2_048)
    model = LanguageModel(lively_decoder(config, seed=1), tokenizer)
    (made,) = export_gguf(model, tmp_path, ("F32",), Provenance())
    with LlamaCpp(made, context=2_048, cache="f32") as alone:
        rows = rows_of(alone, 5, 640)
        expected = np.stack([alone.logits(row) for row in rows])
    with LlamaCpp(made, context=2_048, sequences=25, cache="f32") as engine:
        engine.logits(rows[0][:9])
        engine.clear()
        assert (engine._sequences, engine._room) == (1, llama_cpp.FIRST_ROOM)
        found = {0: [computed(engine, {0: rows[0][:100]}, 0)[0]]}
        for count, first, end in ((2, 0, 100), (5, 0, 100), (5, 100, 200), (5, 200, 300)):
            new = [n for n in range(count) if n not in found or first]
            logits = computed(engine, {n: rows[n][first:end] for n in new}, first)
            for n, part in zip(new, logits, strict=True):
                found.setdefault(n, []).append(part)
        assert (engine._sequences, engine._room) == (5, llama_cpp.FIRST_ROOM)
        for first in range(300, 640, 85):
            logits = computed(
                engine, {n: row[first : first + 85] for n, row in enumerate(rows)}, first
            )
            for n, part in enumerate(logits):
                found[n].append(part)
        assert (engine._sequences, engine._room) == (5, 2 * llama_cpp.FIRST_ROOM)
        whole = np.stack([np.concatenate(found[n]) for n in range(5)])
        np.testing.assert_allclose(whole, expected, atol=2e-4)
        engine.forget(3)
        anew = computed(engine, {3: rows[1][:50]}, 0)[0]
        np.testing.assert_allclose(anew, expected[1, :50], atol=2e-4)


def test_where_there_is_no_memory_for_more_texts_those_before_stay(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LlamaCpp(file, context=64, sequences=4, cache="f32") as engine:
        rows = rows_of(engine, 2, 20)
        computed(engine, {0: rows[0][:10]}, 0)
        new_context = engine._new_context
        full = lambda *_, **__: engine._new_context(1 << 40, 1 << 40)  # noqa: E731
        monkeypatch.setattr(engine, "_read_on", full)

        def no_memory(sequences: int, room: int) -> object:
            if sequences > 8:
                raise ExportError("no memory")
            return new_context(sequences, room)

        monkeypatch.setattr(engine, "_new_context", no_memory)
        with pytest.raises(ExportError, match="no memory"):
            computed(engine, {1: rows[1][:10]}, 0)
        after = computed(engine, {0: rows[0][10:]}, 10)[0]
    with LlamaCpp(file, context=64, cache="f32") as alone:
        np.testing.assert_allclose(after, alone.logits(rows[0])[10:], atol=1e-4)


UINT32, ARRAY = 4, 9
NUMBERS = ("block_count", "embedding_length", "attention.head_count", "context_length")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    tokenizer = toy_tokenizer("bpe")
    config = shape("llama", vocab=tokenizer.vocab, context=64)
    model = LanguageModel(lively_decoder(config, seed=1), tokenizer)
    (made,) = export_gguf(model, tmp_path_factory.mktemp("gguf"), ("F32",), Provenance())
    return made.read_bytes()


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
def test_an_impossible_number_is_an_error(tmp_path: Path, whole: bytes, key: str, value: int):
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
def test_a_list_beyond_its_file_is_an_error(tmp_path: Path, whole: bytes, key: str, length: int):
    path = tmp_path / "a.gguf"
    path.write_bytes(with_length(whole, key, length))
    with pytest.raises(Damaged):
        LlamaCpp(path, context=32)


def test_pipes_devices_pieces_and_missing_files_are_refused(tmp_path: Path, whole: bytes):
    os.mkfifo(tmp_path / "pipe.gguf")
    (tmp_path / "zero.gguf").symlink_to("/dev/zero")
    (tmp_path / "half.gguf").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "no.gguf").write_bytes(b"GGUF" + b"\xff" * 999)
    for path in (*tmp_path.glob("*.gguf"), tmp_path / "none.gguf"):
        with pytest.raises(Damaged, match=r"llama\.cpp cannot (open|read)"):
            LlamaCpp(path, context=32)


def test_a_good_file_is_tried_once(tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch):
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
    adapter.unlink()
    writer = gguf.GGUFWriter(adapter, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_string("adapter.lora.alpha", "бер")  # text for a number ends the process
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(Damaged, match=r"a\.gguf with .*adapter\.gguf: llama\.cpp cannot open it"):
        llama_cpp.require_openable(path, adapter)
