"""What comes to the disk, in its order: what is flushed, gets its name and is removed."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HANDLES = Path("/proc/self/fd")
needs_handles = pytest.mark.skipif(not HANDLES.exists(), reason="this system has no /proc")
"""For tests of events: it is /proc that knows the name of an open file."""


def events_of(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The events from now on: ("flushed", name), ("named", its new name), ("removed", name).

    A file that gets a name before all of its bytes are flushed is ("named too early", …).
    """
    events: list[tuple[str, str]] = []
    sizes: dict[int, int] = {}

    def flush(handle: int) -> None:
        about = os.fstat(handle)
        sizes[about.st_ino] = about.st_size
        events.append(("flushed", (HANDLES / str(handle)).resolve().name))

    def naming(name: Callable[..., Any]) -> Callable[..., Any]:
        def named(path: Any, target: Any, **keys: Any) -> None:
            about = Path(path).stat()
            is_safe = sizes.get(about.st_ino) == about.st_size
            events.append(("named" if is_safe else "named too early", Path(target).name))
            name(path, target, **keys)

        return named

    def removing(remove: Callable[..., Any]) -> Callable[..., Any]:
        def removed(path: Any, **keys: Any) -> None:
            remove(path, **keys)
            events.append(("removed", Path(path).name))

        return removed

    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, flush, raising=False)
    for name in ("rename", "replace"):
        monkeypatch.setattr(os, name, naming(getattr(os, name)))
    for name in ("unlink", "remove"):
        monkeypatch.setattr(os, name, removing(getattr(os, name)))
    return events


def require_named_when_flushed(events: list[tuple[str, str]], path: Path) -> int:
    """A file's bytes came to the disk, then its name, then the folder. The place of its name."""
    assert ("named", path.name) in events
    place = events.index(("named", path.name))
    assert ("flushed", path.parent.name) in events[place:]
    return place
