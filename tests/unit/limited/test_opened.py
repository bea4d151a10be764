"""Notes of strangers' files that were opened without harm, and what makes them void."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from foreign_folders import write_model
from serving import write_gguf
from toys import toy_tokenizer

from endonym.generate import llama_cpp
from endonym.limited.opened import NEVER, Opened, key_of
from endonym.limited.process import LimitedProcess
from endonym.model.foreign import weights
from endonym.model.foreign.folder import read_json
from endonym.tokenizer import untrusted

Open = Callable[[Path, Opened], object]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The functions that processes with limits were asked for. This process has tried nothing."""
    asked, ask = list[str](), LimitedProcess.ask

    def noted(self: LimitedProcess, *given: Any, **more: Any) -> dict[str, Any]:
        asked.append(self.function.partition(":")[2])
        return ask(self, *given, **more)

    monkeypatch.setattr(LimitedProcess, "ask", noted)
    return asked


def forget() -> None:
    """As a new process that has tried nothing."""
    for module in (weights, llama_cpp):
        module._tried.clear()
    untrusted._probed.clear()


def open_tokenizer(folder: Path, opened: Opened) -> None:
    untrusted.trusted_text(folder / "tokenizer.json", opened)


def open_foreign(folder: Path, opened: Opened) -> None:
    weights.require_harmless(folder, read_json(folder / "config.json"), opened)


def open_gguf(folder: Path, opened: Opened) -> None:
    pytest.importorskip("xllamacpp")
    llama_cpp.require_openable(folder / "tel-F32.gguf", opened=opened)


def folder_of(kind: str, folder: Path) -> tuple[Open, Path]:
    """How strangers' files of a kind are opened, and one of them."""
    folder.mkdir()
    if kind == "tokenizer":
        text = toy_tokenizer("bpe").to_json().replace('"ByteLevel"', '"ByteLevel"', 1)
        # Not the frame of endonym's own ones, which need not be tried.
        text = text.replace('"byte_fallback": false', '"byte_fallback": true')
        (folder / "tokenizer.json").write_text(text, encoding="utf-8")
        return open_tokenizer, folder / "tokenizer.json"
    if kind == "foreign":
        write_model("qwen2", folder)
        return open_foreign, folder / "model.safetensors"
    made = write_gguf(folder)
    made.rename(folder / "tel-F32.gguf")
    return open_gguf, folder / "tel-F32.gguf"


@pytest.mark.parametrize("kind", ["tokenizer", "foreign", "gguf"])
def test_what_was_opened_once_is_tried_again_only_when_it_has_changed(
    kind: str, tmp_path: Path, asked: list[str]
) -> None:
    open_, file = folder_of(kind, tmp_path / "model")
    opened = Opened(tmp_path / "store" / "cache" / "opened")
    for times in (1, 1):
        forget()
        open_(file.parent, opened)
        assert len(asked) == times
    before = file.stat()
    data = file.read_bytes()
    file.write_bytes(data)  # the same size, and then the same times but for that of the change
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    forget()
    open_(file.parent, opened)
    assert len(asked) == 2
    copied = tmp_path / "copied"
    shutil.copytree(file.parent, copied)  # with a note that came along
    forget()
    open_(copied, opened)
    assert len(asked) == 3
    forget()
    open_(copied, NEVER)
    assert len(asked) == 4


def test_what_does_harm_is_never_noted(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    path, notes = write_gguf(tmp_path), tmp_path / "opened"
    opened = Opened(notes)

    def fail(self: LimitedProcess, *_: object, **__: object) -> dict[str, Any]:
        raise llama_cpp.Failure("it takes more than 1 MiB of memory")

    for _ in range(2):
        forget()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LimitedProcess, "ask", fail)
            with pytest.raises(llama_cpp.Damaged, match="memory"):
                llama_cpp.require_openable(path, opened=opened)
    assert not notes.exists()


def test_a_note_is_of_the_programs_that_open_a_file_too(tmp_path: Path) -> None:
    file = tmp_path / "татар"
    file.write_text("Кояш чыкты.", encoding="utf-8")
    opened = Opened(tmp_path / "opened")
    opened.note(key_of([file], "tokenizers 1"))
    assert opened.has(key_of([file], "tokenizers 1"))
    assert not opened.has(key_of([file], "tokenizers 2"))
    assert not NEVER.has(key_of([file], "tokenizers 1"))
    Opened(file / "no folder").note("a")  # tried again the next time
    file.write_text("Кояш баеды.", encoding="utf-8")
    assert not opened.has(key_of([file], "tokenizers 1"))
