"""What journeys share: a folder of texts, a machine that compiles nothing, texts to judge."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from browsers import CHROMIUM
from made_dirt import fables as hand_written

from endonym.synthesis import endpoint


@pytest.fixture(scope="module")
def browser() -> Generator[Any]:
    """A browser, for tests that are marked with `needs_browser`."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


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


@pytest.fixture
def given(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The arguments of `endonym judge` but for who judges: few and short texts of a run.

    A server that is odd is asked again at once.
    """
    monkeypatch.setattr(endpoint, "LONGEST_BACKOFF", 0.01)
    run = finished / "runs" / "kechkena"
    store = ("--store", finished / "store", "--out", tmp_path / "judged")
    return ["judge", run, *store, "--count", 12, "--max-tokens", 24, "--split", "dev"]
