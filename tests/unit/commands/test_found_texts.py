"""What `new` says of texts and of its choices: complete, and within 80 columns."""

import re
from collections import Counter

import pytest

from endonym.autopilot.survey import Survey
from endonym.commands.found_texts import describe_survey
from endonym.log import Log, columns, number
from endonym.text.config import Source


def said(survey: Survey, capsys: pytest.CaptureFixture[str]) -> str:
    describe_survey(survey, "tt", Log())
    return capsys.readouterr().err


def test_a_mixed_folder_is_summarised_within_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    long = "рус теле/" * 12 + "китап.txt"
    why = "0.0% of its letters are ә ө ү җ ң һ, against 11.6% in other texts"
    text = said(
        Survey(
            sources=[(Source(name="a", path="a.txt"), "")],
            odd=[(Source(name="b", path=long), why)],
            odd_files=1,
            odd_bytes=130_000,
            foreign=Counter({".docx": 1_200, ".bak": 1}),
            unreadable={"broken.txt": "binary data: too many control characters for a text"},
            encodings=Counter({"utf-8": 5, "cp1251": 1}),
            files=1_208,
            text_bytes=870_000,
            all_documents=31_983.2,
        ),
        capsys,
    )
    assert all(columns(line) <= 80 for line in text.splitlines() if "китап.txt" not in line)
    flat = re.sub("[ \\n]+", " ", text)
    for part in (
        f"{number(1208)} files opened, 6 used: 870.0 kB, ≈ {number(32000)} documents",
        "5 utf-8, 1 cp1251 (guessed",
        f"{number(1200)} .docx, 1 .bak",
        "Tatar: 1 source · 1 file (130.0 kB, 13%) in another, left out",
        f"китап.txt: {why}",
        'exclude = ["*.docx", "*.bak", "broken.txt", "китап.txt"]',
        "broken.txt cannot be read, and is left out: binary",
    ):
        assert part in flat


def test_a_plain_folder_is_three_lines_without_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain = Survey(sources=[(Source(name="a", path="a"), "")], encodings=Counter({"utf-8": 1}))
    text = said(plain, capsys)
    assert len(text.splitlines()) == 3
    assert "warning" not in text
    plain.doubt = "no text reads like Tatar: 0.0% of its letters are ә"
    assert "warning: no text reads like Tatar" in said(plain, capsys)
