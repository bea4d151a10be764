"""The files of answers, which grow answer by answer and outlive a kill.

An answer is appended to `NAME-00000.jsonl.part`, or to `rejects.jsonl` if it is no text. When all
of a file's numbers are answered, its lines are sorted and it gets its name. What is done stands in
these files and nowhere else: they are read when the work goes on, and a torn last line is cut.
What odd answers of a server cost (endpoint.py) stands in `spent.jsonl`.
"""

import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from endonym.disk import Json, write_atomic
from endonym.errors import Damaged
from endonym.synthesis.plan import SHARD, SPENT, Plan

REJECTS = "rejects.jsonl"
ONLY_THOUGHT = "only_thought"
"""Why an answer is no text that holds nothing else."""
THOUGHTS = re.compile(r"\A(?:(?!<think>).)*?</think>|<think>.*?(?:</think>|\Z)", re.DOTALL)
"""What models write before they answer. Where a template opens it, the first mark is missing."""
ANSWERED = "its text is then written again."
PAID = "its tokens then no longer count."
"""What follows where a line is removed, of the files of answers and of what was paid."""
SYNC_SECONDS = 1.0
"""How often what was appended is flushed to the disk itself; to the system it is at once."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A prompt to answer, with the number of the text and its seed."""

    index: int
    prompt: str
    seed: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a prompt. tokens: what this answer cost, with the prompt.

    reason: why it is no text; empty if it is one. thought: characters that were removed from it.
    is_seeded: whether the server took the seed. is_last: False if the prompt will be asked again,
    and this says only what a failed answer cost.
    """

    ask: Ask
    text: str = ""
    finish_reason: str | None = None
    tokens: int = 0
    reason: str = ""
    thought: int = 0
    is_seeded: bool = True
    is_last: bool = True

    def without_thoughts(self) -> "Answer":
        """The text alone. A reject stays as it is, and so does what is nothing but thoughts."""
        if self.reason or "think>" not in self.text:
            return self
        text, found = THOUGHTS.subn("", self.text)
        text = text.strip()
        if found and not text:
            return replace(self, reason=ONLY_THOUGHT)
        return replace(self, text=text, thought=len(self.text) - len(text)) if found else self


@dataclass
class Shards:
    """The answers in a folder. A context manager: the end of it closes the files.

    done: the numbers that are answered, by a text or a reject. texts, rejects: of these. tokens:
    of all that was paid.
    """

    folder: Path
    plan: Plan
    model: str

    def __post_init__(self) -> None:
        self.done = set[int]()
        self.rejects = Counter[str]()
        self.texts = self.tokens = 0
        self._files: dict[Path, IO[bytes]] = {}
        self._synced = time.monotonic()
        self._left = [len(self.plan.span(shard)) for shard in range(self.plan.shards)]
        self._read()

    def __enter__(self) -> "Shards":
        return self

    def __exit__(self, *_: object) -> None:
        for path in [*self._files]:
            self._close_file(path)

    def todo(self) -> Iterator[int]:
        """The numbers without an answer, in order."""
        return (index for index in range(self.plan.count) if index not in self.done)

    def add(self, answer: Answer) -> None:
        """Write down an answer, at once."""
        ask = answer.ask
        assert ask.index not in self.done, "each number is answered once"
        if not answer.is_last:
            spent = {"index": ask.index, "tokens": answer.tokens}
            self._append(self.folder / SPENT, json_line(spent))
            self.tokens += answer.tokens
            return
        origin = {
            "index": ask.index, "seed": ask.seed if answer.is_seeded else None,
            "prompt": ask.prompt, "model": self.model, "finish_reason": answer.finish_reason,
            "tokens": answer.tokens,
        }  # fmt: skip
        path = self.folder / REJECTS
        if answer.reason:
            record = {"reason": answer.reason, "answer": answer.text, **origin}
        else:
            path = self._part(ask.index // SHARD)
            origin |= {"thought": answer.thought} if answer.thought else {}
            record = {"id": self.plan.text_id(ask.index), "text": answer.text, **origin}
        self._append(path, json_line(record))
        self._count(record)
        if not self._left[ask.index // SHARD]:
            self._name(ask.index // SHARD)

    def settle(self) -> None:
        """Give their names to files that are not full, as well: their texts can be read."""
        for shard in range(self.plan.shards):
            if self._part(shard).is_file():
                self._name(shard)

    def _part(self, shard: int) -> Path:
        return self.folder / f"{self.plan.file(shard)}.part"

    def _append(self, path: Path, data: bytes) -> None:
        """Add a line to a file, and flush all of them to the disk now and then."""
        if path not in self._files:
            self._files[path] = path.open("ab")
        self._files[path].write(data)
        self._files[path].flush()
        if time.monotonic() >= self._synced + SYNC_SECONDS:
            for file in self._files.values():
                os.fsync(file.fileno())
            self._synced = time.monotonic()

    def _close_file(self, path: Path) -> None:
        """Flush a file to the disk and close it."""
        with self._files.pop(path) as file:
            file.flush()
            os.fsync(file.fileno())

    def _name(self, shard: int) -> None:
        """Sort the lines of a file, and give it its name as a whole or not at all."""
        part = self._part(shard)
        if part in self._files:
            self._close_file(part)
        if not part.is_file():
            return  # all of its answers are rejects
        lines = part.read_bytes().splitlines(keepends=True)
        lines.sort(key=lambda each: json.loads(each)["index"])
        write_atomic(part.with_suffix(""), b"".join(lines))
        part.unlink()

    def _read(self) -> None:
        """Count what is done. A named file that is not full any more grows again."""
        self.tokens += sum(each["tokens"] for each in whole_lines(self.folder / SPENT, PAID))
        for record in whole_lines(self.folder / REJECTS):
            self._count(record)
        for shard in range(self.plan.shards):
            part = self._part(shard)
            named = self._part(shard).with_suffix("")
            is_named = named.is_file()
            if is_named:
                part.unlink(missing_ok=True)  # a kill came between a name and this
            for record in whole_lines(named if is_named else part):
                self._count(record)
            if is_named and self._left[shard]:
                named.rename(part)
            elif not is_named and not self._left[shard]:
                self._name(shard)

    def _count(self, record: Json) -> None:
        """Count an answer by what is written of it."""
        index = record["index"]
        if index in self.done or not 0 <= index < self.plan.count:
            raise Damaged(
                f"text {index} stands there twice, or is none of the plan",
                where=self.folder,
                do="The files were changed. Take a whole copy of the folder, or begin in a new "
                "one.",
            )
        self.done.add(index)
        self._left[index // SHARD] -= 1
        self.tokens += record["tokens"]
        if "reason" in record:
            self.rejects[record["reason"]] += 1
        else:
            self.texts += 1


def records_in(folder: Path, plan: Plan) -> dict[int, Json]:
    """What stands in a folder's files and rejects, by number. Rejects have a `reason`.

    Another process may be writing there: nothing is changed.
    """
    files = [f"{plan.file(shard)}{end}" for shard in range(plan.shards) for end in (".part", "")]
    paths = [folder / name for name in (*files, REJECTS)]
    lines = (record for path in paths for record in whole_lines(path, is_ours=False))
    return {record["index"]: record for record in lines}


def whole_lines(path: Path, lost: str = ANSWERED, *, is_ours: bool = True) -> Iterator[Json]:
    """The records in a file. A last line that a kill has torn is left out.

    Raises Damaged for any other line that is no record. lost: what follows if it is removed.
    is_ours: nobody else writes there, so that the torn line is cut off.
    """
    if not path.is_file():
        return
    good = 0
    with path.open("rb") as file:
        for number, data in enumerate(file, start=1):
            if not data.endswith(b"\n"):
                break
            record = _record(data)
            if record is None:
                raise Damaged(
                    f"line {number} is not what was written there",
                    where=path,
                    do=f"Repair or remove this line: {lost}",
                )
            good += len(data)
            yield record
    if is_ours and good < path.stat().st_size:
        os.truncate(path, good)


def _record(data: bytes) -> Json | None:
    """The record in a line; None if it is not ours."""
    try:
        record: Any = json.loads(data)
        is_ours = type(record["index"]) is int and type(record["tokens"]) is int
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return record if is_ours else None


def json_line(record: Json) -> bytes:
    """A record as a line of JSON; halves of characters, which no UTF-8 has, as escapes."""
    return (json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
