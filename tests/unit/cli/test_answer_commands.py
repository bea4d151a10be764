"""generate, serve and chat, as they are typed; prompts at a terminal, one after the other."""

import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from serving import CHATML, write_gguf

from endonym.cli import answer_commands
from endonym.cli.answer_commands import HELP, Messages, Shaded, prompt_loop, texts, write_text
from endonym.cli.main import cli
from endonym.errors import RecipeError
from endonym.serve.pieces import TextPiece, Token

Captured = pytest.CaptureFixture[str]

Patch = pytest.MonkeyPatch

Say = Callable[..., Any]


class Terminal(io.StringIO):
    """Typed lines, from something that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def type_in(text: str, monkeypatch: Patch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(text))


def test_enter_continues_anew(monkeypatch: Patch, capsys: Captured):
    type_in("\nӘбием мич\n\nLe facteur", monkeypatch)
    asked: list[tuple[str, int]] = []

    def continued(prompt: str, seed: int) -> Iterator[str]:
        asked.append((prompt, seed))
        yield " …"

    prompt_loop(lambda text, seed: (text, continued(text, seed)), seed=7)
    assert asked == [("", 7), ("Әбием мич", 8), ("Әбием мич", 9), ("Le facteur", 10)]
    said = capsys.readouterr()
    lines = [" …", "Әбием мич …", "Әбием мич …", "Le facteur …"]
    assert said.out == "".join(f"> {line}\n" for line in lines) + "> "
    assert said.err == f"{HELP}\n\n"


def test_ctrl_c_stops_one_text(monkeypatch: Patch, capsys: Captured):
    type_in("Таң\nКич\n", monkeypatch)

    def continued(prompt: str, seed: int) -> Iterator[str]:
        yield " беренче"
        if seed == 0:
            raise KeyboardInterrupt
        yield " икенче"

    prompt_loop(lambda text, seed: (text, continued(text, seed)), seed=0)
    said = capsys.readouterr().out
    assert "Таң беренче\n" in said
    assert "Кич беренче икенче\n" in said


def test_only_a_terminal_is_asked(finished: Path, command: Say, monkeypatch: Patch):
    given = ["generate", "kechkena", "--max-tokens", "60", "--store", finished / "store"]
    once = command(*given, "Әбием мич", "--seed", "1").out
    spelled = command(*given, "Әбии\u0306ем мич", "--seed", "1").out
    assert spelled.startswith("Әбийем мич"), "as the training text is spelled"
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


def test_suggested_words_begin_with_what_is_typed(finished: Path, command: Say, monkeypatch: Patch):
    given = ["suggest", "kechkena", "--store", finished / "store"]
    told = json.loads(command(*given, "Әбием м", "-n", "5", "--json").out)
    words = [each["word"] for each in told["suggestions"]]
    assert len(words) == 5
    assert all(word.startswith("м") and len(word) > 1 for word in words)
    chances = [each["probability"] for each in told["suggestions"]]
    assert chances == sorted(chances, reverse=True)
    type_in("Әбием м\n\nТаң \n", monkeypatch)
    first, second = command(*given).out.split("\n\n")
    assert first.splitlines() == words[:3]
    assert len(second.splitlines()) == 3


def test_ctrl_c_ends_generate(finished: Path, command: Say, monkeypatch: Patch):
    def stopped(*given: object, **keys: object) -> Iterator[str]:
        yield " беренче"
        raise KeyboardInterrupt

    monkeypatch.setattr("endonym.generate.language_model.LanguageModel.stream", stopped)
    said = command("generate", "kechkena", "Таң", "-n", "2", "--store", finished / "store")
    assert (said.code, said.out) == (130, "Таң беренче\n")
    assert "interrupted" in said.err


def test_controls_of_a_terminal_in_a_text_are_escaped(capsys: Captured) -> None:
    write_text("Таң\x1b]0;", [" атты\n", "\x9b2J\x07"])
    assert capsys.readouterr().out == "Таң\\x1b]0; атты\n\\x9b2J\\x07\n"


def test_no_seed_is_used_twice(finished: Path, command: Say, monkeypatch: Patch):
    given = ["generate", "kechkena", "--max-tokens", "8", "--store", finished / "store"]
    prompts = enumerate(("Әбием мич", "Әбием мич", "ភូមិ", "ភូមិ"))
    alone = [command(*given, prompt, "--seed", seed).out for seed, prompt in prompts]
    piped = "\ufeffӘбием мич\r\n\r\nភូមិ".encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(piped), encoding="ascii"))
    said = command(*given, "-n", "2")
    assert said.out == "\n".join(alone)
    assert HELP not in said.err
    monkeypatch.setattr("sys.stdin", io.StringIO("Таң\nКич\n"))
    texts = [json.loads(line)["text"] for line in command(*given, "--json").out.splitlines()]
    monkeypatch.setattr("sys.stdin", io.StringIO("Таң\nКич\n"))
    assert command(*given).out == "Таң{}\n\nКич{}\n".format(*texts)


def test_commands_end_a_pipe_too(capsys: Captured) -> None:
    lines = ["Сәлам", "/help", "/exit", "Хәлләр?"]
    assert [*answer_commands.commanded(lines, "Ctrl-D")] == ["Сәлам"]
    assert capsys.readouterr().err == "Ctrl-D\n"


def test_enter_asks_once_more(monkeypatch: Patch, capsys: Captured):
    type_in("\nСәлам\n\nХәлләр?\n/new\n\nКояш?\n", monkeypatch)
    asked: list[tuple[list[str], int]] = []

    def answered(messages: Messages, seed: int) -> Iterator[str]:
        asked.append(([each["content"] for each in messages], seed))
        yield f"җавап {seed}"
        if seed == 3:
            raise KeyboardInterrupt

    answer_commands.conversation_loop(answered, seed=0)
    assert asked[:2] == [(["Сәлам"], 1), (["Сәлам"], 2)]
    assert asked[2:] == [(["Сәлам", "җавап 2", "Хәлләр?"], 3), (["Кояш?"], 6)]
    said = capsys.readouterr()
    assert said.out == "> > җавап 1\n> җавап 2\n> җавап 3\n> > > җавап 6\n> "
    assert said.err.startswith(answer_commands.CHAT_HELP)


def test_what_is_refused_is_told_and_forgotten(monkeypatch: Patch, capsys: Captured):
    lines = ("Сәлам", "ы" * 99, "", "Хәлләр?")
    heard: list[list[str]] = []

    def answered(messages: Messages, seed: int) -> Iterator[str]:
        heard.append([each["content"] for each in messages])
        if len(heard[-1][-1]) > 50:
            raise RecipeError("a message of 99 tokens", where="MESSAGE")
        return iter([f"җавап {seed}"])

    type_in("\n".join(lines), monkeypatch)
    answer_commands.conversation_loop(answered, seed=0)
    assert heard[2:] == [["Сәлам"], ["Сәлам", "җавап 2", "Хәлләр?"]]
    assert "MESSAGE: a message of 99 tokens\n" in capsys.readouterr().err
    heard.clear()
    type_in("\n".join(lines), monkeypatch)
    prompt_loop(lambda text, seed: (text, answered([{"content": text}], seed)), seed=0)
    assert heard == [["Сәлам"], ["ы" * 99], ["Сәлам"], ["Хәлләр?"]]
    assert "җавап 2" in capsys.readouterr().out


def test_surprise_is_a_colour_of_the_background(monkeypatch: Patch) -> None:
    out = io.StringIO()
    out.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdout", out)
    write_text("", [Shaded("Таң", 0.2), Shaded("\x1b[31m", 5.0), Shaded("!", 30.0)])
    plain, middle, high = out.getvalue().rstrip("\n").split("\x1b[0m")[:3]
    assert plain == "Таң"
    assert "48;5;216m" in middle
    assert middle.endswith("\\x1b[31m")
    assert "48;5;196m" in high


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("xllamacpp")
    return write_gguf(tmp_path_factory.mktemp("gguf"))


def test_a_base_model_continues_texts(command: Say, gguf: Path, monkeypatch: Patch):
    monkeypatch.setattr("sys.stdin", Terminal("Таң\n\n"))
    said = command("chat", gguf, "--max-tokens", "5", "--min-tokens", "5")
    assert said.code == 0
    assert said.out.count("> Таң") == 2
    assert f"{gguf} is a base model: it continues texts. {HELP}" in said.err
    assert f"llama.cpp runs {gguf}" in said.err


def test_pipes_are_continued_as_json(command: Say, gguf: Path, monkeypatch: Patch):
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
    monkeypatch.setattr("sys.stdin", io.StringIO("/new\n"))
    new = command("chat", gguf, "--max-tokens", "5", "--min-tokens", "5").out
    assert new.startswith("/new"), "a base model has no conversation to begin again"


def test_a_template_makes_a_conversation(command: Say, tmp_path: Path, monkeypatch: Patch):
    path = write_gguf(tmp_path, CHATML)
    monkeypatch.setattr("sys.stdin", Terminal("Сәлам\nХәлләр ничек?\n"))
    said = command("chat", path, "--max-tokens", "4")
    assert said.code == 0
    assert "Type a message" in said.err
    assert "Сәлам" not in said.out
    monkeypatch.setattr("sys.stdin", io.StringIO("Сәлам\n" * 12))
    said = command("chat", path, "--max-tokens", "4", "--json")
    assert len(said.out.splitlines()) == 12
    assert re.search(r"the context holds the last \d+ of 23 messages", said.err)


def test_a_piped_conversation_begins_anew_and_after_a_system_message(
    command: Say, tmp_path: Path, monkeypatch: Patch
) -> None:
    given = ["chat", write_gguf(tmp_path, CHATML), "--max-tokens", "4", "--temperature", "0"]
    told: list[list[str]] = []
    for system in ([], ["--system", "Кыска җавап бир."]):
        monkeypatch.setattr("sys.stdin", io.StringIO("Сәлам\nХәлләр?\n/new\nСәлам\n"))
        lines = command(*given, *system, "--json").out.splitlines()
        told.append([json.loads(line)["text"] for line in lines])
    assert [len(each) for each in told] == [3, 3]
    assert told[0][0] == told[0][2] != told[1][2] == told[1][0]


def test_a_base_model_takes_no_system_message(command: Say, gguf: Path) -> None:
    said = command("chat", gguf, "--system", "Кыска җавап бир.")
    assert (said.code, "--system" in said.err) == (2, True)


def test_an_answer_may_be_short(command: Say, tmp_path: Path, monkeypatch: Patch) -> None:
    path, lines = write_gguf(tmp_path, CHATML, context=1024), "Сәлам\n".encode() * 8 + b"\xe9\n"
    given = ["chat", path, "--max-tokens", "40", "--temperature", "9", "--json"]
    for least, reasons in ([], {"end", "length"}), (["--min-tokens", "40"], {"length"}):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines)))
        found = [json.loads(line) for line in command(*given, *least).out.splitlines()]
        assert len(found) == 9
        assert {each["finish_reason"] for each in found} == reasons


def test_a_text_may_not_be_short(command: Say, gguf: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Таң\n" * 6))
    said = command("chat", gguf, "--max-tokens", "40", "--temperature", "9", "--json")
    found = [json.loads(line)["finish_reason"] for line in said.out.splitlines()]
    assert found == ["length"] * 6


def test_an_adapter_that_does_not_fit_the_model_begins_no_conversation(
    command: Say, tmp_path: Path, monkeypatch: Patch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Сәлам\n"))
    (model := tmp_path / "тел.gguf").write_bytes(b"GGUF")
    said = command("chat", model, "--adapter", tmp_path / "yomshak", "--json")
    assert (said.code, said.json()["error"]["where"]) == (2, "--adapter")


def test_serve_says_where_its_pages_are(command: Say, monkeypatch: Patch) -> None:
    def ready(*given: object, **keys: Any) -> None:
        keys["ready"]("http://127.0.0.1:8000", ["тел", "km"])

    monkeypatch.setattr("endonym.commands.serve.serve", ready)
    loading, page, api, *rest = command("serve", "тел", "km").err.splitlines()
    assert loading.startswith("loading тел and km")
    assert page == "page: http://127.0.0.1:8000/"
    assert api.startswith("API:  http://127.0.0.1:8000/v1 (as OpenAI's;")
    assert api.endswith("at http://127.0.0.1:8000/docs)")
    assert rest == ["models: тел, km", "Ctrl-C ends."]


def test_a_long_line_ends_no_session(command: Say, gguf: Path, tmp_path: Path, monkeypatch: Patch):
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
def test_what_is_no_gguf_file_is_told(command: Say, tmp_path: Path, given: list[str]):
    path = tmp_path / "recipe.toml"
    for text in ('language = "tt"\n', ""):
        path.write_text(text, encoding="utf-8")
        said = command(*given, path, "--json")
        error = said.json()["error"]
        assert (said.code, error["where"]) == (2, str(path))
        assert error["message"] == "this is no GGUF file"
        assert "a run, a model artefact" in error["do"]


WRONG_PLACES = [
    (["--host", "0.0.0.0"], "can be reached from other machines"),
    (["--port", "99999"], "--port"),
    (["--api-key-file", "/nowhere/key"], "--api-key-file"),
    (["--proxy", "https://lm.example.org"], "is no name of a host"),
]


@pytest.mark.parametrize(("flags", "words"), WRONG_PLACES)
def test_a_wrong_place_is_told_before_any_model_is_read(command: Say, flags: list[str], words: str):
    said = command("serve", "no-such-model", *flags)
    assert said.code == 2
    assert words in said.err


def test_generate_and_chat_have_the_same_flags_with_the_same_defaults() -> None:
    context = click.Context(cli)
    found: list[dict[str, object]] = []
    for name in ("generate", "chat"):
        command = cli.get_command(context, name)
        found.append({each.name or "": each.default for each in command.params})
    names = [name for name in found[0] if name in found[1]]
    assert len(names) >= len(answer_commands.SAMPLING_OPTIONS) == 9
    assert all(found[0][name] == found[1][name] for name in names)
