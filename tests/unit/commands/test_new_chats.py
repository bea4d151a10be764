"""What new says of conversations among the texts."""

from collections.abc import Callable
from pathlib import Path

import pytest
from made_conversations import conversations, write_lines

from endonym.autopilot import machine
from endonym.commands.new import write_recipe
from endonym.log import Log
from endonym.recipe.recipe import Recipe


def test_conversations_are_counted_and_learnt(
    tmp_path: Path,
    language_sentences: Callable[[str], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(machine, "measured_pace", lambda *_: machine.Pace(5_000.0))
    monkeypatch.setattr(machine, "matrix_rates", lambda _: {"fp32": 1e11, "bf16": 9e10})
    (texts := tmp_path / "texts").mkdir()
    (texts / "tatar.txt").write_text("\n".join(language_sentences("tatar")), encoding="utf-8")
    write_lines(texts / "chats.jsonl", conversations(7))
    home, store = tmp_path / "әңгәмә", tmp_path / "store"
    path, _ = write_recipe(home, language="tt", texts=[texts], hours=0.01, store=store, log=Log())
    said = " ".join(capsys.readouterr().err.split())
    assert "1 file, 7 conversations" in said
    assert "endonym chat" in said
    assert Recipe.load(path).phase[-1].objective == "chat"
