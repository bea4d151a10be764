"""Findings from what the rules did, and the recipe that mends them."""

import tomllib
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest
from fake_ocr import picture, remove
from made_dirt import lines_of, stubs
from text_samples import ROMANIAN, RUSSIAN, TATAR, write

from endonym.cleaning.normalize import replacement
from endonym.cleaning.rules import AFTER, DROPS, OF_THE_CORPUS, step_names
from endonym.corpus.corpus_stats import SourceStats
from endonym.formats.config import Clean, Replacement, Source
from endonym.formats.document import Reject
from endonym.formats.files import RawFile
from endonym.formats.readable import Reading
from endonym.recipe.recipe import Recipe
from endonym.survey import mending
from endonym.survey.cleaning import diagnostic_clean
from endonym.survey.examination import Examined, examine
from endonym.survey.findings import (
    Example,
    Finding,
    exclude_line,
    finding_of,
    findings_of,
    only_encoding,
    personal_data,
)
from endonym.survey.format_guess import plain_guess
from endonym.survey.mending import (
    clean_table,
    lines_for,
    mended,
    prescribed,
    readings,
    recipe_text,
    recommended,
)
from endonym.survey.survey import NO_TEXT, ODD, Left, Survey, look_through

Found = dict[str, Finding]


def named(
    examined: Examined, *sources: Source, survey: Survey | None = None, samples: int = 20
) -> Found:
    """The findings by name, in their order."""
    packages = "tesseract-ocr"
    every = findings_of(examined, sources, survey, samples=samples, packages=packages)
    assert len({each.name for each in every}) == len(every)
    return {each.name: each for each in every}


def of_files(paths: list[Path], texts: list[str], survey: Survey | None = None) -> Found:
    """The findings about files of one source, whose language nobody has named."""
    source = Source(name="a", path=str(paths[0].parent), document="line")
    clean = diagnostic_clean("", "\n".join(texts), texts)
    raw = [RawFile(path=path, name=path.name) for path in paths]
    return named(examine([(source, raw)], clean), source, survey=survey)


def found_in(path: Path, texts: list[str], survey: Survey | None = None) -> Found:
    """The findings about a list, by name."""
    return of_files([write(path, "a.txt", "\n".join(texts) + "\n")], texts, survey)


def test_each_rule_that_acts_is_a_finding_with_place_and_text(tmp_path: Path):
    garbled = TATAR[1].encode().decode("cp1252", "ignore")
    found = found_in(tmp_path, [*TATAR, TATAR[0], "Безнeң aвылда бүген бәйрәм", garbled])
    copy = found["exact"]
    assert (copy.count, copy.of) == (1, "document")
    assert copy.examples[0].place == "a/a.txt#7"
    assert (copy.examples[0].other_place, copy.examples[0].why) == ("a/a.txt#1", "")
    (change,) = found["look_alikes"].examples
    assert change.place == "a/a.txt#8"
    assert (change.before[:9], change.after[:9]) == ("Безнeң aв", "Безнең ав")
    assert found["mojibake"].count == 1


def test_mojibake_that_cannot_be_mended_is_counted_with_what_can(tmp_path: Path):
    garbled = [f"{n} {text}".encode().decode("latin-1") for n, text in enumerate(TATAR)]
    lost = [each.replace("\x99", "?") for each in garbled]
    found = found_in(tmp_path, [*TATAR, *ROMANIAN, *garbled, *lost])
    counts = [found[name].count for name in ("mojibake", "lost_letters") if name in found]
    assert sum(counts) == len({*garbled, *lost})


def test_clean_texts_have_no_finding_but_their_missing_licence(tmp_path: Path):
    ((name, licence),) = found_in(tmp_path, TATAR).items()
    assert (name, licence.severity, licence.groups) == ("license", "small", [])
    assert licence.recipe == '# license = "…"'


