"""The doctor's page."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from html import unescape
from pathlib import Path

import pytest
from made_dirt import lines_of, stubs
from made_documents import zipped
from text_samples import ROMANIAN, TATAR, reasons, records, write

from endonym.log import Log
from endonym.report import doctor
from endonym.report.changes import sides_of
from endonym.report.formatting import templates
from endonym.survey.diagnosis import Diagnosis, diagnose
from endonym.survey.examination import FOREIGN
from endonym.survey.findings import Example, Finding
from endonym.survey.observing import Seen
from endonym.workers import Inline

Patch = pytest.MonkeyPatch
RECIPE = """name = "pupils"
language = "tt"
[[source]]
name = "pupils"
path = "t/*.txt"
document = "line"
[[phase]]
steps = 1
"""


def template(name: str, macro: str) -> Callable[..., str]:
    """A macro of a template."""
    return getattr(templates().get_template(name).module, macro)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: Patch) -> Diagnosis:
    """What is said of Tatar texts with a few faults."""
    monkeypatch.chdir(tmp_path)
    texts = [*TATAR, *stubs(60), "Безнeң aвылда <b>бүген</b> бәйрәм", f"сүз\u200bара {TATAR[2]}"]
    path = write(tmp_path, "a.txt", "\n".join(texts) + "\n")
    crew = nullcontext(Inline())
    return diagnose([path], runner_of=lambda size: crew, log=Log(quiet=True), language="tt")


def test_the_page_loads_nothing_and_escapes_texts(made: Diagnosis):
    html = doctor.doctor_page(made)
    assert not re.findall(r"(?:src|href)=\"(?!#)", html)
    assert "http" not in html.split("<body>")[1]
    assert "<b>бүген" not in html
    assert "&lt;b&gt;бүген" in html
    assert html.count("<h1") == 1


BOX = re.compile(r'data-list="(\w+)" value="(\w+)" title="a/(a\.txt#\d+|a\.txt)"')


def test_documents_and_files_have_boxes_with_the_hash_of_what_was_read(
    tmp_path: Path, monkeypatch: Patch
):
    monkeypatch.chdir(tmp_path)
    spaced = f"  {TATAR[1]}\u00a0"  # changed before it stays, and the hash is of what was read
    texts = [*TATAR, spaced, lines_of("fr")[0]]
    path = write(tmp_path, "a.txt", "\n".join(texts) + "\n")
    crew = nullcontext(Inline())
    made = diagnose([path], runner_of=lambda size: crew, log=Log(quiet=True), language="tt")
    boxes = {(place, mark): digest for mark, digest, place in BOX.findall(doctor.doctor_page(made))}

    def start(raw: bytes) -> str:
        return hashlib.sha256(raw).hexdigest()[:12]

    assert boxes["a.txt", "marked_out"] == start(path.read_bytes())
    assert boxes["a.txt#8", "marked_in"] == start(texts[7].encode())  # another script
    assert boxes["a.txt#1", "marked_out"] == start(TATAR[0].encode())  # it stays
    copies = {each.place for one in made.findings if one.name == "exact" for each in one.examples}
    assert copies == {"a/a.txt#7"}  # it goes whatever a person says
    assert ("a.txt#7", "marked_in") not in boxes


def test_the_command_of_the_marks_names_the_recipe_and_the_page_hides_personal_data(
    tmp_path: Path, monkeypatch: Patch
):
    monkeypatch.chdir(tmp_path)
    lines = enumerate(lines_of("tt")[:60], 10)
    pupils = [f"Алсу, 8-917-234-56-{n}, a{n}@mail.ru, {line}" for n, line in lines]
    path = write(tmp_path, "t/укучылар.txt", "\n".join([*pupils, *TATAR]))
    recipe = write(tmp_path, "татар теле.toml", RECIPE)
    for given, called in ((path, "укучылар"), (recipe, f"'{recipe}'")):
        made = diagnose([given], runner_of=lambda size: nullcontext(Inline()), log=Log(quiet=True))
        html = doctor.doctor_page(made)
        command = re.findall('data-command="([^"]*)"', html)
        assert [unescape(each).partition(" look ")[2] for each in command] == [called]
        assert not re.search(r"234-56|@mail", html)


def test_files_of_one_content_have_one_box_as_a_mark_is_of_all_and_archives_have_one(
    tmp_path: Path, monkeypatch: Patch
):
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "Копия a.txt"):
        write(tmp_path, f"t/{name}", "\n".join(TATAR))
    write(tmp_path, "t/b.zip", zipped({f"{n}.txt": each for n, each in enumerate(ROMANIAN)}))
    crew = nullcontext(Inline())
    made = diagnose([Path("t")], runner_of=lambda size: crew, log=Log(quiet=True), language="tt")
    rows = {each.place: (count, files) for each, count, files in doctor.files(made.examined)}
    both = "a/a.txt and Копия_a/Копия a.txt"
    assert rows == {both: (2 * len(TATAR), 2), "b/b.zip": (len(ROMANIAN), 1)}
    html = doctor.doctor_page(made)
    assert html.count(f'title="{both}"') == 1
    digest = hashlib.sha256((tmp_path / "t/b.zip").read_bytes()).hexdigest()[:12]
    assert f'value="{digest}" title="b/b.zip"' in html


def test_languages_are_counted_for_each_reason_and_script(tmp_path: Path, monkeypatch: Patch):
    """French and Khmer among Romanian, and a text of Romanian in Cyrillic letters."""
    monkeypatch.chdir(tmp_path)
    cyrillic = "Буника ышь бя кафяуа пе приспэ ши аскултэ врэбииле, димиляца девреме."
    texts = [*lines_of("ro"), *[f"{each} {n}" for n, each in enumerate(lines_of("fr")[:3])]]
    path = write(tmp_path, "a.txt", "\n".join([*texts, cyrillic, *lines_of("km")[:2]]) + "\n")
    crew = nullcontext(Inline())
    found = diagnose([path], runner_of=lambda size: crew, log=Log(quiet=True), language="ro")
    by_name = {each.name: each for each in found.findings}
    for name in FOREIGN:
        assert sum(n for _, n in by_name[name].groups) == by_name[name].count
    assert by_name["min_language_score"].groups == [("fr", 3)]
    assert ("Khmer", "2") in doctor.named_groups(by_name["min_script_share"], own="ro")
    own = Finding("min_script_share", "t", "m", 1, 0.1, groups=[("ro", 1)])
    assert doctor.named_groups(own, own="ro") == [("Romanian in another script", "1")]
    assert ("other: French", "3") in [each[:2] for each in doctor.languages(found)]


def test_no_text_and_no_name_becomes_markup(tmp_path: Path, monkeypatch: Patch):
    """In a dropped document, a template, a near copy that stays, a rare word and a file's name."""
    monkeypatch.chdir(tmp_path)
    evil = "<script>alert(1)</script>"
    copy = f"{TATAR[0]} {TATAR[1]} {evil} {TATAR[2]} {TATAR[3]}"
    made = [each.replace(" авыл. ", f" авыл {evil}. ") for each in stubs(60)]
    texts = [*TATAR, *made, copy, f"{copy} Шулай.", f"{evil}Безнeң{evil}", f"{evil} 1234567890123"]
    write(tmp_path, f"{evil.replace('/', '')}.txt", "\n".join([*texts, f"{TATAR[4]} {evil}Щ"]))
    write(tmp_path, "<script>bad.txt", bytes(range(256)) * 20)
    found = diagnose(
        [tmp_path], runner_of=lambda size: nullcontext(Inline()), log=Log(quiet=True), language="tt"
    )
    by_name = {each.name: each for each in found.findings}
    assert "<script>" in by_name["max_same_skeleton"].examples[0].text
    assert "<script>" in by_name["near"].examples[0].other
    assert "<script>" in by_name["look_alikes"].examples[0].before
    assert "<script>" in by_name["near"].examples[0].place
    assert "<script>" in by_name["unread_files"].examples[0].place
    html = doctor.doctor_page(found)
    assert html.count("<script") == 1
    assert "&lt;script&gt;alert(1)" in html


