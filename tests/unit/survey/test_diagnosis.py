"""From paths to findings, and what a text can feed."""

import json
import re
import tomllib
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest
from made_dirt import lines_of, stubs
from text_samples import FRENCH, TATAR, gzipped, numbered, write

from endonym.autopilot.model_size import BYTES_PER_TOKEN
from endonym.autopilot.resolve import training_choices
from endonym.autopilot.text_size import TextSize
from endonym.corpus.corpus import make_corpus
from endonym.errors import MissingSource, RecipeError
from endonym.formats.config import Split
from endonym.formats.files import source_files
from endonym.log import Log
from endonym.log import size as in_bytes
from endonym.recipe.recipe import Recipe
from endonym.survey.diagnosis import Diagnosis, diagnose, language_of, of_recipe, potential, rough
from endonym.survey.findings import Finding, personal_data
from endonym.workers import Inline


def diagnosis(*paths: Path, **given: Any) -> Diagnosis:
    """What is said of these paths."""
    log = Log(quiet=True)
    return diagnose(paths, runner_of=lambda size: nullcontext(Inline()), log=log, **given)


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of Tatar texts, some of which a program has filled in."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "tatar"
    folder.mkdir()
    write(folder, "fables.txt", "\n".join(lines_of("tt")) + "\n")
    write(folder, "stubs.txt", "\n".join([*TATAR, *stubs(60)]) + "\n")
    return folder


def test_the_verdict_names_what_matters_and_the_recipe_mends_it(texts: Path, tmp_path: Path):
    found = diagnosis(texts)
    assert found.patient.code == "tt"
    assert "taken to be Tatar" in found.read()[0]
    assert "texts filled in by a program (60 documents)" in found.verdict()
    raw, kept = found.examined.raw, found.examined.kept
    assert f"{100 - 100 * kept.documents / raw.documents:.1f} % should go" in found.verdict()
    left = f"After cleaning {kept.documents} documents, {in_bytes(kept.bytes)} stay: about "
    assert f"{left}{rough(found.kept.tokens)} tokens" in found.verdict()
    recipe = Recipe.load(write(tmp_path, "recipe.toml", found.recipe))
    assert recipe.clean.max_same_skeleton
    assert {source.name for source in recipe.source} == {"fables", "stubs"}
    told = found.as_dict()
    assert told["read"]["documents"] > told["left"]["documents"]
    assert not told["read"]["is_sample"]
    assert [each["bytes"] for each in told["feeds"].values()] == [raw.bytes, kept.bytes]

    def verdict(*shares: float) -> str:
        given = [Finding("a", f"Чүп {n}", "", 9, each, weight=1.0) for n, each in enumerate(shares)]
        given[:1] = [replace(given[0], of="file")]  # of which documents are not counted
        return replace(found, findings=given).verdict()

    assert "What matters most: чүп 0 (9 files), чүп 1 (9 documents), чүп 2" in verdict(
        *[0.5] * 4, 1e-3
    )
    assert "good order, with something worth mending: чүп 0 (9 files). After" in verdict(1e-3, 1e-4)
    mended = replace(found.findings[0], name="a", title="Чүп", of="file", count=9, is_mended=True)
    said = replace(found, findings=[mended]).verdict()
    assert "should go. The recipe mends by itself: чүп (9 files). After" in said
    assert "order: nothing that matters was found. After" in verdict(1e-4)
    found.examined.files, found.patient.survey.doubt = 1, "Бу татарча түгел."
    found.examined.bytes, found.examined.all_bytes = 700, 12_345
    source, files = found.patient.sources[0]
    found.patient.sources[0] = (source.model_copy(update={"ocr": "auto"}), files)
    _, sample, pictures, doubt = found.read()
    assert "sample: 1 of 2 files, 700 B of 12.3 kB. All" in sample
    assert "Pictures of text were not read" in pictures
    assert doubt == "Бу татарча түгел."