def test_blanks_are_small_even_if_all_documents_have_them(tmp_path: Path):
    found = found_in(tmp_path, [each.replace(" ", "  ") for each in TATAR])["spaces"]
    assert (found.share, found.severity) == (1.0, "small")


def test_what_matters_most_stands_first_and_not_what_is_frequent(tmp_path: Path):
    garbled = [f"{n} {text}".encode().decode("latin-1") for n, text in enumerate(TATAR[:4])]
    blanks = [each.replace(" ", "  ") for each in lines_of("tt")]
    found = list(found_in(tmp_path, [*blanks, *garbled]).values())
    assert [each.rank for each in found] == sorted((each.rank for each in found), reverse=True)
    names = [each.name for each in found]
    assert names.index("mojibake") < names.index("spaces")
    counts = {each.name: each.count for each in found}
    assert counts["mojibake"] < counts["spaces"]


def test_templates_are_named_with_all_their_documents(tmp_path: Path):
    found = found_in(tmp_path, [*TATAR, *stubs(60)])["max_same_skeleton"]
    assert found.count == 60
    assert sum(number for _, number in found.groups) == 60
    assert "районындагы авыл" in found.groups[0][0]
    assert found.severity == "serious"
    (mended,) = prescribed([found], Clean(max_same_skeleton=20))  # a person has nothing to do
    assert (mended.severity, mended.recipe.split()[0]) == ("mended", "max_same_skeleton")


def test_word_marks_are_found_where_some_documents_have_them_and_others_have_not(tmp_path: Path):
    """Khmer by sentences of a few words; one with a mark beside Latin letters has none of these."""
    sentences = lines_of("km")[1:]
    marked = [each.replace("ា", "ា\u200b", 2) for each in sentences[:6]]
    some = found_in(tmp_path, [*marked, *sentences[6:], "Latin\u200b: អក្សរឡាតាំង"])["word_marks"]
    assert some.count == sum("\u200b" in each for each in marked) < some.total
    assert "\u200b" in some.examples[0].before
    assert "\u200b" not in some.examples[0].after
    table = mending.clean_table(Clean(), [some])  # A person takes out the #.
    assert "replace" not in tomllib.loads(table)["clean"]
    assert "replace" in tomllib.loads(table.replace("# [[", "[[").replace("# let", "let"))["clean"]
    table = tomllib.loads(some.recipe.replace("clean.", ""))
    deleted = replacement(Replacement(**table["replace"][0]))
    assert deleted(marked[0]) == sentences[0]
    assert "word_marks" not in found_in(tmp_path, sentences)


def test_unread_files_are_findings_with_reasons_and_have_no_line_as_the_recipe_is_without_them(
    tmp_path: Path,
):
    """A file whose encoding is not certain is not given up."""
    texts = tmp_path / "texts"
    write(texts, "a.txt", "\n".join(TATAR))
    write(texts, "b.txt", bytes(range(256)) * 20)
    found = found_in(tmp_path, TATAR, look_through([texts], tmp_path))["unread_files"]
    assert (found.count, found.recipe) == (1, "")
    assert found.groups == [(found.examples[0].why, 1)]
    assert found.examples[0].place.endswith("b.txt")
    (texts / "b.txt").unlink()
    old = write(texts, "old.txt", "Vedle řeky, u žlutého mostu.".encode("cp1250"))
    left = found_in(tmp_path, TATAR, look_through([texts], tmp_path))["unread_files"]
    assert left.recipe.endswith('with their encoding: ["old.txt"]\n# encoding = "…"')
    assert left.table == "a new [[source]]"
    recipe = of_files([old], [])["unknown_encoding"].recipe
    assert '["old.txt"]\n# encoding = "…"' in recipe
    assert "exclude" not in recipe