def test_the_page_has_the_verdict_the_findings_in_order_and_the_recipe(made: Diagnosis):
    html = doctor.doctor_page(made)
    titles = re.findall(r'<a href="#f-\d+">(.*?)</a>', html)
    assert titles == [each.title for each in made.findings]
    assert titles[0] == "Texts filled in by a program"
    assert "look_alikes" in html.split('id="whole"')[1]
    usable = [each for each in made.findings if each.recipe and each.recipe[0] != "#"]
    assert html.count('class="copy"') == 2 + len(usable) < 2 + len(made.findings)
    assert "In the list normalize in [clean] of the recipe" in html
    for part in ("findings", "texts", "alphabet", "vocabulary", "feeds", "recipe"):
        assert f'<section id="{part}"' in html


def test_the_page_is_no_text_for_the_next_run(made: Diagnosis, tmp_path: Path):
    """It is written beside the texts, and quotes them."""
    assert reasons(records(write(tmp_path, "doctor.html", doctor.doctor_page(made)))) == {
        "own_page": 1
    }


def test_a_page_about_nothing_is_a_page(tmp_path: Path):
    (tmp_path / "a.bin").write_bytes(bytes(range(256)) * 20)
    found = diagnose([tmp_path], runner_of=lambda size: nullcontext(Inline()), log=Log(quiet=True))
    assert "No text could be read" in doctor.doctor_page(found)
    assert 'id="whole"' not in doctor.doctor_page(found)


