"""Every error a user can cause, in one family.

EndonymError
  RecipeError        file, line, key         the request is wrong
  SourceError        path, member, row       a raw file cannot be read
    MissingSource    path                    there is no raw file
    MissingLibrary   path, kind              what reads it is not installed
  CorpusError        rule                    nothing, or too little, survived cleaning
  TokenizerError     text                    coverage or the round-trip law failed
  ShapeError         tensor, expected, got   sizes do not fit
  TrainingError                              training cannot start or go on
    NonFiniteLoss    step, rows, checkpoint
    OutOfMemory      asked, free
    LostProcess      rank                    another process of this training has ended
  StoreError                                 an artefact cannot be written or read
    Damaged          artefact, file          hash differs from the manifest
    Busy             artefact, owner
  ExportError        format, feature         the format cannot represent this
  EndpointError                              a server that writes texts refuses, or fails
  LostWorker         job                     a worker was killed, twice by the same job
  ClusterError       job                     Ray cannot do what it should

Each carries what was expected and found (`message`), where (`where`), and what to do (`do`).
"""

import difflib
import re
import shlex
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import PurePath

import regex

NOT_SHOWN = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls of a terminal, line ends, overrides of the writing direction, halves of characters."""
ISOLATED = re.compile(f"(\u2068{NOT_SHOWN.pattern.replace('[', '[^')}*\u2069)")
"""A quotation with the marks that keep its direction to itself."""
UNDECODED = range(0xDC80, 0xDD00)
"""Python's stand-ins for bytes of a file's name that are not UTF-8."""


def printable(text: object) -> str:
    """A name as one line that UTF-8 can hold and a terminal only shows: `\\xNN` for the rest."""
    return NOT_SHOWN.sub(_escaped, str(text))


def printable_lines(text: str) -> str:
    """Text in lines, with everything else escaped that `printable` escapes, but isolated parts."""
    parts = ISOLATED.split(text)
    parts[::2] = [
        NOT_SHOWN.sub(lambda found: found[0] if found[0] in "\n\t" else _escaped(found), part)
        for part in parts[::2]
    ]
    return "".join(parts)


def isolated(quotation: str) -> str:
    """A quotation that does not change the direction of the words around it."""
    return f"\u2068{printable(quotation)}\u2069"


def in_comment(text: str) -> str:
    """As `printable`; isolated parts stand without their marks, which nobody sees in an editor."""
    return printable(ISOLATED.sub(lambda part: part[0][1:-1], text))


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    code = code - 0xDC00 if code in UNDECODED else code
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def quoted(argument: object) -> str:
    """A word of a command as a shell takes it. Letters of every script need no quotes."""
    word = str(argument)
    return word if regex.fullmatch(r"[\w@+=,./:%-]+", word) else shlex.quote(word)


def first_line(error: BaseException) -> str:
    """What another library's error says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def nearest(word: str, choices: Sequence[str], *, cutoff: float = 0.6) -> str | None:
    """The choice that is spelled most like the word, if one is near."""
    matches = difflib.get_close_matches(plain_word(word), choices, n=1, cutoff=cutoff)
    return matches[0] if matches else None


def did_you_mean(word: str, choices: Sequence[str]) -> str:
    """The question for the choice that is spelled most like the word; empty if none is near."""
    near = nearest(word, choices)
    return f"Did you mean `{near}`?  " if near else ""


def plain_word(word: str) -> str:
    """The word in lower case with underscores, as keys are written."""
    return word.lower().replace("-", "_").replace(" ", "_")


class EndonymError(Exception):
    """The base class: what is wrong, where, and what to do about it."""

    exit_code = 1

    def __init__(self, message: str, *, where: str | PurePath = "", do: str = "") -> None:
        self.message = printable_lines(message)
        self.where = printable_lines(str(where))
        self.do = printable_lines(do)
        super().__init__(self.message)

    def __str__(self) -> str:
        head = f"{self.where}: {self.message}" if self.where else self.message
        return f"{head}\n{self.do}" if self.do else head

    def as_dict(self) -> dict[str, str]:
        """The form that `--json` prints."""
        kind = type(self).__name__
        return {"kind": kind, "message": self.message, "where": self.where, "do": self.do}


class RecipeError(EndonymError):
    """The request is wrong: a key, a value, a flag, a missing file."""

    exit_code = 2


class SourceError(EndonymError):
    """A raw file cannot be read, or too many of its records cannot."""


@contextmanager
def reading_utf8(where: str) -> Generator[None]:
    """Text is read here. Raises SourceError if it is not UTF-8. where: the name of the file."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise SourceError(
            f"it is not UTF-8: {error.reason}",
            where=where,
            do="Convert it, for example with iconv -t UTF-8, or save it as UTF-8.",
        ) from error


class MissingLibrary(SourceError):
    """A library that reads files of a kind is not installed."""


class MissingSource(SourceError):
    """A path that a recipe names does not exist or holds no file."""

    exit_code = 2


class CorpusError(EndonymError):
    """Nothing, or too little, survived cleaning and splitting."""


class TokenizerError(EndonymError):
    """The tokenizer loses text, or cannot be trained or read."""


class ShapeError(EndonymError):
    """Sizes do not fit together."""

    exit_code = 2


class TrainingError(EndonymError):
    """Training cannot start or go on."""


class NonFiniteLoss(TrainingError):
    """A loss or a gradient is not a finite number; raised before the optimizer's step."""


class OutOfMemory(TrainingError):
    """There is not enough memory."""


class LostProcess(TrainingError):
    """Another process of this training has ended, or cannot be reached."""


class LostWorker(EndonymError):
    """A worker was killed each time that it did a job."""


class ClusterError(EndonymError):
    """The cluster of Ray cannot do what it should."""


class StoreError(EndonymError):
    """An artefact cannot be written or read."""


class Damaged(StoreError):
    """A file of an artefact differs from its manifest."""


class Busy(StoreError):
    """Another process is making this artefact."""


class EndpointError(EndonymError):
    """A server that writes texts refuses, or does not answer."""


class ExportError(EndonymError):
    """The export format cannot represent this model."""


def decoded(raw: bytes, path: PurePath) -> str:
    """The text of a file. Raises RecipeError if it is not UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"byte 0x{raw[error.start]:02X} at position {error.start} is not UTF-8."
        do = "Save the file as UTF-8."
        raise RecipeError(message, where=f"{path}:{line}", do=do) from None