def test_files_without_text_are_a_finding_that_matters_least(tmp_path: Path):
    """Of the system, of programs, sound, empty: nobody can do anything about them."""
    texts = tmp_path / "texts"
    write(texts, "a.txt", "\n".join(TATAR))
    for name in ("Thumbs.db", "~$доклад.docx", "җыр.mp3", "desktop.ini"):
        write(texts, name, bytes(range(256)) * 4)
    write(texts, "буш.txt", "")
    write(texts, "буш ике.txt", "   \n")
    write(texts, "Яңалык_files/jquery.js", "var x = 1;")
    survey = look_through([texts], tmp_path)
    found = found_in(tmp_path, TATAR, survey)
    assert "unread_files" not in found
    assert (found["no_texts"].count, found["no_texts"].severity) == (7, "small")
    assert dict(survey.skipped)[str(texts / "Thumbs.db")] == NO_TEXT
    write(texts, "иске.doc", bytes(range(256)) * 4)
    survey = look_through([texts], tmp_path)
    assert (found_in(tmp_path, TATAR, survey)["unread_files"].count, len(survey.skipped)) == (1, 8)
    assert survey.convertible == ["иске.doc"]
    write(texts, "исемлек.json", '[{"text": "Кояш чыкты"}]')
    survey = look_through([texts], tmp_path)
    assert survey.convertible == ["иске.doc"]
    assert "jq -c" in survey.unreadable["исемлек.json"]


def test_personal_data_are_told_with_documents_files_and_the_key_that_masks_them(tmp_path: Path):
    pupils = [f"{n + 1}. Галиев Камил 8917{310 + n:03}11{n:02}" for n in range(40)]
    path = write(tmp_path, "укучылар.txt", "\n".join(pupils))
    keys, _ = plain_guess("\n".join(pupils))
    assert keys == {"document": "line"}
    source = Source(name="a", path=str(path)).model_copy(update=keys)
    clean = diagnostic_clean("tt", "\n".join(pupils), pupils)
    examined = examine([(source, [RawFile(path=path, name=path.name)])], clean)
    told = personal_data(named(examined, source).values())
    assert told.startswith("personal data: telephone numbers in 40 documents, such as of a/укуч")
    assert "укучылар.txt. A model may say it" in told
    assert 'mask = ["phone"]' in told
    assert "Names cannot be found" in told
    assert personal_data(of_files([write(tmp_path, "a.txt", "\n".join(TATAR))], []).values()) == ""


def test_pictures_of_text_are_a_finding_of_their_own_that_says_how_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    remove(monkeypatch)
    write(tmp_path, "t/a.jpg", picture(TATAR[0]))
    write(tmp_path, "t/иске.doc", bytes(range(256)) * 4)
    found = found_in(tmp_path, TATAR, look_through([tmp_path / "t"], tmp_path))
    assert (found["pictures"].count, found["unread_files"].count) == (1, 1)
    assert "apt-get install tesseract-ocr" in found["pictures"].meaning
    assert (found["pictures"].recipe, found["unread_files"].recipe) == ("", "")


def test_broken_files_are_left_out(tmp_path: Path):
    found = of_files([write(tmp_path, "a.pdf", "%PDF-1.4 nothing")], [])
    assert list(found) == ["damaged", "license"]
    assert found["damaged"].recipe == 'exclude = ["a.pdf"]'
    assert found["damaged"].examples[0].why


def test_names_that_are_not_shown_are_counted():
    names = [f"{number}.txt" for number in range(37)]
    assert exclude_line(names).endswith("# and 25 more: the whole recipe leaves out all")
    assert "more" not in exclude_line(names[:12])


def test_files_in_another_language_are_counted_as_files_and_weighed_as_text(tmp_path: Path):
    survey = Survey(files=40, text_bytes=99e6)
    survey.left += [Left(ODD, f"{n}.txt", "French", 1e5, None) for n in range(10)]
    found = found_in(tmp_path, TATAR, survey)[ODD]
    assert (found.count, found.total, found.share, found.text_share) == (10, 40, 0.01, 0.01)