SAID = {
    "messages": [
        {"role": "user", "content": "Cât costă excursia?"},
        {"role": "assistant", "content": "Zece lei."},
    ]
}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "question,answer\nCât costă excursia?,Excursia costă douăzeci de lei.\n"),
        ("a.jsonl", f"{json.dumps(SAID)}\n"),
        ("a.json", json.dumps([SAID], indent=1)),
        ("a.tsv", "întrebare\trăspuns\nUnde este cantina?\tLa parter.\n"),
        ("a.tsv", normalize("NFD", "Întrebare\tRĂSPUNS\nUnde este cantina?\tLa parter.\n")),
        ("b.csv", "nr,ghicitoare,dezlegare\n1,Cine aleargă fără picioare?,Apa\n"),
        ("c.json", json.dumps([{"Ερώτηση": "Πού είναι;", "Απάντηση": "Εκεί."}] * 3)),
    ],
)
def test_conversations_are_told_from_texts(tmp_path: Path, name: str, content: str):
    write(tmp_path, "t/text.txt", numbered(20))
    found = diagnosis(write(tmp_path, f"t/{name}", content).parent, language="ro")
    told = [each for each in found.findings if each.name in ("conversations", "unread_files")]
    assert [(each.name, each.count, each.severity) for each in told] == [
        ("conversations", 1, "small")
    ]
    assert 'objective = "chat"\ndata = "' in found.recipe
    assert f'data = "{tmp_path}/t/{name}"\n' in found.recipe
    columns = {"b": '["ghicitoare", "dezlegare"]', "c": '["Ερώτηση", "Απάντηση"]'}.get(name[0], "")
    assert found.recipe.partition("\ncolumns = ")[2].strip() == columns


def test_the_same_conversations_in_three_files_are_one_phase_and_counted_once(tmp_path: Path):
    asked = [{"întrebare": f"Cine este la ușa {n}?", "răspuns": f"Domnul {n}."} for n in range(10)]
    rows = "".join(f"{each['întrebare']},{each['răspuns']}\n" for each in asked)
    roles = ("user", "assistant")
    talks = [
        {"messages": [{"role": r, "content": c} for r, c in zip(roles, each.values(), strict=True)]}
        for each in asked
    ]
    talks += [{"messages": [{"role": "user", "content": "Cine are cheia?"}]}]
    lines = "".join(f"{json.dumps(each)}\n" for each in talks)
    write(tmp_path, "t/text.txt", numbered(20))
    rows += "Cine este la ușa 1?,Nu știu.\n"
    write(tmp_path, "t/a.csv", f"întrebare,răspuns\n{rows}")
    write(tmp_path, "t/b.json", json.dumps(talks[1:], indent=1))
    found = diagnosis(write(tmp_path, "t/c.jsonl", lines).parent, language="ro")
    (told,) = [each for each in found.findings if each.name == "conversations"]
    assert told.meaning.startswith("3 files, 11 conversations (left out: 1 without an answer: ")
    assert "; 19 copies of these; 1 question has more than one answer, such as" in told.meaning
    assert told.recipe.count("[[phase]]") == 1
    assert told.recipe.partition("data = [")[2].partition("]")[0].count("/t/") == 3


def test_an_old_table_is_read_and_broken_lines_are_named(tmp_path: Path):
    write(tmp_path, "t/text.txt", numbered(20))
    rows = (
        "întrebare;răspuns\nCine ţine cheia?;Moş Ion, fireşte, „portarul”.\nCât costă?;Doi lei.\n"
    )
    (tmp_path / "t/a.csv").write_bytes(rows.encode("cp1250"))
    asked = json.dumps(SAID)
    last = f"# {asked}\n{asked[:-9]}\n"
    path = write(tmp_path, "t/b.jsonl", f"# {asked}\n" + f"{asked}\n" * 30 + last)
    (told,) = [
        each
        for each in diagnosis(path.parent, language="ro").findings
        if each.name == "conversations"
    ]
    assert told.meaning.startswith("2 files, 3 conversations (left out: 2 commented: ")
    assert "b.jsonl, lines 1 and 32 (take out the # " in told.meaning
    assert "b.jsonl, line 33 (" in told.meaning


def test_of_each_file_of_conversations_it_is_said_what_keeps_it_from_being_learnt(tmp_path: Path):
    write(tmp_path, "t/text.txt", numbered(20))
    for name, answers in (("a.csv", ("Da.", "Nu.")), ("b\n.csv", ("Da.", ""))):
        rows = (f"Vine {name[0]} în {n}?,{answer}\n" for n, answer in enumerate(answers))
        path = write(tmp_path, f"t/{name}", f"întrebare,răspuns\n{''.join(rows)}")
    found = diagnosis(path.parent, language="ro").findings
    (told,) = [each for each in found if each.name == "conversations"]
    good, broken = sorted(told.examples, key=lambda each: each.place)
    assert ("a.csv" in good.place, "phase" in good.why) == (True, True)
    assert broken.why.startswith("50% of its conversations are broken")


