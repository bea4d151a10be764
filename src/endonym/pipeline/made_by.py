"""Which code made an artefact: noted when it is made, and compared when it is used again.

An identity does not hold the code. So a release may change without making every model again, and a
run says which artefacts other code has made. `--fresh STAGE` makes them again: the identity of the
new artefact also holds the hash of the code. Thus the old one stays as it is, for the runs that use
it, all that follows has another identity as well, and the same command continues after a kill.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from endonym import source_code
from endonym.device import versions
from endonym.disk import packaged_tables
from endonym.errors import quoted
from endonym.log import Log, counted
from endonym.pipeline.stage import Stage
from endonym.source_code import SourceCode
from endonym.store import Store, fingerprint, read_if_whole, write_sealed

CODE: dict[str, dict[str, str]] = packaged_tables("endonym.pipeline", "code.toml")
SHOWN_FILES = 3
"""Files with other code that a line names."""
SALT_DIGITS = 12
FIXED = ("source",)
"""Kinds of stages that only list files: no code changes what they hold."""


def files_of(function: str) -> list[str]:
    """The files of the package that count for a function of the table; none if it has none."""
    folders = CODE.get(function, {}).items()
    return [f"{folder}/{name}".strip("/") for folder, names in folders for name in names.split()]


KNOWN = {name for function in CODE for name in files_of(function)}
"""All files that the table lists, also those that count for no function."""


def counting_files(function: str, code: SourceCode) -> list[str]:
    """`files_of`, with those that were added to the package since: they may count for any stage."""
    files = files_of(function)
    names = sorted(code.contents.keys() - KNOWN) if files else []
    return [*files, *(name for name in names if name.endswith((".py", ".toml")))]


def code_hash(function: str) -> str:
    """The hash of the code that counts for a function of the table."""
    code = source_code.source_code(source_code.ROOT)
    return fingerprint([code.hash_of(name) for name in counting_files(function, code)])


class OtherCode(NamedTuple):
    """How the code that made an artefact differs from that of today.

    stage: the name of the stage. endonym: the versions that made it. files: that differ, by their
    paths in the package. are_releases: all of this code is of releases, whose makers have not
    changed the version of the stage.
    """

    stage: str
    endonym: list[str]
    files: list[str]
    are_releases: bool

    def __str__(self) -> str:
        """The words for a line; what it is about stands before them."""
        differ = "differs" if len(self.files) == 1 else "differ"
        shown = ", ".join(self.files[:SHOWN_FILES]) + ", …" * (len(self.files) > SHOWN_FILES)
        files = f"{counted(len(self.files), 'file')} {differ}: {shown}"
        return f"made by other code (endonym {', '.join(self.endonym)}; {files})"

    @property
    def advice(self) -> str:
        """What makes the artefact again."""
        return f"--fresh {quoted(self.stage)} makes it again"

    def say(self, log: Log) -> None:
        """One line; a quiet one if all of the code is of releases."""
        say = log.detail if self.are_releases else log.warn
        say(f"{self.stage}: {self}; {self.advice}")


class CodeNotes:
    """What a store notes of the code that made its artefacts. code: of today."""

    def __init__(self, store: Store, code: SourceCode | None = None) -> None:
        self.store = store
        self.code = code or source_code.source_code(source_code.ROOT)

    def begin(self, stage: Stage, *, continues: bool) -> None:
        """Note that the code of this process makes an artefact, before it does.

        continues: parts of it are there, which what is noted already has made.
        """
        files = self.code.noted(counting_files(stage.make.__name__, self.code))
        if files:
            path = self._file(stage.kind, stage.id)
            makers = read_if_whole(path).get("makers", []) if continues else []
            if not makers or self.code.differing(makers[-1]["files"]):
                is_release = self.code.are_released(files)
                makers.append({**versions(), "files": files, "is_release": is_release})
            path.parent.mkdir(parents=True, exist_ok=True)
            write_sealed(path, {"makers": makers})

    def end(self, stage: Stage) -> None:
        """Note also the code that is there now if it was written in the meantime: the process may
        have read some of it before, and some after.
        """
        if files_of(stage.make.__name__):
            CodeNotes(self.store, SourceCode(self.code.root)).begin(stage, continues=True)

    def is_known(self, kind: str, identifier: str) -> bool:
        """Whether the code that made an artefact was noted."""
        return bool(read_if_whole(self._file(kind, identifier)))

    def other_code(self, name: str, kind: str, identifier: str) -> OtherCode | None:
        """How the code that made an artefact, or a part of it, differs from today's.

        None if it does not, and if it was not noted. name: of the stage.
        """
        makers = read_if_whole(self._file(kind, identifier)).get("makers", [])
        endonym = set[str]()
        files = set[str]()
        are_releases = True
        for maker in makers:
            differing = self.code.differing(maker["files"])
            endonym |= {maker["endonym"]} if differing else set()
            files |= {*differing}
            are_releases &= maker["is_release"] and self.code.are_released(maker["files"])
        return OtherCode(name, sorted(endonym), sorted(files), are_releases) if files else None

    def is_todays(self, stage: Stage) -> bool:
        """Whether today's code has made the artefact, or will: nothing of it is there."""
        folder = self.store.folder(stage.kind, stage.id)
        if not folder.is_dir() and not self.store.work_folder(stage.kind, stage.id).is_dir():
            return True
        is_known = self.is_known(stage.kind, stage.id)
        return is_known and self.other_code(stage.name, stage.kind, stage.id) is None

    def _file(self, kind: str, identifier: str) -> Path:
        return self.store.journal(kind, identifier).with_suffix(".code.json")


@dataclass
class Fresh:
    """The artefacts of a run that are made again by other code than before.

    salts: what their identity also holds, by the identity that they would have without. names: the
    stages that are to be of today's code. renewed: a stage with the salts in its identity, and so
    in those of all that follow.
    """

    notes: CodeNotes
    salts: dict[str, str]
    names: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.renewed: Callable[[Stage], Stage] = cache(self._renewed)

    def _renewed(self, stage: Stage) -> Stage:
        inputs = {name: self.renewed(each) for name, each in stage.inputs.items()}
        plain = replace(stage, inputs=inputs, fresh=None)
        return replace(plain, fresh=self._salt(plain))

    def _salt(self, stage: Stage) -> str | None:
        """What the identity of a stage also holds; without it, the stage is plain."""
        key = stage.id[:SALT_DIGITS]
        if stage.name in self.names:
            salt = None
            fresh = stage
            while not self.notes.is_todays(fresh):
                salt = fingerprint([salt, code_hash(stage.make.__name__)])[:SALT_DIGITS]
                fresh = replace(stage, fresh=salt)
            self.salts.pop(key, None)
            self.salts |= {key: salt} if salt else {}
        return self.salts.get(key)
