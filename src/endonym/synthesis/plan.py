"""What is written into a folder: the plan in its `written.json`, its files, and who may write.

A folder holds the texts of one plan. Once a text or a reject is there, another plan is refused;
with a larger count of the same plan it goes on. Before that, another plan takes its place.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import regex

from endonym import disk
from endonym.disk import Json
from endonym.errors import Busy, RecipeError
from endonym.log import listed, number
from endonym.seed import named_seed
from endonym.store import read_sealed, write_sealed

WRITTEN = "written.json"
LOCK = ".lock"
SPENT = "spent.jsonl"
VERSION = 2
"""Of the plan and the records. Another one is another plan."""
SHARD = 10_000
"""Texts in a file."""
HASH_DIGITS = 12
LARGEST_SEED = 2**31
"""What all servers take as a seed is smaller."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Texts number 0 to count - 1, of one writer. A text is a function of this and its number.

    name: begins the names of files and texts. source: the hash of the grammar or the prompts.
    model: the name or the identity of what answers. sampling: how, by the names of the flags.
    """

    name: str
    writer: Literal["grammar", "endpoint", "model"]
    source: str
    count: int
    seed: int = 0
    model: str = ""
    sampling: Mapping[str, Any] = field(default_factory=Json)

    def as_dict(self) -> Json:
        """The form in `written.json`."""
        return {**asdict(self), "sampling": dict(self.sampling), "version": VERSION}

    @property
    def shards(self) -> int:
        """How many files hold the texts."""
        return -(-self.count // SHARD)

    def span(self, shard: int) -> range:
        """The numbers of the texts in a file."""
        return range(shard * SHARD, min(self.count, (shard + 1) * SHARD))

    def file(self, shard: int) -> str:
        """The name of a file."""
        return f"{self.name}-{shard:05d}.jsonl"

    def text_id(self, index: int) -> str:
        """The name of a text."""
        return f"{self.name}-{index:08d}"

    def text_seed(self, index: int) -> int:
        """The seed of an answer; no two texts of a plan share theirs but by chance."""
        return named_seed(self.seed, "write", index) % LARGEST_SEED


def plan_name(path: Path) -> str:
    """What a grammar's or a prompts' file calls its texts; fits the name of a `[[source]]`."""
    return regex.sub(r"[^\w.-]+", "-", path.stem).strip(".-")[:48] or "texts"


@contextmanager
def claimed(folder: Path, plan: Plan) -> Generator[None]:
    """Make a folder that of a plan, or go on in it; nobody else writes there meanwhile.

    Raises RecipeError if it holds something else, and Busy if another process writes there.
    """
    _require_ours(folder, plan)
    with disk.translated_disk_errors(folder, option="--out"):
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / LOCK).open("a+", encoding="utf-8", errors="backslashreplace")

    def refuse(owner: str) -> None:
        raise Busy(
            f"{owner or 'another process'} writes here",
            where=folder,
            do="Wait until it has ended, or name another folder.",
        )

    with handle, disk.locked(handle, refuse), disk.translated_disk_errors(folder, option="--out"):
        if not _require_ours(folder, plan):  # it may have changed before the lock was free
            (folder / SPENT).unlink(missing_ok=True)  # another plan paid that
        write_sealed(folder / WRITTEN, plan.as_dict())
        yield


def _require_ours(folder: Path, plan: Plan) -> bool:
    """Whether this plan has begun there; False if the folder is empty, or another plan's without
    a text. Raises RecipeError if it holds texts of another plan, or of a larger count.
    """
    if folder.exists() and not folder.is_dir():
        raise RecipeError("this is a file, not a folder", where=folder, do=ELSEWHERE)
    do = f"Take a whole copy of the folder, or another one: {ELSEWHERE}"
    before = read_sealed(folder / WRITTEN, do)
    beside = {each.name for each in folder.iterdir()} if folder.is_dir() else set[str]()
    beside = {name for name in beside - {WRITTEN} if not name.startswith(".")}
    if before is None:
        if not beside:
            return False
        raise RecipeError(
            f"the folder is not empty, and has no {WRITTEN} of ours",
            where=folder,
            do=ELSEWHERE,
        )
    changes = differences(before, plan.as_dict())
    if beside <= {SPENT}:
        return not changes  # the model may have had a wrong name, or the server no answer
    if changes:
        raise RecipeError(
            f"the folder holds texts of another plan: {listed(changes)}",
            where=folder,
            do=f"Give what was given before, or another folder: {ELSEWHERE}",
        )
    if plan.count < before["count"]:
        raise RecipeError(
            f"the folder is one of {number(before['count'])} texts already",
            where=f"--count {plan.count}",
            do="Give this --count or a larger one, with which it goes on.",
        )
    return True


ELSEWHERE = "--out DIR names a folder that is new or empty."


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In which keys two plans differ, their counts aside, in words."""
    old, new = ({**each, **each["sampling"]} for each in (before, now))
    keys = [key for key in {**old, **new} if key not in ("count", "sampling")]
    return [
        f"{key} was {_shown(old.get(key))} and is {_shown(new.get(key))}"
        for key in keys
        if old.get(key) != new.get(key)
    ]


def _shown(value: Any) -> str:
    """A value in a sentence; a hash by its first digits."""
    if isinstance(value, str):
        return f'"{value[:HASH_DIGITS]}…"' if len(value) == 64 else f'"{value}"'
    return "not given" if value is None else str(value)