def test_a_table_of_translations_holds_no_answers(tmp_path: Path):
    rows = "ro,tt\nUnde este cantina?,Ашханә кайда?\nLa parter.,Беренче катта.\n" * 3
    found = diagnosis(write(tmp_path, "a.csv", rows), language="tt")
    assert "conversations" not in [each.name for each in found.findings]


def test_files_of_which_only_the_beginnings_were_read_are_a_sample(texts: Path):
    found = diagnosis(texts, limit=3_000)
    assert found.examined.files == found.examined.all_files == 2
    assert found.as_dict()["read"]["is_sample"]
    assert any("only the beginnings were read" in each for each in found.read())


def test_the_corpus_of_the_recipe_can_be_made_though_some_of_its_texts_are_broken(
    texts: Path, tmp_path: Path
):
    """A folder of files that are read as a group, one of which no encoding fits; and bad JSON."""
    good = [json.dumps({"text": each}, ensure_ascii=False) for each in numbered(60)]
    (tmp_path / "p").mkdir()
    write(tmp_path / "p", "good.txt", numbered(60, 100))
    write(tmp_path / "p", "old.txt", "Vedle řeky, u žlutého mostu.".encode("cp1250"))
    write(tmp_path / "p", "cut.txt.gz", gzipped("\n".join(numbered(60, 200)))[:-20])
    write(tmp_path / "p", "bad.jsonl", "\n".join([*good, *["{no JSON" * 9] * 20]))
    head = 'name = "a"\nlanguage = "tt"\n[[phase]]\nname = "a"\n'
    source = '[[source]]\nname = "{0}"\npath = "p/{1}"\n'
    given = source.format("p", "*.txt*") + 'document = "line"\n' + source.format("b", "bad.jsonl")
    found = diagnosis(write(tmp_path, "given.toml", head + given))
    assert [each["exclude"] for each in tomllib.loads(found.recipe)["source"]] == [["old.txt"]]
    assert 'so much of "b" may be unreadable' in found.recipe
    mended = head + source.format("b", "bad.jsonl") + found.recipe
    recipe = Recipe.load(write(tmp_path, "recipe.toml", mended))
    raw = [(each, source_files(each, tmp_path)) for each in recipe.source]
    card = make_corpus(raw, recipe.clean, Split(), out=tmp_path / "corpus")
    assert card["sources"]["p"]["kept"]["train"]["documents"] > 60


def test_a_recipe_is_examined_alone(texts: Path, tmp_path: Path):
    path = write(tmp_path, "r.toml", 'name = "a"')
    with pytest.raises(RecipeError, match="alone"):
        diagnosis(path, texts)


def test_a_recipe_says_its_own_sources_and_language(texts: Path, tmp_path: Path):
    head = 'name = "my-tt"\nlanguage = "tt"\n[[source]]\nname = "s"\npath = "../tatar/stubs.txt"\n'
    rest = 'document = "line"\nlicense = "CC0-1.0"\n[[phase]]\nname = "a"\n[clean]\n'
    keys = "min_chars = 9\nmin_words = 1\n"
    path = write(tmp_path, "р/recipe.toml", head + rest + keys)
    assert of_recipe([path], "fra", Log(quiet=True)).code == "fr"
    write(tmp_path, "fr.txt", "\n".join(FRENCH * 3))
    found = diagnosis(path, contrast=["fr.txt"])
    assert found.examined.clean.contrast == ("../fr.txt",)
    assert (found.patient.name, found.patient.code) == ("my-tt", "tt")
    assert found.examined.documents == len(TATAR) + 60
    assert "license" not in {each.name for each in found.findings}
    assert found.as_dict()["licenses"] == {"s": "CC0-1.0"}
    assert f"in the place of [clean] in {path}" in found.recipe
    assert "not tried here; keep them if you want them: min_words" in found.recipe
    assert list(tomllib.loads(found.recipe)) == ["clean"]


def test_texts_to_contrast_with_are_taken_into_the_recipe(texts: Path, tmp_path: Path):
    write(tmp_path, "fr.txt", "\n".join(FRENCH * 3))
    found = diagnosis(texts, language="tt", contrast=["fr.txt"])
    assert found.examined.clean.contrast == (f"{tmp_path}/fr.txt",)
    with pytest.raises(MissingSource, match=r"^--contrast nothere.txt: there is no such file\n"):
        diagnosis(texts, language="tt", contrast=["nothere.txt"])


