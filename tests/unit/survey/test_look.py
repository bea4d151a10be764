"""Files that Tesseract has to read: a few of them tell how much text is in all."""

from pathlib import Path

import pytest
from fake_ocr import install, picture
from text_samples import TATAR, write

from endonym.formats.document import Document, Reject
from endonym.log import QUIET
from endonym.survey import look as looking
from endonym.survey.look import look, read_pictures


def test_a_file_that_was_read_in_part_is_not_counted_with_those_like_the_read_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "t", {"Cyrillic": ("".join(TATAR), 95.0)}, monkeypatch)
    monkeypatch.setattr(looking, "pack_for", lambda *_: ("Cyrillic", "told"))
    paths = [write(tmp_path, f"{n}.png", picture("\n".join(TATAR))) for n in range(6)]
    paths[-1].write_bytes(2 * paths[-1].read_bytes())  # and twice as much text
    partly, *unread = group = [look(path, 3_000) for path in paths]
    partly.problem = ""
    partly.begin.records = [Document(TATAR[0], "0.png#1", "a"), Reject("needs_ocr", "0.png#2", "a")]
    read_pictures(group, "tt", "", QUIET)
    texts = [len("\n".join(TATAR).encode())] * 6
    assert sum(each.text_bytes for each in unread) == pytest.approx(sum(texts))
    assert [each.begin.times for each in unread if not each.like] == [6 / 3] * 3