def test_an_encoding_is_named_for_a_source_only_if_all_its_files_have_it(tmp_path: Path):
    old, new = "\n".join(RUSSIAN).encode("cp1251"), "\n".join(TATAR).encode()
    texts = {"a.txt": old, "b.txt": old[:200], "c.txt": new}
    paths = [write(tmp_path, name, data) for name, data in texts.items()]
    whole = of_files(paths[:2], TATAR)["encoding"]
    assert (whole.count, whole.recipe) == (2, 'encoding = "cp1251"  # of "a"')
    mixed = of_files([paths[0], paths[2]], TATAR)["encoding"]
    assert mixed.count == 1
    assert all(line.startswith("#") for line in mixed.recipe.split("\n"))
    assert '# encoding = "cp1251"' in mixed.recipe
    assert '# exclude = ["a.txt"]' in mixed.recipe


def test_every_rule_has_words():
    names = [*step_names(), *OF_THE_CORPUS, *AFTER, *(drop.key for drop in DROPS)]
    for name in [*names, "exact", "near", "paragraphs"]:
        finding = finding_of(name, 1, 1)
        assert finding.title
        assert finding.meaning
        assert 0 <= finding.weight <= 1, name
    titles = [finding_of(name, 1, 1).title for name in ("max_digits", "tatar_letters", "truncated")]
    assert titles == ["Texts of digits", "Look-alikes of Tatar letters", "Unreadable: truncated"]


def test_json_leaves_out_what_an_example_does_not_say():
    finding = Finding("near", "t", "m", 2, 0.5, examples=[Example("a/b#1", text="т")])
    assert finding.as_dict()["examples"] == [{"place": "a/b#1", "text": "т"}]
    assert finding.as_dict()["severity"] == "serious"


def test_a_finding_is_serious_or_worth_mending_by_its_weight_and_share():
    shares = {0.02: "serious", 0.0199: "worth mending", 0.002: "worth mending", 0.00199: "small"}
    found = [Finding("a", "", "", 1, share, weight=0.5).severity for share in shares]
    assert found == list(shares.values())


def test_examples_are_spread_over_all_that_there_are():
    rejects = [Reject("min_chars", f"a.txt#{n}", "a", "short", TATAR[0]) for n in range(20)]
    found = Examined(Clean(), stats=[SourceStats("a")], rejects={"min_chars": rejects})
    for each in rejects:
        found.stats[0].tally.begin(each.id)
        found.stats[0].tally.dropped("min_chars", each.text, each.detail, 9)
    (short,) = named(found, samples=4).values()
    assert short.count == 20
    assert [each.place for each in short.examples] == [f"a/a.txt#{n}" for n in (0, 5, 10, 15)]


def test_a_source_has_a_licence_if_the_recipe_or_each_of_its_documents_names_one():
    found = Examined(Clean())
    found.raw.licences = {"a": {"CC0": 3}, "b": {"CC0": 3, "": 1}, "c": {}}
    sources = [Source(name=name, path=name) for name in "abc"]
    sources.append(Source(name="d", path="d", license="CC BY"))
    licence = named(found, *sources)["license"]
    assert (licence.count, licence.share, licence.of) == (2, 0.5, "source")
    assert licence.table == '[[source]] "b", "c"'


def test_what_cannot_be_read_is_a_share_of_what_was_read_with_it():
    found = Examined(Clean(), stats=[SourceStats("a")])
    found.raw.documents = 30
    for number in range(10):
        found.stats[0].drop(Reject("bad_json", f"a.jsonl#{number}", "a"), 5)
    unread = named(found)["bad_json"]
    assert (unread.count, unread.share, unread.of) == (10, 0.25, "record")


