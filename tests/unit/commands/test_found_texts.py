"""What `new` says of texts and of its choices: complete, and within 80 columns."""

import re
from collections import Counter
from types import SimpleNamespace
from typing import cast

import pytest

from endonym.commands.check import Checked
from endonym.commands.found_texts import describe_model, describe_survey
from endonym.formats.config import Source
from endonym.log import Log, columns, number
from endonym.model.config import ModelKeys
from endonym.model.families import resolve
from endonym.survey.survey import Survey


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


@pytest.mark.parametrize(("count", "more"), [(8, 0), (9, 1)])
def test_of_many_odd_sources_eight_are_shown_and_the_rest_is_counted(
    count: int, more: int, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = [(Source(name=f"s{n}", path=f"{n}.txt"), "reads like Bashkir") for n in range(count)]
    source = (Source(name="a", path="a"), "")
    text = said(Survey(sources=[source], odd=odd, encodings=Counter({"utf-8": 1})), capsys)
    assert text.count("reads like Bashkir") == 8
    assert re.findall("and [0-9]+ more", text) == ["and 1 more"] * more
    assert (", …]" in text) == bool(more)


def test_parts_of_a_run_that_take_little_of_its_time_are_not_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    keys = ModelKeys.model_validate({"dim": 64, "layers": 2, "mixer": {"heads": 2}})
    shape = resolve(keys, vocab=512, context=64)
    parts = {"training": 950.0, "scoring": 50.0, "export": 1.0}
    checked = SimpleNamespace(
        shape=shape, train_tokens=1_000, epochs=2.0, seconds=1_000.0, parts=parts
    )
    describe_model(cast(Checked, checked), Log())
    assert capsys.readouterr().err.splitlines()[-1].endswith("here: training 16 min · scoring 50 s")


def test_a_plain_folder_is_three_lines_without_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain = Survey(sources=[(Source(name="a", path="a"), "")], encodings=Counter({"utf-8": 1}))
    plain.all_documents = 4.0
    text = said(plain, capsys)
    assert len(text.splitlines()) == 3
    assert "warning" not in text
    plain.doubt = "no text reads like Tatar: 0.0% of its letters are ә"
    assert "warning: no text reads like Tatar" in said(plain, capsys)
    plain.doubt, plain.all_documents = "", 3.0
    assert "warning: the run will end: documents left: 3; " in said(plain, capsys)