def test_changed_letters_are_marked_and_named():
    (before, names), (after, _) = sides_of("Безнeң aвылда", "Безнең авылда")
    assert before == [("Безн", False), ("e", True), ("ң ", False), ("a", True), ("вылда", False)]
    assert [text for text, is_changed in after if is_changed] == ["е", "а"]
    assert names == "e U+0065 latin small letter e, a U+0061 latin small letter a"


def test_what_cannot_be_seen_is_named_and_the_end_of_a_window_is_no_change():
    before, after = sides_of("сүз\u200bара тора", "сүзара тора б")
    assert ("[U+200B]", True) in before.pieces
    assert (before.names, after.names) == ("U+200B zero width space", "")
    assert after.pieces[-1] == ("ара тора б", False)
    assert sides_of("а\u00a0б", "а б")[0].pieces[1] == ("[U+00A0]", True)
    assert sides_of("а  б", "а б")[0].pieces[1] == ("[U+0020][U+0020]", True)
    assert {each.names for each in sides_of("тел. +7 913 17, юк", "тел. […], юк")} == {""}
    before, after = sides_of("នៃ\u200b\u200bកត្តា", "នៃ\u200bកត្តា")
    assert (before.pieces[1][0], after.pieces[1][0]) == ("[U+200B][U+200B]", "[U+200B]")
    assert sides_of("РўРѕР", "Томны аерыр")[1].pieces == [("Томны аерыр", True)]


def test_a_mark_that_stays_beside_a_changed_letter_is_no_change_and_stands_apart():
    """In Persian, U+200C belongs to the letter before it, and its number is written in Latin."""
    before, after = sides_of("علي\u200cرضا آمد", "علی\u200cرضا آمد")
    assert [text for text, is_changed in before.pieces if is_changed] == ["ي"]
    before, after = sides_of("می\u200c\u200cرود", "می\u200cرود")
    marks = [text for side in (before, after) for text, is_changed in side.pieces if is_changed]
    assert marks == ["[U+200C][U+200C]", "[U+200C]"]
    assert after.names == ""
    made = template("change.html", "change")("می\u200c\u200cرود خانه", "می\u200cرود خانه")
    assert made.count('dir="rtl"') == 1
    assert made.count("<bdi>[U+200C]</bdi>") == 3
    latin = template("change.html", "change")("HTML صفحه\u200b است", "HTML صفحه است")
    assert 'dir="rtl"' in latin  # whatever it begins with


