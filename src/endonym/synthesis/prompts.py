"""What is answered, or written as it is: a grammar, or a file of prompts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endonym.disk import file_hash, open_regular
from endonym.errors import RecipeError, first_line
from endonym.store import fingerprint
from endonym.synthesis.grammar import Grammar
from endonym.synthesis.grammar_file import grammar_files

JSON_LINES = (".jsonl", ".ndjson")
FIELD = "prompt"
FORMS = (
    "PROMPTS is a grammar (.toml, or a folder), a text file with one prompt a line, or JSON lines "
    f'(.jsonl) with a field "{FIELD}".'
)


@dataclass(frozen=True, slots=True)
class Prompts:
    """Prompts by number: those of a list again and again, or those of a grammar."""

    listed: Sequence[str] = ()
    grammar: Grammar | None = None
    seed: int = 0

    def prompt(self, index: int) -> str:
        """One prompt."""
        if self.grammar is not None:
            return self.grammar.text(index, self.seed)
        return self.listed[index % len(self.listed)]


def source_hash(path: Path) -> str:
    """The hash of a grammar, or of a file of prompts. Raises RecipeError if there is none."""
    if path.is_dir():
        files = {each.relative_to(path).as_posix(): each for each in grammar_files(path)}
        return fingerprint({name: file_hash(each) for name, each in files.items()})
    if not path.is_file():
        raise RecipeError(
            "this is no regular file" if path.exists() else "there is no such file",
            where=path,
            do=FORMS,
        )
    return file_hash(path)


def is_grammar(path: Path) -> bool:
    """Whether this is a grammar, by its name; a folder is."""
    return path.suffix.lower() == ".toml" or path.is_dir()


def read_prompts(path: Path) -> list[str]:
    """The prompts in a file. Raises RecipeError for none, and for a line that is none."""
    with open_regular(path) as file:
        data = file.read()
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise RecipeError(
            "this is not UTF-8", where=f"{path}, line {number}", do="Save it as UTF-8."
        ) from error
    filled = [(number, line.strip("\r")) for number, line in enumerate(lines, 1) if line.strip()]
    if path.suffix.lower() in JSON_LINES:
        prompts = [_field(line, f"{path}, line {number}") for number, line in filled]
    else:
        prompts = [line for _, line in filled]
    if not prompts:
        raise RecipeError("there is no prompt in it", where=path, do=FORMS)
    return prompts


def _field(line: str, where: str) -> str:
    """The prompt in a line of JSON."""
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"this is no JSON: {first_line(error)}", where=where, do=FORMS) from error
    prompt = value.get(FIELD) if isinstance(value, dict) else None
    if not isinstance(prompt, str) or not prompt.strip():
        raise RecipeError(f'there is no text in a field "{FIELD}"', where=where, do=FORMS)
    return prompt
