"""serve and chat, as they are typed."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from serving import CHATML, write_gguf

from endonym.cli.answer_commands import HELP, Shaded, texts
from endonym.serve.pieces import TextPiece, Token

pytest.importorskip("xllamacpp")
Say = Callable[..., Any]


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf"))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_base_model_continues_texts_and_says_what_it_is(
    command: Say, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("Таң\n\n"))
    said = command("chat", gguf, "--max-tokens", "5", "--min-tokens", "5")
    assert said.code == 0
    assert said.out.count("> Таң") == 2
    assert f"{gguf} is a base model: it continues texts. {HELP}" in said.err
    assert f"llama.cpp runs {gguf}" in said.err


def test_lines_of_a_pipe_are_continued_and_told_as_json(
    command: Say, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Таң\nКич\n"))
    said = command("chat", gguf, "--max-tokens", "5", "--min-tokens", "5", "--json")
    found = [json.loads(line) for line in said.out.splitlines()]
    assert [(each["finish_reason"], each["tokens"]) for each in found] == [("length", 5)] * 2
    monkeypatch.setattr("sys.stdin", io.StringIO("Таң\n"))
    plain = command("chat", gguf, "--max-tokens", "5", "--min-tokens", "5")
    assert plain.out == f"Таң{found[0]['text']}\n"
    monkeypatch.setattr("sys.stdin", io.StringIO("Таң\n"))
    cold = command("chat", gguf, "--max-tokens", "5", "--temperature", "1e-46")
    assert (cold.code, "Traceback" in cold.err) == (0, False)


def test_a_model_with_a_template_holds_a_conversation(
    command: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_gguf(tmp_path, CHATML)
    monkeypatch.setattr("sys.stdin", Terminal("Сәлам\nХәлләр ничек?\n"))
    said = command("chat", path, "--max-tokens", "4")
    assert said.code == 0
    assert "Type a message" in said.err
    assert "Сәлам" not in said.out
    monkeypatch.setattr("sys.stdin", io.StringIO("Сәлам\n" * 12))
    said = command("chat", path, "--max-tokens", "4", "--json")
    assert len(said.out.splitlines()) == 12
    assert "the context holds the last" in said.err


def test_a_text_that_is_too_long_is_told(
    command: Say, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Таң атты " * 60))
    said = command("chat", gguf, "--json")
    assert said.code == 2
    assert "context is 64" in said.json()["error"]["message"]


def test_a_line_that_is_too_long_does_not_end_a_session(
    command: Say, gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "Таң атты " * 60
    for path in (gguf, write_gguf(tmp_path, CHATML)):
        monkeypatch.setattr("sys.stdin", Terminal(f"Сәлам\n{long}\nХәлләр ничек?\n"))
        said = command("chat", path, "--max-tokens", "4", "--min-tokens", "4")
        assert said.code == 0
        assert said.out.count("> ") == 4
        assert "a context of 64" in said.err or "context is 64" in said.err


def test_pieces_have_the_surprise_of_their_tokens() -> None:
    pieces = [TextPiece("а", (Token(1, -0.6931471805599453),)), TextPiece("", (Token(0, -9.0),))]
    assert list(texts(pieces, has_shades=False)) == ["а"]
    assert list(texts(pieces, has_shades=True)) == [Shaded("а", pytest.approx(1.0))]


@pytest.mark.parametrize("given", [["serve", "--port", "0"], ["chat"]])
def test_a_file_that_is_no_gguf_file_is_told_with_what_may_be(
    command: Say, tmp_path: Path, given: list[str]
) -> None:
    path = tmp_path / "recipe.toml"
    for text in ('language = "tt"\n', ""):
        path.write_text(text, encoding="utf-8")
        said = command(*given, path, "--json")
        error = said.json()["error"]
        assert (said.code, error["where"]) == (2, str(path))
        assert error["message"] == "this is no GGUF file"
        assert "a run, a model artefact" in error["do"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--host", "0.0.0.0"], "can be reached from other machines"),
        (["--port", "99999"], "--port"),
        (["--api-key-file", "/nowhere/key"], "--api-key-file"),
        (["--proxy", "https://lm.example.org"], "is no name of a host"),
    ],
)
def test_a_wrong_place_is_told_before_any_model_is_read(
    command: Say, flags: list[str], words: str
) -> None:
    said = command("serve", "no-such-model", *flags)
    assert said.code == 2
    assert words in said.err
