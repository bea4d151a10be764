"""What comes to the disk, in its order: which files are flushed, renamed and removed."""

import os
from pathlib import Path

import pytest


def events_of(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, object]]:
    """The events from now on: ("flushed", name, its bytes), ("renamed", old, new), ("removed", …).

    A folder that is flushed has no number of bytes.
    """
    events: list[tuple[str, str, object]] = []
    replace, unlink = Path.replace, Path.unlink

    def flush(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").resolve()
        events.append(("flushed", path.name, None if path.is_dir() else path.stat().st_size))

    def renamed(path: Path, target: Path) -> Path:
        events.append(("renamed", path.name, target.name))
        return replace(path, target)

    def removed(path: Path, missing_ok: bool = False) -> None:
        events.append(("removed", path.name, missing_ok))
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(Path, "replace", renamed)
    monkeypatch.setattr(Path, "unlink", removed)
    return events
