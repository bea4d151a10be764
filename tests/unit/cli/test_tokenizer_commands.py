"""tokenizer compare, as it is typed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from toys import toy_tokenizer

Say = Callable[..., Any]


def test_a_run_and_a_file_are_compared_on_the_dev_documents(
    command: Say, finished: Path, tmp_path: Path
) -> None:
    toy_tokenizer("unigram").save(tmp_path)
    names = ("kechkena", tmp_path)
    given = ("--store", finished / "store")
    ours, other = command("tokenizer", "compare", *names, *given, "--json").json()["tokenizers"]
    assert ours["train_seconds"] > 0
    assert other["train_seconds"] is None
    assert ours["total"]["bytes"] == other["total"]["bytes"] > 500
    said = command("tokenizer", "compare", *names, *given)
    assert said.code == 0
    assert "cut letters" in said.out


def test_what_cannot_be_read_ends_with_advice(command: Say, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{", encoding="utf-8")
    said = command("tokenizer", "compare", tmp_path, "--text", tmp_path / "tokenizer.json")
    assert said.code == 1
    assert "Traceback" not in said.err
    assert command("tokenizer", "compare", "nothing", "--text", tmp_path).code == 2
