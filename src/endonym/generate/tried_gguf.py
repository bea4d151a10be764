"""Opens a GGUF file first in a process with limits: llama.cpp ends its program over some of them.

A file may claim 10⁹ blocks or an array of 2⁶⁰ names; then native code takes all memory or aborts,
which no caller can catch.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from endonym.disk import open_regular
from endonym.errors import Damaged, EndonymError
from endonym.limited.frames import as_sent, sendable
from endonym.limited.process import Failure, LimitedProcess, Limits

MEMORY, SECONDS, SECONDS_PER_GB = 4 << 30, 60.0, 60.0
"""Beside the file itself, which is mapped and may be copied."""
CONTEXT = 64
TEXTS = ("Әбием миңа җылы сөт бирде; l’été, 1920: ទន្លេនៅមុខភូមិ។\n", "a" * 2_000, " " * 2_000)
_process = LimitedProcess("endonym.generate.tried_gguf:open_and_read")
_tried: set[tuple[Any, ...]] = set()
"""Files that this process has tried, by name, size and time."""


def require_openable(path: Path, adapter: Path | None = None) -> None:
    """Raise Damaged if opening the file, with an adapter, or reading a little text ends a process,
    or takes far more than its size.
    """
    files = [path] if adapter is None else [path, adapter]
    size = sum(map(require_regular, files))
    key = (size, *((str(each.resolve()), each.stat().st_mtime_ns) for each in files))
    if key in _tried:
        return
    seconds = SECONDS + SECONDS_PER_GB * size / 1e9
    limits = Limits(MEMORY + 2 * size, seconds, 4 * seconds)
    names = [sendable(str(each.resolve())) for each in files]
    try:
        _process.ask({"files": names}, limits)
    except Failure as failure:
        raise Damaged(
            f"llama.cpp cannot open it: {failure}",
            where=str(path),
            do="It is damaged, or made to do harm. Take it from its publisher again.",
        ) from failure
    finally:
        _process.close()  # the memory of a model is not kept
    _tried.add(key)


def require_regular(path: Path) -> int:
    """The bytes of a file. Raises Damaged for a pipe, device or folder, and if there is none."""
    try:
        with open_regular(path):
            return path.stat().st_size
    except (OSError, ValueError) as error:
        raise Damaged(f"llama.cpp cannot read it: {error}", where=str(path)) from error


def open_and_read(question: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in the process with limits: loads the files and reads a few tokens.

    What llama.cpp refuses by itself is told where the file is opened.
    """
    from endonym.generate.llama_cpp import LlamaCpp

    path, adapter = [*(Path(as_sent(each)) for each in question["files"]), None][:2]
    assert path is not None, "the first of them"
    try:
        with LlamaCpp(path, context=CONTEXT, adapter=adapter, is_tried=True) as model:
            ids, *_ = [model.encode(text) for text in TEXTS]
            model.decode(ids)
            for index in range(model.vocab):
                model.token(index)
            model.template()
            if model.vocab:
                model.logits([min(each, model.vocab - 1) for each in ids[:4]] or [0])
    except EndonymError:
        pass
    return {}