def test_of_a_sample_no_encoding_is_said_of_all_files():
    stats = SourceStats("a")
    stats.encodings.update({"cp1251": 3})
    found = Examined(Clean(), stats=[stats], files=3, all_files=3)
    assert only_encoding(found, "a") == "cp1251"
    found.all_files = 4
    assert only_encoding(found, "a") == ""
    found.all_files = 3
    stats.encodings["utf-8"] = 1
    assert only_encoding(found, "a") == ""
    del stats.encodings["cp1251"]
    assert only_encoding(found, "a") == ""


def test_a_report_of_endonym_among_the_texts_is_no_finding(tmp_path: Path):
    own = b'<html><head><meta name="generator" content="endonym"></head><body>1.2</body></html>'
    page = write(tmp_path, "report.html", own)
    texts = write(tmp_path, "a.txt", "\n".join(TATAR) + "\n")
    assert set(of_files([page, texts], TATAR)) == {"license"}


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


def of_ten(name: str) -> Finding:
    """A finding of ten documents."""
    return Finding(name, name.replace("_", " "), "…", 10, 0.1)


def test_what_found_nothing_is_not_prescribed():
    clean = recommended(EVERY, [of_ten("look_alikes"), of_ten("max_digits")])
    assert clean.normalize == ("nfc", "zero_width", "look_alikes", "spaces")
    assert (clean.max_digits, clean.max_line_documents, clean.split_languages) == (0.3, None, False)
    assert clean.dedup == ("exact", "near", "paragraphs")
    assert clean.max_unreadable == Clean().max_unreadable


def test_what_all_texts_of_a_grammar_have_in_common_stays():
    found = [of_ten(name) for name in ("max_line_documents", "max_same_skeleton", "max_digits")]
    tried = EVERY.model_copy(update={"max_same_skeleton": 20})
    for are_alike, lines, same in ((True, None, None), (False, 10, 20)):
        clean = recommended(tried, found, are_alike=are_alike)
        assert (clean.dedup == ("exact",), clean.max_digits) == (are_alike, 0.3)
        assert (clean.max_line_documents, clean.max_same_skeleton) == (lines, same)


def test_a_rule_that_would_drop_most_of_the_texts_is_left_to_a_person():
    for share, is_written in ((0.5, True), (0.51, False)):
        for name in ("max_digits", "min_script_share", "min_language_score"):
            most = Finding(name, name, "…", 10, share)
            assert (getattr(recommended(EVERY, [most]), name) is not None) is is_written
    spelling = Finding("look_alikes", "", "…", 10, 1.0)  # a change drops nothing
    assert "look_alikes" in recommended(EVERY, [spelling]).normalize


def test_twice_of_what_cannot_be_read_is_allowed_if_that_is_more_than_usual():
    damaged = Reading("a", records=100, bytes=1_000, lost=Counter({"truncated  a.gz": 94}))
    assert recommended(EVERY, [], [damaged]).max_unreadable == 0.19
    assert recommended(EVERY, [], [Reading("a", 100, 1_000)]).max_unreadable == 0.01


def test_a_rule_comes_with_the_keys_that_it_needs():
    clean = recommended(EVERY, [of_ten("min_language_score"), of_ten("min_script_share")])
    assert (clean.language, clean.min_language_score) == ("tt", 0.2)
    assert (clean.script, clean.min_script_share) == ("cyrillic", 0.5)
    assert lines_for("min_language_score", clean) == (
        "[clean]",
        'language = "tt"\nmin_language_score = 0.2',
    )
    assert lines_for("near", clean) == ("the list dedup in [clean]", '"near"')
    assert lines_for("lost_letters", clean)[1] == ""


TABLES = ("[clean]", "the list normalize in [clean]", "the list dedup in [clean]")


