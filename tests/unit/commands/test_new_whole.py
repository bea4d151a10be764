"""All that new, check and new --update say of a small mixed folder, and the recipe they write."""

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_conversations import said, write_lines
from text_samples import RUSSIAN

from endonym.autopilot import machine
from endonym.commands import check as checking

EXPECTED = Path(__file__).with_name("new_whole.txt")
ASKED = [
    *(("Хәлләр ничек?", answer) for answer in ("Әйбәт.", "Әйбәт.", "Начар түгел.")),
    *((f"{n} плюс бер ничә?", f"{n + 1}.") for n in range(30)),
    *(("Син кайдан?", ""), ("", "Буш"), ("Син кайдан?", "Мин Казаннан.")),
]
PERSONS = [f"{n}. Галиева Алсу, 8-917-234-56-{n}" for n in range(10, 24)]


def answers(path: Path, rows: list[tuple[str, str]]) -> None:
    path.write_text("\n".join(["question,answer", *map(",".join, rows)]), encoding="utf-8")


def write_texts(texts: Path, sentences: list[str]) -> None:
    texts.mkdir()
    (texts / "tatar.txt").write_text("\n".join(sentences), encoding="utf-8")
    (texts / "книга.txt").write_text(f"{RUSSIAN[0]}\n" * 9, encoding="utf-8")
    (texts / "укучылар.txt").write_text("\n".join(PERSONS), encoding="utf-8")
    answers(texts / "сораулар.csv", ASKED)
    write_lines(texts / "chats.jsonl", [said("Син кайдан?", "Арчадан."), said(*ASKED[0])])


def write_more(texts: Path, sentences: list[str]) -> None:
    (texts / "яңа.txt").write_text("\n".join(sentences[::-1]), encoding="utf-8")
    (texts / "яңа китап.txt").write_text(f"{RUSSIAN[1]}\n" * 9, encoding="utf-8")
    answers(texts / "яңа сораулар.csv", [("Нинди ай?", "Март.")])


def test_what_is_said_and_written_of_a_mixed_folder(
    tmp_path: Path,
    command: Callable[..., Any],
    language_sentences: Callable[[str], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine, "measured_pace", lambda *_, **__: machine.Pace(5_000.0))
    monkeypatch.setattr(machine, "matrix_rates", lambda _: {"fp32": 1e11, "bf16": 9e10})
    monkeypatch.setattr(checking, "free_memory_bytes", lambda _: 10**10)
    recipe, found = Path("tatar", "recipe.toml"), list[str]()

    def say(*given: str) -> None:
        answer = command(*given)
        found.extend([f"$ endonym {' '.join(given)}", *answer.err.splitlines(), answer.out])

    write_texts(Path("texts"), language_sentences("tatar"))
    say("new", "tatar", "--language", "tt", "--text", "texts", "--hours", "0.02", "--verbose")
    found.append(before := recipe.read_text(encoding="utf-8"))
    say("check", "tatar")
    write_more(Path("texts"), language_sentences("tatar"))
    say("new", "tatar", "--update")
    after = recipe.read_text(encoding="utf-8").splitlines()
    changes = difflib.unified_diff(before.splitlines(), after, n=0, lineterm="")
    found += [each for each in changes if each[0] in "+-" and each[:3] not in ("+++", "---")]
    said_now = "\n".join(found).replace(f"{tmp_path}/", "HOME/")
    assert said_now == EXPECTED.read_text(encoding="utf-8")
