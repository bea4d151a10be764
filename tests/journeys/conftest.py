"""What the journeys through the pages share: a folder of texts."""

from pathlib import Path

import pytest

from endonym.demo.recipes import hand_written


@pytest.fixture
def fables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tatar fables, each a file in `texts/` of the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts").mkdir()
    found = hand_written("tt")
    for number, fable in enumerate(found):
        (tmp_path / "texts" / f"{number}.txt").write_text(fable + "\n", encoding="utf-8")
    return found