def test_each_finding_gets_its_lines_and_those_of_all_can_stand_in_one_table():
    names = ("look_alikes", "max_line_documents", "nfc", "exact", "near", "max_digits")
    findings = [of_ten(name) for name in names]
    found = prescribed(findings, recommended(EVERY, findings))
    tables = {table: [each.recipe for each in found if each.table == table] for table in TABLES}
    assert tables["the list dedup in [clean]"] == ['"exact"', '"near"']
    lists = [f"[{','.join(tables[table])}]" for table in TABLES[1:]]
    lines = [*tables["[clean]"], f"normalize = {lists[0]}", f"dedup = {lists[1]}"]
    assert tomllib.loads("\n".join(lines)) == {
        "max_line_documents": 10,
        "max_digits": 0.3,
        "normalize": ["look_alikes", "nfc"],
        "dedup": ["exact", "near"],
    }


def test_the_recipe_can_be_loaded(tmp_path: Path):
    findings = [of_ten("look_alikes"), of_ten("max_digits")]
    sources = [Source(name="a", path="a.txt", document="line"), Source(name="b", path="b.txt")]
    clean = recommended(EVERY, findings)
    text = recipe_text("tatar", "tt", sources, clean_table(clean, findings), notes=["Save it."])
    (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
    recipe = Recipe.load(tmp_path / "recipe.toml")
    assert (recipe.clean, recipe.language, recipe.phase[0].name) == (clean, "tt", "pretrain")
    assert list(recipe.source) == sources
    assert text.startswith("# Save it.\n")
    for note in (
        "# max digits: about 10",
        "# look alikes: about 10",
        "# the script of most letters",
    ):
        assert note in text
    assert text.count('# license = "…"') == 2
    # A language that nobody named is no error.
    text = recipe_text("a", "", [Source(name="a", path="a.txt")], "[clean]")
    (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
    assert Recipe.load(tmp_path / "recipe.toml").language == "x-mine"


def test_bad_pages_get_ocr_where_tesseract_is_installed(monkeypatch: pytest.MonkeyPatch):
    stats, file = SourceStats("book"), RawFile(path=Path("b.pdf"), name="b.pdf")
    stats.drop(Reject("bad_text_layer", "book.pdf#1", "book"), 100, "book.pdf")
    sources = [(Source(name="book", path="book.pdf"), [file])]
    for engine, ocr in ((None, None), ("tesseract", "auto")):
        monkeypatch.setattr(mending, "tesseract", lambda engine=engine: engine)
        (source,) = mended(Examined(EVERY, stats=[stats]), sources)
        assert source.ocr == ocr
    found = named(Examined(EVERY, stats=[stats]))["bad_text_layer"]
    assert (found.of, found.recipe) == ("page", 'ocr = "auto"')
    assert "apt-get install tesseract-ocr" in found.meaning
    source = sources[0][0].model_copy(update={"ocr": "auto"})  # as `new` has written it
    assert "apt-get install tesseract-ocr" in found.meaning
    mended_one = named(Examined(EVERY, stats=[stats]), source)["bad_text_layer"]
    assert mended_one.severity == "mended"
    assert "install" not in mended_one.meaning
    nothing = Examined(EVERY, stats=[stats], unread={"book": {file: "damaged"}})
    assert mended(nothing, sources) == []


def test_of_a_file_that_gave_nothing_no_byte_counts_as_read_or_lost():
    """It is left out of the recipe; the bad lines of a file that stays are judged."""
    good, stats = len(TATAR[0].encode()), SourceStats("texts")
    stats.read.update(records=11, bytes=10 * good + 5_000)
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
    monkeypatch.setattr(mending, "tesseract", lambda: "tesseract")
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
    names = ("яңа/авыл.txt", "иске/авыл.txt")  # a name alone would leave out both
    files = [RawFile(path=tmp_path / name, name=name) for name in names]
    found = Examined(EVERY, stats=[SourceStats("a")], unread={"a": {files[1]: "truncated"}})
    (made,) = mended(found, [(source, files)])
    assert made.exclude == ("иске/*", "/иске/авыл.txt")


def test_rules_against_other_languages_stay_for_what_was_not_examined():
    clean = recommended(EVERY, [])
    assert (clean.language, clean.min_language_score, clean.min_script_share) == ("tt", 0.2, 0.5)
