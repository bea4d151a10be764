"""The recipe that mends what the doctor has found: its sources and its [clean], to be copied."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from endonym.autopilot.evidence import ALWAYS
from endonym.autopilot.findings import Finding
from endonym.config import Config
from endonym.errors import printable
from endonym.recipe.written import toml
from endonym.text.clean.rules import step_names
from endonym.text.config import Clean, Source

NEEDS = {
    "min_language_score": ("language", "contrast", "min_language_score"),
    "split_languages": ("language", "contrast", "split_languages"),
    "min_script_share": ("script", "min_script_share"),
}
"""Rules that need other keys."""
COPIES = ("exact", "near", "paragraphs")
UNKNOWN = "x-mine"
"""The code of a language that nobody has named."""
TRAINING = "everything else is chosen from the texts and the machine"
WIDE = 28


def recommended(clean: Clean, findings: Sequence[Finding]) -> Clean:
    """Of the rules that were switched on, those that did something, and those for every corpus."""
    names = {each.name for each in findings}
    steps = tuple(step for step in clean.normalize if step in names or step in ALWAYS)
    given = clean.model_dump(exclude_defaults=True)
    keys: dict[str, Any] = {"normalize": steps, "dedup": clean.dedup}
    for name in [each for each in given if each in names and each not in keys]:
        keys |= {key: given[key] for key in NEEDS.get(name, (name,)) if key in given}
    return Clean.model_validate(keys)


def prescribed(findings: Sequence[Finding], clean: Clean) -> list[Finding]:
    """The findings, each with the lines of [clean] that mend it. clean: what is recommended."""
    return [
        each if each.recipe else replace(each, recipe=lines_for(each.name, clean))
        for each in findings
    ]


def lines_for(name: str, clean: Clean) -> str:
    """The lines of [clean] for a rule; empty if no key of it does anything."""
    given = clean.model_dump(exclude_defaults=True)
    keys = NEEDS.get(name, (name,))
    if name in step_names():
        keys = ("normalize",)
    elif name in COPIES:
        keys = ("dedup",)
    return "\n".join(f"{key} = {toml(given[key])}" for key in keys if key in given)


def recipe_text(
    name: str,
    language: str,
    sources: Sequence[Source],
    clean: Clean,
    *,
    findings: Sequence[Finding] = (),
    notes: Sequence[str] = (),
) -> str:
    """A recipe with these sources and this cleaning; each key that mends says what it mends.

    notes: comments at its beginning.
    """
    head = [*(f"# {each}" for each in notes), f"name = {toml(name)}"]
    head.append(f"language = {toml(language or UNKNOWN)}")
    parts = ["\n".join(map(printable, head))]
    for source in sources:
        lines = ["[[source]]", *_lines(source)]
        if not source.license:
            lines.append('# license = "…": what these texts may be used under')
        parts.append("\n".join(lines))
    reasons = {each.name: f"{each.title.lower()}: {each.count:,}" for each in findings}
    parts.append("\n".join(["[clean]", *_lines(clean, reasons)]))
    parts.append(f'[[phase]]  # {TRAINING}\nname = "pretrain"')
    return "\n\n".join(parts) + "\n"


def _lines(config: Config, reasons: dict[str, str] | None = None) -> list[str]:
    """The fields of a config that differ from defaults, one a line, with reasons."""
    lines: list[str] = []
    for key, value in config.model_dump(exclude_defaults=True).items():
        line, reason = f"{key} = {toml(value)}", (reasons or {}).get(key)
        lines.append(f"{line:<{WIDE}}# {reason}" if reason else line)
    return lines
