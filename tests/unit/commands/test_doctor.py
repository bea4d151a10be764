"""`endonym doctor` as a function."""

from pathlib import Path

import pytest
from made_dirt import stubs
from text_samples import TATAR, write

from endonym.commands.doctor import describe, examine_texts
from endonym.log import Log


def test_the_page_is_written_and_the_screen_has_a_short_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, "a.txt", "\n".join([*TATAR, *stubs(60)]) + "\n")
    out = tmp_path / "pages" / "a.html"
    out.parent.mkdir()
    found = examine_texts([path], out=out, log=Log(quiet=True), language="tt", workers=1)
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    said = describe(found)
    assert said.startswith("Of 66 documents")
    assert "Texts filled in by a program (mended)" in said
    assert len(said.splitlines()) <= 20
    told = found.as_dict()
    assert told["findings"][0]["name"] == "max_same_skeleton"
    assert len(told["findings"][0]["examples"]) == 20
