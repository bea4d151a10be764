"""The small recipe in a folder, run up to its model by tests of training and its progress."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endonym.log import read_jsonl


class Killed(BaseException):
    """Stands for a kill: nothing after it runs."""


@dataclass
class Project:
    """A recipe, its store beside it, and the command line."""

    recipe: Path
    command: Callable[..., Any]

    @property
    def store(self) -> Path:
        return self.recipe.parent / "store"

    def run(self, *arguments: object, sets: tuple[str, ...] = ()) -> Any:
        """What a run until the model says; sets: overrides of keys."""
        given = [part for each in sets for part in ("--set", each)]
        until = [] if "--until" in arguments else ["--until", "model"]
        return self.command("run", self.recipe, "--store", self.store, *until, *given, *arguments)

    def edit(self, *changes: tuple[str, str]) -> None:
        """Replace parts of the recipe, each where it first stands."""
        text = self.recipe.read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        self.recipe.write_text(text, encoding="utf-8")

    def journal(self, event: str = "") -> list[dict[str, Any]]:
        """The lines of the model's journal, all of them or those of an event."""
        return journal_of(self.recipe.parent, event)

    def steps(self) -> list[int]:
        return [line["step"] for line in self.journal("step")]


def journal_of(folder: Path, event: str = "") -> list[dict[str, Any]]:
    (path,) = (folder / "store" / "journal").glob("model-*.jsonl")
    return [line for line in read_jsonl(path) if event in ("", line["event"])]