def test_files_that_cannot_be_read_are_findings_and_no_error(tmp_path: Path):
    (tmp_path / "a.bin").write_bytes(bytes(range(256)) * 20)
    found = diagnosis(tmp_path, language="tt")
    assert [each.name for each in found.findings] == ["unread_files"]
    assert "No text could be read" in found.verdict()
    assert not found.kept.is_enough
    assert found.recipe == ""


@pytest.mark.parametrize(
    ("name", "kept"),
    [("អត្ថបទ", "អត្ថបទ-model"), ("ភូមិ ស្រុក.txt", "ភូមិ-ស្រុក"), ("हिन्दी कथा", "हिन्दी-कथा")],
)
def test_the_new_recipe_keeps_the_signs_of_a_name(tmp_path: Path, name: str, kept: str) -> None:
    path = tmp_path / name
    write(tmp_path, name if path.suffix else f"{name}/a.txt", "\n".join(TATAR))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert f" new {kept} --language" in diagnosis(path, language="km").patient.new


def test_a_path_without_files_is_an_error_that_names_it(tmp_path: Path):
    with pytest.raises(MissingSource) as missing:
        diagnosis(tmp_path / "nothere")
    assert missing.value.where == str(tmp_path / "nothere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingSource, match="no file here") as empty:
        diagnosis(tmp_path / "empty")
    assert "Did you mean" not in empty.value.do


def test_a_runner_is_asked_for_by_the_size_of_the_texts(texts: Path):
    sizes: list[int] = []

    @contextmanager
    def runner_of(size: int):
        sizes.append(size)
        yield Inline()

    diagnose([texts], runner_of=runner_of, log=Log(quiet=True), limit=1_000)
    assert sizes == [1_000]


def test_a_language_is_known_guessed_or_not_told():
    assert language_of("tat", []) == ("tt", "")
    assert language_of(None, ["123"])[0] == ""


def test_a_number_is_said_by_the_largest_unit_that_it_has():
    values = (0, 999.4, 1_000, 2_345, 999_999, 1_000_000, 1_250_000_000)
    said = ["0", "999", "1 thousand", "2.3 thousand", "1000 thousand", "1 million", "1.2 billion"]
    assert [rough(each) for each in values] == said


def test_of_too_few_tokens_no_size_of_a_model_is_said(tmp_path: Path):
    found = diagnosis(write(tmp_path, "a.txt", TATAR[:2]), language="tt")
    assert "tokens, too little for any model here." in found.verdict()
    assert "parameters" not in found.verdict()


def test_personal_data_are_the_first_findings_hidden_on_the_page_and_masked(texts: Path):
    for each in texts.iterdir():
        each.unlink()
    lines = ["Шалтыратыгыз: 89171234567 көн саен.", "Хисап RO49AAAA1B31007593840000 нче."]
    write(texts, "contacts.txt", "\n".join([*lines_of("tt"), *lines, "СНИЛС 112-233-445 95."]))
    found = diagnosis(texts, language="tt")
    told = {each.name: each for each in found.findings if each.name.startswith("mask ")}
    counts = {name: each.count for name, each in told.items()}
    assert counts == {"mask phone": 1, "mask iban": 1, "mask code": 1}
    assert told["mask phone"].title == "Telephone numbers"
    assert told["mask phone"].recipe == '"phone"'
    assert {each.name for each in found.findings[:3]} == set(told)
    assert {each.severity for each in told.values()} == {"masked by the recipe"}
    what = "codes of persons ({0}), numbers of bank accounts (IBAN) ({0}), telephone numbers ({0})."
    what = what.format("1 document")
    masked = f"nothing that matters was found. The recipe masks personal data: {what} After"
    assert masked in found.verdict()
    recipe = texts.parent / "own.toml"
    recipe.write_text(found.recipe.replace("mask = ", 'mask = ["iban"] # '), encoding="utf-8")
    own = diagnosis(recipe)
    assert {each.name: each.severity for each in own.findings if each.is_personal} == {
        "mask phone": "serious",
        "mask code": "serious",
        "mask iban": "masked by the recipe",
    }
    most = "What matters most: codes of persons (1 document), telephone numbers (1 document)."
    iban = "The recipe masks personal data: numbers of bank accounts (IBAN) (1 document)."
    assert f"{most} {iban} After" in own.verdict()
    for each, must in ((found, "the recipe masks it by"), (own, "no text may be learnt without")):
        assert personal_data(each.findings) == (
            "personal data: codes of persons in 1 document, numbers of bank accounts (IBAN) in 1 "
            "document and telephone numbers in 1 document, such as of contacts/contacts.txt. A "
            f'model may say it to anyone: {must} mask = ["code", "iban", "phone"] in [clean]. '
            "Names cannot be found. Leave lists of persons out: endonym look NAME --mark-out FILE"
        )
    (shown,) = told["mask phone"].examples
    assert (shown.before, shown.after) == (
        "Шалтыратыгыз: ███████████ көн саен.",
        "Шалтыратыгыз: […] көн саен.",
    )
    assert not re.search("8917|AAAA|233-445", json.dumps(found.as_dict(), ensure_ascii=False))
    assert set(tomllib.loads(found.recipe)["clean"]["mask"]) == {"phone", "iban", "code"}
    assert "telephone numbers: about 1" in found.recipe


def test_more_text_feeds_a_larger_model():
    small = potential(200_000, 110_000, 1_000, TATAR * 20)
    large = potential(200_000_000, 110_000_000, 1_000_000, TATAR * 20)
    assert small.parameters < large.parameters
    assert small.vocab < large.vocab


def test_tokens_follow_from_a_tokenizer_that_is_tried():
    found = potential(100_000, 55_000, 500, TATAR * 30)
    assert 100_000 / 20 < found.tokens < 100_000
    assert potential(100_000, 55_000, 500, TATAR).tokens == 25_000  # too few to try one on


def test_the_model_is_the_one_that_a_recipe_gets(tmp_path: Path):
    text = "name = 'a'\nlanguage = 'tt'\n[[source]]\nname = 'a'\npath = 'a'\n[[phase]]\nname = 'a'"
    recipe = Recipe.load(write(tmp_path, "recipe.toml", text))
    for size in (1_000_000, 10_000_000, 30_000_000, 100_000_000):
        found = potential(size, size // 2, size // 100, [])
        facts = TextSize(size, size // 2, 1.0, 100.0, ()).facts(recipe.split, BYTES_PER_TOKEN)
        chosen = training_choices(recipe, facts, found.vocab)
        keys = (chosen["model.dim"].value, chosen["model.layers"].value)
        assert (found.dim, found.layers) == keys
        assert found.is_enough


def test_ten_bytes_are_enough_for_no_model_and_no_text_is_no_error():
    assert not potential(10, 6, 1, TATAR[:1]).is_enough
    assert potential(0, 0, 0, []).tokens == 0


def test_a_long_text_without_empty_lines_is_said_to_be_read_in_parts(tmp_path: Path):
    play = [f"{name}. {line}" for line in lines_of("tt") for name in ("Галия", "Камил", "Карт")]
    found = diagnosis(write(tmp_path, "пьеса.txt", "\n".join(play * 3)), language="tt")
    assert found.examined.documents > 1
    (note,) = found.read()
    assert note == (
        "The texts of пьеса are few. Parts of them are documents, so that some can judge the model;"
        ' document = "file" in [[source]] keeps texts whole.'
    )
    for count, names in ((3, "пьеса, пьеса and пьеса"), (4, "пьеса, пьеса, пьеса and others")):
        found.patient.survey.sources[:] = found.patient.survey.sources[:1] * count
        assert f"The texts of {names} are few." in found.read()[0]


def test_files_with_the_same_text_are_named(tmp_path: Path):
    lines = lines_of("tt")
    for name, part in (("әкият.txt", lines), ("җыр.txt", lines[:9]), ("әкият - копия.txt", lines)):
        write(tmp_path, f"t/{name}", "\n".join(part))
    write(tmp_path, "t/b/әкият.html", f"<p>{'</p><p>'.join(lines)}</p>")
    found = diagnosis(tmp_path / "t", language="tt")
    notes = " ".join(found.read())
    assert "әкият - копия.txt and әкият.txt hold the same text" in notes
    assert "җыр" not in notes
    many = replace(found.examined, same={f"a/{n}.txt": [f"b/{n}.txt"] for n in range(5)})
    *_, named, others = replace(found, examined=many).read()
    assert named == "a/2.txt and b/2.txt hold the same text, or nearly; a/2.txt stays."
    assert others == "The same is so of 2 more texts."
