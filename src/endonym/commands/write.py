"""Writes synthetic text into a folder: by a grammar, by a server, or by our own model."""

import glob
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from endonym.log import Log, counted, duration, number, rounded, size
from endonym.synthesis.grammar import Grammar
from endonym.synthesis.grammar_texts import grammar_record, missing, write_texts
from endonym.synthesis.plan import Plan, claimed
from endonym.synthesis.prompts import Prompts
from endonym.synthesis.shards import ONLY_THOUGHT, Answer, Ask, Shards, json_line

SAMPLES = 200
"""Texts of a grammar from which the size of all is estimated."""
MOST_CASTS = 10**18
"""A larger number of casts is told as this one: it may have thousands of digits."""


class Writer(Protocol):
    """What answers prompts."""

    def answer_all(self, asks: Iterator[Ask], take: Callable[[Answer], None]) -> None:
        """Give an answer to each prompt to `take`, in any order; raise if that cannot be."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """What is in the folder now, and what this command added to it.

    texts, rejects, tokens: in all. left: without an answer yet. new: texts and rejects of this
    command, in so many seconds.
    """

    texts: int
    left: int
    new: int
    seconds: float
    files: Sequence[Path]
    tokens: int = 0
    rejects: dict[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Texts a second."""
        return self.new / max(self.seconds, 1e-9)

    def as_dict(self) -> dict[str, Any]:
        """The object of `--json`."""
        return {
            "texts": self.texts,
            "rejects": self.rejects,
            "left": self.left,
            "new": self.new,
            "tokens": self.tokens,
            "seconds": round(self.seconds, 3),
            "files": [str(path) for path in self.files],
        }


def write_grammar(plan: Plan, path: Path, folder: Path, *, workers: int, log: Log) -> Written:
    """Write the texts of a grammar, in processes. What is there already stays."""
    begun = time.monotonic()
    grammar = Grammar.load(path)
    if plan.count > grammar.casts:
        log.warn(
            f"its slots in [cast] have {counted(grammar.casts, 'combination')}: later texts "
            "differ from these only in what is drawn by chance"
        )
    with claimed(folder, plan):
        todo = sum(len(plan.span(shard)) for shard in missing(plan, folder))
        with log.progress("writing", plan.count, done=plan.count - todo) as advance:
            write_texts(plan, path, folder, workers=workers, advance=advance)
    files = [folder / plan.file(shard) for shard in range(plan.shards)]
    return Written(plan.count, 0, todo, time.monotonic() - begun, files)


def write_answers(
    plan: Plan,
    prompts: Prompts,
    folder: Path,
    make_writer: Callable[[bool], Writer],
    *,
    model: str,
    budget: int | None = None,
    log: Log,
    doing: str = "writing",
) -> Written:
    """Write what a model answers, until all is answered or the budget of tokens is spent.

    make_writer: gives the writer; is told whether texts of it are there. model: its name in texts.
    doing: in the progress. Our own model answers a batch at once: those under way count as long.
    """
    most_tokens = plan.sampling["max_tokens"] if plan.writer == "model" else 0
    with claimed(folder, plan), Shards(folder, plan, model) as shards:
        before = len(shards.done)
        begun = time.monotonic()

        def is_affordable(under_way: int) -> bool:
            return budget is None or shards.tokens + under_way * most_tokens < budget

        def asks() -> Iterator[Ask]:
            asked = len(shards.done)
            for index in shards.todo():
                if not is_affordable(asked - len(shards.done)):
                    return
                asked += 1
                yield Ask(index, prompts.prompt(index), plan.text_seed(index))

        with log.progress(doing, plan.count, done=before) as advance:

            def take(answer: Answer) -> None:
                answer = answer.without_thoughts()
                if answer.thought or answer.reason == ONLY_THOUGHT:
                    how = "they are removed, and the field `thought` gives their length"
                    log.warn(f"the model writes its thoughts first; {how}", once="thought")
                shards.add(answer)
                new = len(shards.done) - before
                rate = new / max(1e-9, time.monotonic() - begun)
                rejects = shards.rejects.total()
                said = [f"{rate:.1f} texts/s", f"{number(shards.tokens)} tokens"]
                said += [f"{number(rejects)} rejects"] if rejects else []
                advance(int(answer.is_last), " · ".join(said))

            if before < plan.count:
                writer = make_writer(shards.texts > 0)
                while len(shards.done) < plan.count and is_affordable(0):
                    writer.answer_all(asks(), take)
        shards.settle()
        return Written(
            shards.texts,
            plan.count - len(shards.done),
            len(shards.done) - before,
            time.monotonic() - begun,
            sorted(folder.glob(f"{plan.name}-*.jsonl")),
            shards.tokens,
            dict(sorted(shards.rejects.items())),
        )


def describe(written: Written) -> str:
    """One line of what is there now."""
    rejects = ", ".join(f"{why} {number(count)}" for why, count in written.rejects.items())
    total = sum(written.rejects.values())
    said = [
        counted(written.texts, "text"),
        f"{counted(total, 'reject')} ({rejects})" if total else "",
        counted(written.tokens, "token") if written.tokens else "",
        f"{written.rate:,.1f} texts/s in {duration(written.seconds)}" if written.new else "",
        counted(len(written.files), "file"),
    ]
    return " · ".join(filter(None, said))


def source_table(plan: Plan, folder: Path) -> str:
    """The table of a recipe that reads the texts."""
    pattern = f"{glob.escape(str(folder.absolute()))}/{glob.escape(plan.name)}-*.jsonl"
    path = json.dumps(pattern, ensure_ascii=False)
    return f'[[source]]\nname = "{plan.name}"\npath = {path}\nsynthetic = true'


def foreseen(plan: Plan, grammar: Grammar | None, n_prompts: int) -> dict[str, Any]:
    """What a plan would write, as `--dry-run` says it. grammar: of which the texts are."""
    found: dict[str, Any] = {"texts": plan.count, "files": plan.shards}
    if plan.writer == "grammar" and grammar is not None:
        sample = range(0, plan.count, max(1, plan.count // SAMPLES))
        sizes = [len(json_line(grammar_record(plan, grammar, index))) for index in sample]
        found["bytes"] = rounded(plan.count * sum(sizes) / len(sizes))
    else:
        found["most_tokens"] = plan.count * plan.sampling["max_tokens"]
    if grammar is not None:
        found["casts"] = min(MOST_CASTS, grammar.casts)
    else:
        found["prompts"] = n_prompts
    return found


def describe_foreseen(found: dict[str, Any]) -> str:
    """The same for people."""
    rows = {"texts": f"{number(found['texts'])} in {counted(found['files'], 'file')}"}
    if "bytes" in found:
        rows["size"] = f"about {size(found['bytes'])}"
    else:
        rows["tokens"] = f"at most {number(found['most_tokens'])}, and those of the prompts"
    if "casts" in found:
        casts = "10^18 or more" if found["casts"] == MOST_CASTS else number(found["casts"])
        rows["casts"] = f"{casts} combinations of the slots in [cast]"
    else:
        rows["prompts"] = f"{number(found['prompts'])}, again and again with other seeds"
    return "\n".join(f"{name:<10}{text}" for name, text in rows.items())
