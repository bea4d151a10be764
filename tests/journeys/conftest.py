"""What journeys share: a folder of texts, and a machine that compiles nothing."""

from pathlib import Path

import pytest
from made_dirt import fables as hand_written


@pytest.fixture
def fables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tatar fables, each a file in `texts/` of the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts").mkdir()
    found = hand_written("tt")
    for number, fable in enumerate(found):
        (tmp_path / "texts" / f"{number}.txt").write_text(fable + "\n", encoding="utf-8")
    return found


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks are not compiled: tests/unit/train/test_compile.py does that."""
    why = "no compiler in this test"
    monkeypatch.setattr("endonym.autopilot.probe.unsupported_reason", lambda *given: why)
