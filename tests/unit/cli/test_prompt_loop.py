"""Prompts at a terminal, one after the other."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from endonym.cli.answer_commands import (
    CHAT_HELP,
    HELP,
    Messages,
    Shaded,
    conversation_loop,
    prompt_loop,
    write_text,
)
from endonym.errors import RecipeError

Say = Callable[..., Any]


class Terminal(io.StringIO):
    """Typed lines, from something that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def type_in(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(text))


def test_a_line_is_continued_and_enter_alone_continues_it_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in("\nӘбием мич\n\nLe facteur", monkeypatch)
    asked: list[tuple[str, int]] = []

    def continued(prompt: str, seed: int) -> Iterator[str]:
        asked.append((prompt, seed))
        yield " …"

    prompt_loop(continued, seed=7)
    assert asked == [("", 7), ("Әбием мич", 8), ("Әбием мич", 9), ("Le facteur", 10)]
    said = capsys.readouterr()
    lines = [" …", "Әбием мич …", "Әбием мич …", "Le facteur …"]
    assert said.out == "".join(f"> {line}\n" for line in lines) + "> "
    assert said.err.startswith(HELP)


def test_ctrl_c_stops_a_continuation_and_not_the_loop(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in("Таң\nКич\n", monkeypatch)

    def continued(prompt: str, seed: int) -> Iterator[str]:
        yield " беренче"
        if seed == 0:
            raise KeyboardInterrupt
        yield " икенче"

    prompt_loop(continued, seed=0)
    said = capsys.readouterr().out
    assert "Таң беренче\n" in said
    assert "Кич беренче икенче\n" in said


def test_generate_without_a_prompt_asks_at_a_terminal_and_nowhere_else(
    finished: Path, command: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["generate", "kechkena", "--max-tokens", "60", "--store", finished / "store"]
    once = command(*given, "Әбием мич", "--seed", "1").out
    unasked = command(*given, "").out
    for nothing in (io.StringIO("\n"), None):
        monkeypatch.setattr("sys.stdin", nothing)
        assert command(*given).out == unasked
    type_in("Таң\nӘбием мич\n", monkeypatch)
    said = command(*given)
    assert said.code == 0
    assert once in said.out
    assert HELP in said.err
    assert len(command(*given, "--json").out.splitlines()) == 1


def test_a_text_runs_on_for_forty_tokens_under_every_seed(finished: Path, command: Say) -> None:
    given = ["generate", "kechkena", "Таң", "--store", finished / "store", "--json"]
    assert all(command(*given, "--seed", seed).json()["tokens"] >= 40 for seed in range(4))


def test_ctrl_c_ends_generate_and_says_so(
    finished: Path, command: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*given: object, **keys: object) -> Iterator[str]:
        yield " беренче"
        raise KeyboardInterrupt

    monkeypatch.setattr("endonym.generate.language_model.LanguageModel.stream", stopped)
    said = command("generate", "kechkena", "Таң", "-n", "2", "--store", finished / "store")
    assert (said.code, said.out) == (130, "Таң беренче\n")
    assert "interrupted" in said.err


def test_controls_of_a_terminal_in_a_text_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    write_text("Таң\x1b]0;", [" атты\n", "\x9b2J\x07"])
    assert capsys.readouterr().out == "Таң\\x1b]0; атты\n\\x9b2J\\x07\n"


def test_lines_from_a_pipe_are_prompts_and_no_seed_is_used_twice(
    finished: Path, command: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["generate", "kechkena", "--max-tokens", "8", "--store", finished / "store"]
    alone = [
        command(*given, prompt, "--seed", seed).out
        for seed, prompt in enumerate(("Әбием мич", "Әбием мич", "ភូមិ", "ភូមិ"))
    ]
    piped = "\ufeffӘбием мич\r\n\r\nភូមិ".encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(piped), encoding="ascii"))
    said = command(*given, "-n", "2")
    assert said.out == "\n".join(alone)
    assert HELP not in said.err
    monkeypatch.setattr("sys.stdin", io.StringIO("Таң\nКич\n"))
    texts = [json.loads(line)["text"] for line in command(*given, "--json").out.splitlines()]
    assert len(set(texts)) == 2


def test_a_conversation_grows_and_enter_alone_asks_for_another_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in("\nСәлам\n\nХәлләр?\n", monkeypatch)
    asked: list[tuple[list[str], int]] = []

    def answered(messages: Messages, seed: int) -> Iterator[str]:
        asked.append(([each["content"] for each in messages], seed))
        yield f"җавап {seed}"
        if seed == 3:
            raise KeyboardInterrupt

    conversation_loop(answered, seed=0)
    assert asked == [(["Сәлам"], 1), (["Сәлам"], 2), (["Сәлам", "җавап 2", "Хәлләр?"], 3)]
    said = capsys.readouterr()
    assert said.out == "> > җавап 1\n> җавап 2\n> җавап 3\n> "
    assert said.err.startswith(CHAT_HELP)


def test_what_is_refused_is_told_and_forgotten_and_the_loop_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ("Сәлам", "ы" * 99, "", "Хәлләр?")
    heard: list[list[str]] = []

    def answered(messages: Messages, seed: int) -> Iterator[str]:
        heard.append([each["content"] for each in messages])
        if len(heard[-1][-1]) > 50:
            raise RecipeError("a message of 99 tokens", where="MESSAGE")
        return iter([f"җавап {seed}"])

    type_in("\n".join(lines), monkeypatch)
    conversation_loop(answered, seed=0)
    assert heard[2:] == [["Сәлам"], ["Сәлам", "җавап 2", "Хәлләр?"]]
    assert "MESSAGE: a message of 99 tokens\n" in capsys.readouterr().err
    heard.clear()
    type_in("\n".join(lines), monkeypatch)
    prompt_loop(lambda text, seed: answered([{"content": text}], seed), seed=0)
    assert heard == [["Сәлам"], ["ы" * 99], ["Сәлам"], ["Хәлләр?"]]
    assert "җавап 2" in capsys.readouterr().out


def test_surprise_is_a_colour_of_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    out.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdout", out)
    write_text("", [Shaded("Таң", 0.2), Shaded("\x1b[31m", 5.0), Shaded("!", 30.0)])
    plain, middle, high = out.getvalue().rstrip("\n").split("\x1b[0m")[:3]
    assert plain == "Таң"
    assert "48;5;216m" in middle
    assert middle.endswith("\\x1b[31m")
    assert "48;5;196m" in high
