"""Opens a foreign model first in a process with limits.

A class of `transformers` builds what numbers of `config.json` say: tables of positions, masks,
lists of layers, rows padded to whole chunks. No list of keys knows them all, so the whole opening
is tried there, and this process repeats only what took about as much memory as the weights do.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from endonym import errors
from endonym.errors import EndonymError, ExportError
from endonym.limited.frames import as_sent, sendable
from endonym.limited.process import Failure, LimitedProcess, Limits
from endonym.model.foreign.decoder import ForeignDecoder
from endonym.model.foreign.folder import (
    CONFIG,
    OUR_WEIGHTS,
    ForeignConfig,
    foreign_config,
    is_artefact,
    read_json,
    read_shape,
    weight_files,
)
from endonym.model.foreign.weights import load_any, load_foreign, require_library

MEMORY, SECONDS = 3 << 28, 20.0
"""Beside what the weights take. Much of it is for importing the classes."""
COPIES, SECONDS_PER_GB = 8, 60.0
"""In bytes of the files: mapped, read, and in fp32, twice while experts are put together."""
KEPT = 1 << 26
"""After more bytes the process is ended: it need not stay beside a training."""
NO_MEMORY = "allocate memory"
"""In torch's error, which has no type of its own."""
_process = LimitedProcess("endonym.model.foreign.trial:open_there")
_tried: set[tuple[Any, ...]] = set()
"""What this process has tried: folders with the sizes and times of their files."""


def load_tried(folder: Path, given: dict[str, Any] | None = None) -> ForeignDecoder:
    """The model of a stranger's folder: `load_foreign`, once it is known to be harmless.

    Raises the errors of `load_foreign`, and ExportError if opening takes too much memory or time.
    """
    given = read_json(folder / CONFIG) if given is None else given
    foreign_config(folder, given)
    require_harmless(folder, given)
    return load_foreign(folder, given)


def require_harmless(folder: Path, given: dict[str, Any]) -> None:
    """Raise an error if opening the folder fails, or takes far more than its weights.

    folder: in the format of transformers, or a model artefact. given: its `config.json`. A model
    that endonym computes itself is not tried.
    """
    if is_artefact(folder) and not isinstance(read_shape(given), ForeignConfig):
        return
    require_library()
    files = [folder / OUR_WEIGHTS] if is_artefact(folder) else weight_files(folder)
    stats = [each.stat() for each in files]
    key = (
        str(given),
        *((str(f), s.st_size, s.st_mtime_ns) for f, s in zip(files, stats, strict=True)),
    )
    if key in _tried:
        return
    size = sum(each.st_size for each in stats)
    seconds = SECONDS + SECONDS_PER_GB * size / 1e9
    limits = Limits(MEMORY + COPIES * size, seconds, 4 * seconds)
    question = {"folder": sendable(str(folder.absolute())), "given": given}
    try:
        answer = _process.ask(question, limits, is_last=size > KEPT)
    except Failure as failure:
        raise ExportError(
            f"opening this model fails: {failure}",
            where=str(folder / CONFIG),
            do="Either this machine has too little free memory for the model, or a number in "
            "config.json is wrong: then take the folder from its publisher again, or another one.",
        ) from failure
    if "refused" in answer:
        said = answer["refused"]
        raise getattr(errors, said["kind"])(said["message"], where=said["where"], do=said["do"])
    _tried.add(key)


def open_there(question: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in the process with limits: opens the model, and gives back the error if it is refused.

    Raises MemoryError if there is not enough memory.
    """
    folder, given = Path(as_sent(question["folder"])), question["given"]
    try:
        if is_artefact(folder):
            load_any(read_shape(given), folder / OUR_WEIGHTS)
        else:
            load_foreign(folder, given)
    except EndonymError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, MemoryError) or NO_MEMORY in str(cause):
                raise MemoryError from error
            cause = cause.__cause__
        return {"refused": error.as_dict()}
    return {}
