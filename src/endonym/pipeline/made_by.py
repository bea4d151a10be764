"""Which code made an artefact: noted when it is made, and compared when it is used again.

An identity does not hold the code. So a release may change without making every model again, and a
run says which artefacts other code has made. `--fresh STAGE` makes them again: the identity of the
new artefact also holds the hash of the code. Thus the old one stays as it is, for the runs that use
it, all that follows has another identity as well, and the same command continues after a kill.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from endonym.errors import quoted
from endonym.log import Log, counted
from endonym.pipeline.stage import Stage
from endonym.source_code import KEPT_FILE, PACKAGE, Code, SourceCode
from endonym.store import Store, fingerprint, read_if_whole, write_sealed

SHOWN_FILES = 3
"""Files with other code that a line names."""
SALT_DIGITS = 12
FIXED = ("source",)
"""Kinds of stages that only list files: no code changes what they hold."""


@dataclass(frozen=True, slots=True)
class OtherCode:
    """How the code that made an artefact differs from that of today.

    stage: the name of the stage. versions: of endonym that made it. files: with other code now, or
    that only one of both has, by their paths in the package. are_releases: all of this code is of
    releases, whose makers have not changed the version of the stage.
    """

    stage: str
    versions: tuple[str, ...]
    files: tuple[str, ...]
    are_releases: bool

    def __str__(self) -> str:
        """The words for a line; what it is about stands before them."""
        shown = ", ".join(self.files[:SHOWN_FILES])
        more = ", …" if len(self.files) > SHOWN_FILES else ""
        differ = "differs" if len(self.files) == 1 else "differ"
        return (
            f"made by other code (endonym {', '.join(self.versions)}; "
            f"{counted(len(self.files), 'file')} {differ}: {shown}{more})"
        )

    @property
    def advice(self) -> str:
        """What makes the artefact again."""
        return f"--fresh {quoted(self.stage)} makes it again"

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        return {"endonym": list(self.versions), "files": list(self.files)}


def version() -> str:
    """The version of endonym, as it is installed."""
    return metadata.version(PACKAGE)


class CodeNotes:
    """What a store notes of the code that made its artefacts, and today's code."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.source = SourceCode(store.cache / KEPT_FILE)

    def code_of(self, stage: Stage) -> Code | None:
        """Today's code of a stage; None if it is not of this package."""
        return self.source.of(_function_of(stage))

    def begin(self, stage: Stage, *, continues: bool) -> None:
        """Note that today's code makes an artefact, before it does.

        continues: parts of it are there, which what is noted already has made.
        """
        if (code := self.code_of(stage)) is not None:
            path = self._file(stage.kind, stage.id)
            makers = read_if_whole(path).get("makers", []) if continues else []
            if not makers or makers[-1]["files"] != code.files:
                makers = [*makers, _maker(code)]
            path.parent.mkdir(parents=True, exist_ok=True)
            write_sealed(path, {"function": _function_of(stage), "makers": makers})

    def end(self, stage: Stage) -> None:
        """Note the code again if its files were written while it made the artefact: it may be that
        it has read some of them before, and some after."""
        code = self.code_of(stage)
        if code is not None and self.source.has_changed(code.files):
            self.source = SourceCode(self.store.cache / KEPT_FILE)
            self.begin(stage, continues=True)

    def is_known(self, kind: str, identifier: str) -> bool:
        """Whether the code that made an artefact was noted."""
        return bool(read_if_whole(self._file(kind, identifier)))

    def other_code(self, name: str, kind: str, identifier: str) -> OtherCode | None:
        """How the code that made an artefact, or a part of it, differs from today's.

        None if it does not, and if it was not noted. name: of the stage.
        """
        note = read_if_whole(self._file(kind, identifier))
        if not note or kind in FIXED:
            return None
        today = self.source.of(note["function"])
        now = today.files if today else {}
        others = [each for each in note["makers"] if each["files"] != now]
        if not others:
            return None
        files: set[str] = set()
        for maker in others:
            then = maker["files"]
            files |= {each for each in {*then, *now} if then.get(each) != now.get(each)}
        return OtherCode(
            stage=name,
            versions=tuple(dict.fromkeys(each["endonym"] for each in others)),
            files=tuple(sorted(files)),
            are_releases=bool(today and today.is_release)
            and all(each["is_release"] for each in others),
        )

    def is_todays(self, stage: Stage) -> bool:
        """Whether today's code has made the artefact, or will: nothing of it is there."""
        folder = self.store.folder(stage.kind, stage.id)
        work = self.store.work_folder(stage.kind, stage.id)
        if not folder.is_dir() and not work.is_dir():
            return True
        is_known = self.is_known(stage.kind, stage.id)
        return is_known and self.other_code(stage.name, stage.kind, stage.id) is None

    def _file(self, kind: str, identifier: str) -> Path:
        return self.store.journal(kind, identifier).with_suffix(".code.json")


def _function_of(stage: Stage) -> str:
    """The function of a stage as module:name."""
    return f"{stage.make.__module__}:{stage.make.__qualname__}"


def _maker(code: Code) -> dict[str, Any]:
    """What is noted of code that makes an artefact."""
    return {
        "endonym": version(),
        "is_release": code.is_release,
        "files": code.files,
        "libraries": code.libraries,
    }


@dataclass(slots=True)
class Fresh:
    """The artefacts of a run that are made again by other code than before.

    salts: what their identity also holds, by the identity that they would have without. names: the
    stages that are to be of today's code.
    """

    notes: CodeNotes
    salts: dict[str, str]
    names: frozenset[str] = frozenset()

    def applied(self, stages: Iterable[Stage]) -> list[Stage]:
        """Stages with the salts in their identities, and so in those of all that follow."""
        renewed: dict[int, Stage] = {}

        def renew(stage: Stage) -> Stage:
            if id(stage) not in renewed:
                inputs = {name: renew(each) for name, each in stage.inputs.items()}
                plain = replace(stage, inputs=inputs, fresh=None)
                renewed[id(stage)] = replace(plain, fresh=self._salt(plain))
            return renewed[id(stage)]

        return [renew(stage) for stage in stages]

    def _salt(self, stage: Stage) -> str | None:
        """What the identity of a stage also holds; without it, the stage is plain."""
        key = stage.id[:SALT_DIGITS]
        code = self.notes.code_of(stage) if stage.name in self.names else None
        if code is not None:
            salt, fresh = None, stage
            while not self.notes.is_todays(fresh):
                salt = fingerprint([salt, code.sha256])[:SALT_DIGITS]
                fresh = replace(stage, fresh=salt)
            self.salts.pop(key, None)
            self.salts |= {key: salt} if salt else {}
        return self.salts.get(key)


def say_other_code(other: OtherCode, log: Log) -> None:
    """One line about an artefact of other code; a quiet one if all of the code is of releases."""
    say = log.detail if other.are_releases else log.warn
    say(f"{other.stage}: {other}; {other.advice}")


def unknown_code(names: Sequence[str]) -> str:
    """What is said once of artefacts whose code was not noted."""
    return f"made before endonym noted its code, so perhaps by other code: {', '.join(names)}"
