"""A fault of our own code in one document or file: a counted reject, and never the end of a run.

What a person or the machine must mend is raised as it is: an error of the disk, the end of memory,
and errors of ours that say what to do.
"""

import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from endonym.errors import EndonymError, printable
from endonym.formats.document import SHOWN_CHARS, Document, Reject

Made = TypeVar("Made")

FAULT = "cleaning_failed"
"""The reason of a document that our code could not clean or judge."""
RAISED = (OSError, EndonymError, MemoryError)
"""Errors that are no fault in a document: the same one may be cleaned once they are mended."""


def fault(error: Exception, rest: str = "this document is left out") -> str:
    """What went wrong in our own code, and where: enough to report it. rest: what follows."""
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((each for each in reversed(frames) if "endonym" in each.filename), frames[-1])
    _, is_ours, name = Path(frame.filename).as_posix().rpartition("/endonym/")
    place = f"endonym/{name}:{frame.lineno}" if is_ours else f"{Path(name).name}:{frame.lineno}"
    return (
        f"a fault of endonym, not of your file: {type(error).__name__} at {place} ({error}); "
        f"{rest}. Please report this line"
    )


def refusal(document: Document, error: Exception) -> Reject:
    """The reject of a document in which our code failed. Raises the errors of RAISED."""
    if isinstance(error, RAISED):
        raise error
    # The text may be what our code has broken.
    shown = document.text[:SHOWN_CHARS].encode("utf-8", "backslashreplace").decode()
    return document.reject(FAULT, line_of(error), part=shown)


def line_of(error: Exception) -> str:
    """The fault as it may stand in a file and on a screen."""
    return printable(fault(error)[:SHOWN_CHARS])


@contextmanager
def passing_over() -> Generator[list[Exception]]:
    """Catch a fault of our own code; after it, the list that this gives holds the error.

    One in a document that only adds to what is known of many is not told: cleaning the same
    document refuses it, and says why.
    """
    faults = list[Exception]()
    try:
        yield faults
    except RAISED:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it costs what was worked on
        faults.append(error)


def failure(work: Callable[[], object]) -> str:
    """The fault that ended some work, as `line_of` has it; empty if it was done."""
    with passing_over() as faults:
        work()
    return "".join(map(line_of, faults))


def of_sound(
    work: Callable[[str, Sequence[str]], Made], sample: str, documents: Sequence[str]
) -> Made:
    """What `work` makes of a sample of lines and of documents, without the texts it fails in.

    These are looked for only after a failure. A fault that is in no single text is raised.
    """
    with passing_over():
        return work(sample, documents)
    lines = _sound(lambda some: work("\n".join(some), ()), sample.split("\n"))
    sound_sample = "\n".join(lines)
    return work(sound_sample, _sound(lambda some: work(sound_sample, some), documents))


def _sound(work: Callable[[Sequence[str]], object], texts: Sequence[str]) -> list[str]:
    """The texts without those in which the work fails, found by halves."""
    with passing_over():
        work(texts)
        return list(texts)
    if len(texts) < 2:
        return []
    middle = len(texts) // 2
    return _sound(work, texts[:middle]) + _sound(work, texts[middle:])
