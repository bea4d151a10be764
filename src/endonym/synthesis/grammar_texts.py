"""Writes the texts of a grammar, file by file, in several processes. A file is whole or absent."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from endonym.disk import Json, flush_folder
from endonym.errors import RecipeError
from endonym.synthesis.grammar import Grammar
from endonym.synthesis.plan import Plan
from endonym.synthesis.prompts import source_hash
from endonym.synthesis.shards import json_line
from endonym.workers import Advance, Job, Result, runner

WORK = ".work"
"""The folder of the records of jobs under way."""
READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Task:
    """One file to write."""

    plan: Plan
    grammar: Path
    folder: Path
    shard: int


def write_texts(plan: Plan, grammar: Path, folder: Path, *, workers: int, advance: Advance) -> None:
    """Write the files that are missing or shorter than the plan says.

    The bytes are the same for any number of workers. advance: is told of new texts.
    """
    work = folder / WORK
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    jobs = [
        Job(Task(plan, grammar, folder, shard), work / f"{shard}.json", len(plan.span(shard)))
        for shard in missing(plan, folder)
    ]
    with runner(min(workers, max(1, len(jobs)))) as running:
        for _ in running.run(write_shard, jobs, advance):
            pass
    shutil.rmtree(work, ignore_errors=True)


def missing(plan: Plan, folder: Path) -> Iterator[int]:
    """The files that are not there, or have not as many texts as the plan. Others are whole: a
    file gets its name last."""
    for shard in range(plan.shards):
        path = folder / plan.file(shard)
        if not path.is_file() or count_lines(path) != len(plan.span(shard)):
            yield shard


def count_lines(path: Path) -> int:
    """The line ends in a file."""
    with path.open("rb") as file:
        return sum(part.count(b"\n") for part in iter(partial(file.read, READ_BYTES), b""))


def write_shard(task: Task, advance: Advance) -> Result:
    """Write one file: first under another name, then renamed."""
    plan = task.plan
    grammar = _loaded(task.grammar, task.plan.source)
    path = task.folder / plan.file(task.shard)
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        for index in plan.span(task.shard):
            file.write(json_line(grammar_record(plan, grammar, index)))
            advance(1)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    flush_folder(task.folder)
    return {"texts": len(plan.span(task.shard))}


@cache
def _loaded(path: Path, source: str) -> Grammar:
    """The grammar, read once in each process. Raises RecipeError if it is no longer the plan's."""
    if source_hash(path) != source:
        raise RecipeError(
            "the grammar was changed just now",
            where=path,
            do="Put it back, or write the texts of the new one into another folder.",
        )
    return Grammar.load(path)


def grammar_record(plan: Plan, grammar: Grammar, index: int) -> Json:
    """What is written of a grammar's text."""
    return {
        "id": plan.text_id(index),
        "text": grammar.text(index, plan.seed),
        "index": index,
        "seed": plan.seed,
        "slots": grammar.slots(index, plan.seed),
    }
