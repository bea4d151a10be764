"""The recipe that mends what was found."""

import tomllib
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest
from text_samples import TATAR

from endonym.corpus.corpus_stats import SourceStats
from endonym.formats.config import Clean, Source
from endonym.formats.document import Reject
from endonym.formats.files import RawFile
from endonym.formats.readable import Reading
from endonym.recipe.recipe import Recipe
from endonym.survey import prescription
from endonym.survey.examination import Examined
from endonym.survey.findings import Finding
from endonym.survey.prescription import (
    clean_table,
    lines_for,
    mended,
    prescribed,
    readings,
    recipe_text,
    recommended,
)

EVERY = Clean(
    normalize=("mojibake", "nfc", "zero_width", "look_alikes", "spaces"),
    language="tt",
    min_language_score=0.2,
    split_languages=True,
    script="cyrillic",
    min_script_share=0.5,
    max_digits=0.3,
    max_line_documents=10,
    dedup=("exact", "near", "paragraphs"),
    max_unreadable=1.0,
)


def finding(name: str) -> Finding:
    """A finding of ten documents."""
    return Finding(name, name.replace("_", " "), "…", 10, 0.1)


def test_what_found_nothing_is_not_prescribed():
    clean = recommended(EVERY, [finding("look_alikes"), finding("max_digits")])
    assert clean.normalize == ("nfc", "zero_width", "look_alikes", "spaces")
    assert (clean.max_digits, clean.max_line_documents, clean.language) == (0.3, None, None)
    assert clean.dedup == ("exact", "near", "paragraphs")
    assert clean.max_unreadable == Clean().max_unreadable


def test_twice_of_what_cannot_be_read_is_allowed_if_that_is_more_than_usual():
    damaged = Reading("a", records=100, bytes=1_000, lost=Counter({"truncated  a.gz": 94}))
    assert recommended(EVERY, [], [damaged]).max_unreadable == 0.19
    assert recommended(EVERY, [], [Reading("a", 100, 1_000)]).max_unreadable == 0.01


def test_a_rule_comes_with_the_keys_that_it_needs():
    clean = recommended(EVERY, [finding("min_language_score"), finding("min_script_share")])
    assert (clean.language, clean.min_language_score) == ("tt", 0.2)
    assert (clean.script, clean.min_script_share) == ("cyrillic", 0.5)
    assert lines_for("min_language_score", clean) == 'language = "tt"\nmin_language_score = 0.2'
    assert lines_for("near", clean) == '# in dedup: "near"'
    assert lines_for("lost_letters", clean) == ""


def test_each_finding_gets_its_lines_and_those_of_all_can_stand_in_one_table():
    names = ("look_alikes", "max_line_documents", "nfc", "exact", "near", "max_digits")
    findings = [finding(name) for name in names]
    lines = [each.recipe for each in prescribed(findings, recommended(EVERY, findings))]
    assert lines[:2] == ['# in normalize: "look_alikes"', "max_line_documents = 10"]
    table = {"max_line_documents": 10, "max_digits": 0.3}
    assert tomllib.loads("\n".join(["[clean]", *lines])) == {"clean": table}


def test_the_recipe_can_be_loaded(tmp_path: Path):
    findings = [finding("look_alikes"), finding("max_digits")]
    sources = [Source(name="a", path="a.txt", document="line"), Source(name="b", path="b.txt")]
    clean = recommended(EVERY, findings)
    text = recipe_text("tatar", "tt", sources, clean_table(clean, findings), notes=["Save it."])
    (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
    recipe = Recipe.load(tmp_path / "recipe.toml")
    assert recipe.clean == clean
    assert list(recipe.source) == sources
    assert text.startswith("# Save it.\n")
    assert "# max digits: 10" in text
    # A language that nobody named is no error.
    text = recipe_text("a", "", [Source(name="a", path="a.txt")], "[clean]")
    (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
    assert Recipe.load(tmp_path / "recipe.toml").language == "x-mine"


def test_bad_pages_get_ocr_where_tesseract_is_installed(monkeypatch: pytest.MonkeyPatch):
    stats, file = SourceStats("book"), RawFile(path=Path("b.pdf"), name="b.pdf")
    stats.drop(Reject("bad_text_layer", "book.pdf#1", "book"), 100, "book.pdf")
    sources = [(Source(name="book", path="book.pdf"), [file])]
    for engine, ocr in ((None, None), ("tesseract", "auto")):
        monkeypatch.setattr(prescription, "tesseract", lambda engine=engine: engine)
        (source,) = mended(Examined(EVERY, stats=[stats]), sources)
        assert source.ocr == ocr
    nothing = Examined(EVERY, stats=[stats], unread={"book": {file: "damaged"}})
    assert mended(nothing, sources) == []


def test_of_a_file_that_gave_nothing_no_byte_counts_as_read_or_lost():
    """It is left out of the recipe; the bad lines of a file that stays are judged."""
    good, stats = len(TATAR[0].encode()), SourceStats("texts")
    stats.read.more(11, 10 * good + 5_000)
    stats.drop(Reject("invalid_utf8", "авыл.txt#3", "texts"), good, "авыл.txt")
    stats.drop(Reject("truncated", "китап.txt.gz", "texts"), 5_000, "китап.txt.gz")
    broken = RawFile(path=Path("китап.txt.gz"), name="китап.txt.gz")
    found = Examined(EVERY, stats=[stats], unread={"texts": {broken: "truncated"}})
    (reading,) = readings(found)
    assert reading.lost == {"invalid_utf8  авыл.txt": good}
    assert (reading.bytes, reading.share) == (10 * good, 0.1)


def test_what_the_recipe_says_of_a_source_stays_and_no_source_answers_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prescription, "tesseract", lambda: "tesseract")
    every = [SourceStats(name) for name in ("мәкаль", "roman", "book", "scan")]
    for stats, encoding in zip(every, ("cp1251", "iso8859-16"), strict=False):
        stats.encodings[encoding] += 1
    for stats in every[2:]:
        stats.drop(Reject("needs_ocr", f"{stats.name}.pdf#1", stats.name), 100)
    given = [
        Source(name="мәкаль", path="a.txt"),
        Source(name="roman", path="b.txt", encoding="iso8859-2"),
        Source(name="book", path="book.pdf"),
        Source(name="scan", path="scan.pdf", ocr=("tat",)),
    ]
    files = [RawFile(path=Path(each.path), name=each.path) for each in given]
    sources = [(source, [file]) for source, file in zip(given, files, strict=True)]
    made = mended(Examined(EVERY, stats=every, files=4, all_files=4), sources)
    assert [each.encoding for each in made] == ["cp1251", "iso8859-2", None, None]
    assert [each.ocr for each in made] == [None, None, "auto", ("tat",)]


def test_files_that_gave_nothing_are_left_out_beside_those_that_were(tmp_path: Path) -> None:
    files = [RawFile(path=tmp_path / name, name=name) for name in ("авыл.txt", "зыян.txt.gz")]
    source = Source(name="a", path=str(tmp_path), exclude=("иске/*",))
    found = Examined(EVERY, stats=[SourceStats("a")], unread={"a": {files[1]: "truncated"}})
    (made,) = mended(found, [(source, files)])
    assert made.exclude is not None
    assert made.exclude[0] == "иске/*"
    assert len(made.exclude) == 2
    assert PurePosixPath(files[1].name).match(made.exclude[1])
    assert not PurePosixPath(files[0].name).match(made.exclude[1])