def test_a_change_within_a_letter_marks_the_letter_with_all_its_signs():
    """A subscript alone would stand on a dotted circle."""
    before, after = sides_of("ភាសាខែ្មរ", "ភាសាខ្មែរ")
    assert before == ([("ភាសា", False), ("ខែ្ម", True), ("រ", False)], "ខ + ែ + ្ + ម")
    assert after == ([("ភាសា", False), ("ខ្មែ", True), ("រ", False)], "ខ + ្ + ម + ែ")


def test_of_each_kind_of_change_one_example_comes_first():
    subscripts = ("សាស្រ្ត", "សាស្ត្រ"), ("សង្រ្គាម", "សង្គ្រាម"), ("មន្រ្តី", "មន្ត្រី")
    vowels = ("សើ្ម", "ស្មើ"), ("ខែ្មរ", "ខ្មែរ"), ("បេីក", "បើក")
    examples = [Example(was, before=was, after=now) for was, now in (*subscripts, *vowels)]
    names = [each.place for each in doctor.one_of_each(examples)]
    assert names == ["សាស្រ្ត", "សើ្ម", "បេីក", "សង្រ្គាម", "ខែ្មរ", "មន្រ្តី"]
    assert doctor.one_of_each(plain := [Example("б"), Example("а")]) == plain


def test_letters_that_are_rare_and_that_go_come_with_a_word(made: Diagnosis):
    raw, kept = made.examined.raw, made.examined.kept
    gone = {each.letter: each for each in doctor.gone_letters(raw, kept)}
    assert gone["e"].word == "Безнeң"
    assert gone["e"].name == "U+0065 latin small letter e"
    assert all(kept.letters[each.letter] == each.count for each in doctor.rare_letters(kept))
    assert sum(bar.value for bar in doctor.lengths(raw).bars) == pytest.approx(100)
    examples = {"a": ["аaа", "a.txt"], "щ": ["щи", "a.txt"], "б": ["бу", "a.txt"]}
    seen = Seen(letters=Counter({"щ": 3, "a": 5, "б": 10**6}), examples=examples)
    assert [each.letter for each in doctor.rare_letters(seen)] == ["a", "щ"]
    few = Seen(letters=Counter({"б": 10**5 + 1}))
    assert [each.letter for each in doctor.gone_letters(seen, few)] == ["a", "щ"]


def test_licences_are_those_that_documents_say_and_the_most_frequent_share_is_first(
    made: Diagnosis,
):
    made.examined.raw.licences["a"] = Counter({"": 2})
    assert doctor.licences(made) == [("a", "none is named")]
    made.examined.raw.licences["a"] = Counter({"": 2, "CC0": 3})
    assert doctor.licences(made) == [("a", "CC0 (3), 2 documents say none")]
    assert doctor.shares({"а": 1, "б": 3, "в": 3}, 7)[0] == ("б", "3", "43 %")


def test_shares_and_growth_are_said_in_words(made: Diagnosis):
    said = [doctor.percent(each) for each in (0, 0.00001, 0.00123, 0.5, 1.0)]
    assert said == ["0 %", "< 0.01 %", "0.12 %", "50 %", "100 %"]
    assert "too little text to say how its vocabulary grows" in doctor.doctor_page(made)
    made.examined.growth["kept"] = [(n, round(10 * n**0.5)) for n in range(0, 50_000, 1_000)]
    assert "look for texts of other kinds" in doctor.doctor_page(made)
    made.examined.growth["kept"] = [(n, round(10 * n**0.7)) for n in range(0, 50_000, 1_000)]
    assert "power of 0.70" in doctor.doctor_page(made)
